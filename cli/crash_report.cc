#include "cli/crash_report.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>

#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check_failure.h"
#include "cli/exit_codes.h"
#include "cli/version.h"

namespace worldline::cli {
namespace {

constexpr int kFramesMax = 64;

// A signal handler reaches nothing but globals. Constant once the handler is installed.
std::array<char, 4096> report_path{};
std::array<char, 256> report_head{};

void write_text(int fd, const char* text) {
  for (size_t left = std::strlen(text); left > 0;) {
    const ssize_t written = ::write(fd, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<size_t>(written);
  }
}

void write_report(int fd) {
  write_text(fd, report_head.data());
  write_text(fd, last_check_failure());
  write_text(fd, "\n");
  std::array<void*, kFramesMax> frames{};
  const int count = ::backtrace(frames.data(), kFramesMax);
  ::backtrace_symbols_fd(frames.data(), count, fd);
}

void on_abort(int /*signal*/) {
  const int fd = ::open(report_path.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0) {
    write_report(fd);
    ::fsync(fd);
    ::close(fd);
    write_text(STDERR_FILENO, "worldline: a report is in ");
    write_text(STDERR_FILENO, report_path.data());
    write_text(STDERR_FILENO, "\n");
  }
  ::_exit(kExitBrokenInvariant);
}

Status copy_text(const std::string& text, std::span<char> out) {
  if (text.size() >= out.size()) return Status::invalid_argument("too long a path: {}", text);
  std::memcpy(out.data(), text.c_str(), text.size() + 1);
  return {};
}

}  // namespace

Status install_crash_report(const std::string& directory, int64_t started_seconds) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return Status::io_error("cannot make {}: {}", directory, std::strerror(errno));
  // In a container the process id is always the same.
  WL_RETURN_IF_ERROR(copy_text(
      fmt::format("{}/abort-{}-{}.txt", directory, started_seconds, ::getpid()), report_path));
  WL_RETURN_IF_ERROR(copy_text(
      fmt::format("worldline {} pid {} started {}\n", kVersion, ::getpid(), started_seconds),
      report_head));
  std::array<void*, 1> frame{};
  ::backtrace(frame.data(), 1);  // Loads what the handler must not load.
  struct sigaction action {};
  action.sa_handler = on_abort;
  sigemptyset(&action.sa_mask);
  if (::sigaction(SIGABRT, &action, nullptr) != 0)
    return Status::internal("cannot handle SIGABRT: {}", std::strerror(errno));
  return {};
}

}  // namespace worldline::cli
