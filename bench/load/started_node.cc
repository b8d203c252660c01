#include "bench/load/started_node.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/load/load_generator.h"

namespace worldline::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kReady = "worldline ready";
constexpr std::chrono::seconds kStopLimit{15};

// Between fork and exec: nothing but system calls.
[[noreturn]] void become_node(const char* const* words, int output, int log) {
  ::dup2(output, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv("/proc/self/exe", const_cast<char* const*>(words));
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<StartedNode>> StartedNode::start(std::chrono::seconds limit) {
  std::unique_ptr<StartedNode> node(new StartedNode());
  const uint64_t begin = monotonic_us();
  WL_RETURN_IF_ERROR(node->spawn());
  WL_RETURN_IF_ERROR(node->await_ready(limit));
  node->start_seconds_ = static_cast<double>(monotonic_us() - begin) / 1e6;
  return node;
}

Status StartedNode::spawn() {
  std::string name = (fs::temp_directory_path() / "worldline-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return Status::io_error("cannot make {}: {}", name, std::strerror(errno));
  directory_ = name;
  const std::string data = directory_ / "data";
  const std::string log_path = directory_ / "log.txt";
  std::array<int, 2> ends{};
  const int log = ::open(log_path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (log < 0 || ::pipe2(ends.data(), O_CLOEXEC) != 0)
    return Status::io_error("cannot start a node: {}", std::strerror(errno));
  const std::array<const char*, 9> words = {
      "worldline",   "start", "--data-dir",        data.c_str(), "--listen",
      "127.0.0.1:0", "--set", "storage.ballast=0", nullptr};
  pid_ = ::fork();
  if (pid_ == 0) become_node(words.data(), ends[1], log);
  ::close(ends[1]);
  ::close(log);
  output_ = ends[0];
  if (pid_ < 0) return Status::io_error("cannot fork: {}", std::strerror(errno));
  return Status::ok_status();
}

Status StartedNode::await_ready(std::chrono::seconds limit) {
  const uint64_t deadline =
      monotonic_us() + static_cast<uint64_t>(std::chrono::microseconds(limit).count());
  std::string text;
  while (monotonic_us() < deadline) {
    pollfd waiting{output_, POLLIN, 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(output_, buffer.data(), buffer.size());
    if (count <= 0) return Status::unavailable("the node ended: {}{}", text, last_output());
    text.append(buffer.data(), static_cast<size_t>(count));
    const size_t ready = text.find(kReady);
    const size_t line_end = text.find('\n', ready == std::string::npos ? 0 : ready);
    if (ready == std::string::npos || line_end == std::string::npos) continue;
    const size_t uri = text.find("http://", ready);
    if (uri == std::string::npos || uri > line_end)
      return Status::unavailable("the node's ready line names no address: {}", text);
    const size_t uri_end = text.find_first_of(" \n", uri);
    WL_ASSIGN_OR_RETURN(address_, parse_uri(text.substr(uri, uri_end - uri)));
    return Status::ok_status();
  }
  return Status::unavailable("the node was not ready within {} s: {}{}", limit.count(), text,
                             last_output());
}

std::string StartedNode::last_output() const {
  std::ifstream file(directory_ / "log.txt");
  const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return all.size() <= 2000 ? all : all.substr(all.size() - 2000);
}

StartedNode::~StartedNode() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    const uint64_t deadline =
        monotonic_us() + static_cast<uint64_t>(std::chrono::microseconds(kStopLimit).count());
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (monotonic_us() > deadline) ::kill(pid_, SIGKILL);
      ::usleep(20'000);
    }
  }
  if (output_ >= 0) ::close(output_);
  std::error_code error;
  if (!directory_.empty()) fs::remove_all(directory_, error);
}

}  // namespace worldline::bench
