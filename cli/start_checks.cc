#include "cli/start_checks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace worldline::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kPortsTried = 100;

struct Endpoint {
  sockaddr_storage address{};
  socklen_t bytes = 0;
};

std::optional<Endpoint> endpoint_of(const std::string& address, uint16_t port) {
  Endpoint endpoint;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&endpoint.address);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    endpoint.bytes = sizeof(sockaddr_in);
    return endpoint;
  }
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
  if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  endpoint.bytes = sizeof(sockaddr_in6);
  return endpoint;
}

// As the gateway would bind it: a port in the last phase of an old connection counts as free.
bool is_free(const Endpoint& endpoint) {
  const int fd = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  const bool bound =
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::bind(fd, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.bytes) == 0 &&
      ::listen(fd, 1) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

Status check_data_directory(const std::string& path) {
  std::error_code error;
  const bool is_new = !fs::exists(path, error);
  fs::create_directories(path, error);
  if (error) return Status::io_error("cannot make {}: {}", path, error.message());
  if (is_new) {
    fs::permissions(path, fs::perms::owner_all, error);
    if (error) return Status::io_error("cannot set the mode of {}: {}", path, error.message());
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0)
    return Status::io_error("cannot write in {}: {}", path, std::strerror(errno));
  return {};
}

Status write_default_config(const std::string& data_dir, const std::string& text) {
  std::error_code error;
  const std::string path = data_dir + "/config.toml";
  if (fs::exists(path, error) || fs::exists(data_dir + "/worldline.toml", error)) return {};
  const std::string draft = path + ".new";
  std::ofstream file(draft, std::ios::trunc);
  file << text;
  file.close();
  if (file.fail()) return Status::io_error("cannot write {}", draft);
  fs::rename(draft, path, error);
  if (error) return Status::io_error("cannot make {}: {}", path, error.message());
  return {};
}

std::optional<uint16_t> next_free_port(const std::string& address, uint16_t taken) {
  const uint32_t last = std::min<uint32_t>(uint32_t{taken} + kPortsTried, UINT16_MAX);
  for (uint32_t port = uint32_t{taken} + 1; port <= last; ++port) {
    const auto endpoint = endpoint_of(address, static_cast<uint16_t>(port));
    if (endpoint && is_free(*endpoint)) return static_cast<uint16_t>(port);
  }
  return std::nullopt;
}

std::optional<uint16_t> offer_next_port(Console& console, const std::string& address,
                                        uint16_t taken) {
  const auto port = next_free_port(address, taken);
  if (!port) return std::nullopt;
  const std::string question =
      fmt::format("Port {} is already in use. Listen on port {} instead?", taken, *port);
  return confirm(console, question, AssumeYes::kNo) ? port : std::nullopt;
}

}  // namespace worldline::cli
