#include "bench/load/http_call.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace worldline::bench {
namespace {

constexpr size_t kReplyBytesMax = 256 << 20;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<std::string> read_to_end(int fd) {
  std::string all;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::io_error("cannot receive: {}", std::strerror(errno));
    if (count == 0) return all;
    all.append(buffer, static_cast<size_t>(count));
    if (all.size() > kReplyBytesMax) return Status::too_large("answer over {} B", kReplyBytesMax);
  }
}

// Lower-cased copy of the head, for looking up header names.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::string> decode_chunks(std::string_view body) {
  std::string out;
  while (true) {
    size_t length = 0;
    const auto parsed = std::from_chars(body.data(), body.data() + body.size(), length, 16);
    if (parsed.ec != std::errc()) return std::nullopt;
    const size_t line_end = body.find("\r\n");
    if (line_end == std::string_view::npos) return std::nullopt;
    body.remove_prefix(line_end + 2);
    if (length == 0) return out;
    if (body.size() < length + 2) return std::nullopt;
    out.append(body.substr(0, length));
    body.remove_prefix(length + 2);
  }
}

Result<HttpReply> parse_reply(const std::string& all) {
  const size_t head_end = all.find("\r\n\r\n");
  HttpReply reply;
  if (head_end == std::string::npos || all.compare(0, 7, "HTTP/1.") != 0 || all.size() < 12)
    return Status::invalid_argument("answer is not HTTP ({} B)", all.size());
  const auto parsed = std::from_chars(all.data() + 9, all.data() + 12, reply.status);
  if (parsed.ec != std::errc()) return Status::invalid_argument("answer without a status");
  const std::string head = lower(std::string_view(all).substr(0, head_end));
  reply.body = all.substr(head_end + 4);
  if (head.find("transfer-encoding: chunked") == std::string::npos) return reply;
  std::optional<std::string> decoded = decode_chunks(reply.body);
  if (!decoded) return Status::invalid_argument("answer with broken chunks");
  reply.body = std::move(*decoded);
  return reply;
}

}  // namespace

std::string NodeAddress::authority() const {
  return fmt::format("{}:{}", host, port);
}

Result<NodeAddress> parse_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "http://";
  if (uri.substr(0, kScheme.size()) != kScheme)
    return Status::invalid_argument("`{}` does not begin with {}", uri, kScheme);
  uri.remove_prefix(kScheme.size());
  uri = uri.substr(0, uri.find('/'));
  NodeAddress address;
  const size_t colon = uri.rfind(':');
  address.host = uri.substr(0, colon);
  if (colon != std::string_view::npos) {
    const std::string_view port = uri.substr(colon + 1);
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size())
      return Status::invalid_argument("`{}` is no port", port);
  }
  if (address.host.empty()) return Status::invalid_argument("no host in `{}`", uri);
  return address;
}

Result<int> connect_tcp(const NodeAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  if (const int error = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
      error != 0)
    return Status::unavailable("{}: {}", address.host, ::gai_strerror(error));
  int fd = -1;
  int failure = 0;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) continue;
    if (::connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
    failure = errno;
    ::close(fd);
    fd = -1;
  }
  ::freeaddrinfo(found);
  if (fd < 0)
    return Status::unavailable("cannot connect to {}: {}", address.authority(),
                               std::strerror(failure));
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

Status send_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::io_error("cannot send: {}", std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return Status::ok_status();
}

Result<HttpReply> http_call(const NodeAddress& address, const HttpRequest& request) {
  WL_ASSIGN_OR_RETURN(const int fd, connect_tcp(address));
  const Socket socket(fd);
  const timeval limit{static_cast<time_t>(request.timeout.count()), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string head =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
                  request.method, request.path, address.authority(), request.body.size());
  if (!request.token.empty()) head += fmt::format("Authorization: Bearer {}\r\n", request.token);
  if (!request.content_type.empty())
    head += fmt::format("Content-Type: {}\r\n", request.content_type);
  head += "\r\n";
  WL_RETURN_IF_ERROR(send_all(fd, as_bytes(head)));
  WL_RETURN_IF_ERROR(send_all(fd, request.body));
  WL_ASSIGN_OR_RETURN(const std::string all, read_to_end(fd));
  return parse_reply(all);
}

Result<std::string> http_ok(const NodeAddress& address, const HttpRequest& request) {
  WL_ASSIGN_OR_RETURN(HttpReply reply, http_call(address, request));
  if (reply.status != 200)
    return Status::failed_precondition("{} {} gave {}: {}", request.method, request.path,
                                       reply.status, reply.body.substr(0, 500));
  return std::move(reply.body);
}

std::string json_string(std::string_view json, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\":\"", key);
  const size_t at = json.find(wanted);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + wanted.size();
  const size_t end = json.find('"', begin);
  return std::string(json.substr(begin, end == std::string_view::npos ? end : end - begin));
}

}  // namespace worldline::bench
