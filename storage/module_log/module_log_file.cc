#include "storage/module_log/module_log_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace worldline::storage {
namespace {

constexpr int64_t kMicrosPerDay = int64_t{86'400} * 1'000'000;
constexpr size_t kFlushBytes = 256 * 1024;  // A drain that logs more than this writes early.

int64_t day_of(Timestamp now) {
  const int64_t day = now.micros / kMicrosPerDay;
  return now.micros % kMicrosPerDay < 0 ? day - 1 : day;
}

std::string file_name(int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}.log", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

bool write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Reads [begin, end) of an open file.
Result<std::string> read_range(int fd, uint64_t begin, uint64_t end) {
  std::string text(end - begin, '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t got =
        ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::io_error("module log: {}", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  text.resize(done);
  return text;
}

// Start of the last `line_count` lines in `text`, which begins at a line start if `at_file_start`.
size_t start_of_last_lines(std::string_view text, uint64_t line_count) {
  size_t position = text.size();
  for (uint64_t seen = 0; position > 0; --position) {
    if (text[position - 1] != '\n' || position == text.size()) continue;
    if (++seen == line_count) return position;
  }
  return 0;
}

}  // namespace

Result<ModuleLogFile> ModuleLogFile::open(std::filesystem::path directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Status::io_error("{}: {}", directory.string(), error.message());
  return ModuleLogFile(std::move(directory));
}

ModuleLogFile::ModuleLogFile(ModuleLogFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      fd_(std::exchange(other.fd_, -1)),
      day_(other.day_),
      buffer_(std::exchange(other.buffer_, {})),
      buffered_lines_(std::exchange(other.buffered_lines_, 0)),
      dropped_lines_(other.dropped_lines_) {}

ModuleLogFile& ModuleLogFile::operator=(ModuleLogFile&& other) noexcept {
  if (this == &other) return *this;
  flush();
  if (fd_ >= 0) ::close(fd_);
  directory_ = std::move(other.directory_);
  fd_ = std::exchange(other.fd_, -1);
  day_ = other.day_;
  buffer_ = std::exchange(other.buffer_, {});
  buffered_lines_ = std::exchange(other.buffered_lines_, 0);
  dropped_lines_ = other.dropped_lines_;
  return *this;
}

ModuleLogFile::~ModuleLogFile() {
  flush();
  if (fd_ >= 0) ::close(fd_);
}

void ModuleLogFile::switch_to(int64_t day) {
  flush();
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open((directory_ / file_name(day)).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
               0600);
  day_ = day;
}

void ModuleLogFile::append(std::string_view line, Timestamp now) {
  if (fd_ < 0 || day_of(now) != day_) switch_to(day_of(now));
  buffer_.append(line);
  buffer_.push_back('\n');
  ++buffered_lines_;
  if (buffer_.size() >= kFlushBytes) flush();
}

void ModuleLogFile::flush() {
  if (buffer_.empty()) return;
  if (fd_ < 0 || !write_all(fd_, buffer_)) dropped_lines_ += buffered_lines_;
  buffer_.clear();
  buffered_lines_ = 0;
}

std::filesystem::path ModuleLogFile::path_of(Timestamp now) const {
  return directory_ / file_name(day_of(now));
}

uint64_t ModuleLogFile::file_bytes(Timestamp now) const {
  std::error_code failed;
  const uintmax_t bytes = std::filesystem::file_size(path_of(now), failed);
  return failed ? 0 : bytes;
}

Result<std::string> read_last_lines(const std::filesystem::path& path, uint64_t line_count,
                                    uint64_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::string();
  if (fd < 0) return Status::io_error("{}: {}", path.string(), std::strerror(errno));
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  const uint64_t end = known ? static_cast<uint64_t>(info.st_size) : 0;
  const uint64_t begin = end > bytes_max ? end - bytes_max : 0;
  Result<std::string> text = read_range(fd, begin, end);
  ::close(fd);
  if (!text.ok() || line_count == 0) return text.ok() ? Result<std::string>(std::string()) : text;
  std::string tail = std::move(text).value();
  size_t from = start_of_last_lines(tail, line_count);
  // A cut at bytes_max may begin inside a line: drop the fragment.
  if (from == 0 && begin > 0) from = std::min(tail.find('\n'), tail.size() - 1) + 1;
  return tail.substr(from);
}

}  // namespace worldline::storage
