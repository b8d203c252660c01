#include "tests/cli/cli_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace worldline::cli {
namespace {

void send_all(int connection, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

// Reads one request with a Content-Length body, or without one.
std::optional<SeenRequest> read_request(int connection) {
  std::string text;
  char buffer[4096];
  size_t end = std::string::npos;
  while ((end = text.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    text.append(buffer, static_cast<size_t>(got));
  }
  SeenRequest request;
  std::istringstream head(text.substr(0, end));
  std::string line;
  std::getline(head, line);
  request.line = line.substr(0, line.rfind(" HTTP"));
  while (std::getline(head, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) request.headers[line.substr(0, colon)] = line.substr(colon + 2);
  }
  request.body = text.substr(end + 4);
  const auto length = request.headers.find("Content-Length");
  const size_t wanted =
      length == request.headers.end() ? 0 : std::strtoul(length->second.c_str(), nullptr, 10);
  while (request.body.size() < wanted) {
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    request.body.append(buffer, static_cast<size_t>(got));
  }
  return request;
}

}  // namespace

FakeServer::FakeServer() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  WL_CHECK(::bind(listener_, plain, sizeof address) == 0);
  WL_CHECK(::listen(listener_, 16) == 0);
  socklen_t size = sizeof address;
  WL_CHECK(::getsockname(listener_, plain, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeServer::~FakeServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void FakeServer::answer(const std::string& line, CannedAnswer canned) {
  const std::lock_guard lock(mutex_);
  answers_[line].push_back(std::move(canned));
}

std::vector<SeenRequest> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeServer::serve() {
  for (;;) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    handle(connection);
    ::close(connection);
  }
}

void FakeServer::handle(int connection) {
  const auto request = read_request(connection);
  if (!request) return;
  CannedAnswer canned{404, "text/plain; charset=utf-8", "no such route", {}};
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(*request);
    const auto found = answers_.find(request->line);
    if (found != answers_.end()) {
      canned = found->second.front();
      if (found->second.size() > 1) found->second.pop_front();
    }
  }
  std::string head = "HTTP/1.1 " + std::to_string(canned.status) + " Said\r\n";
  if (!canned.content_type.empty()) head += "content-type: " + canned.content_type + "\r\n";
  if (canned.pieces.empty()) {
    send_all(connection, head + "content-length: " + std::to_string(canned.body.size()) +
                             "\r\n\r\n" + canned.body);
    return;
  }
  send_all(connection, head + "transfer-encoding: chunked\r\n\r\n");
  for (const std::string& piece : canned.pieces) {
    std::ostringstream size;
    size << std::hex << piece.size();
    send_all(connection, size.str() + "\r\n" + piece + "\r\n");
  }
  send_all(connection, "0\r\n\r\n");
}

CommandFixture::CommandFixture() {
  environment.working_dir = directory.path();
  environment.variables["HOME"] = directory.path();
  const std::string path =
      directory.write("cli.toml",
                      "default_server = \"fake\"\n"
                      "spacetimedb_token = \"" +
                          std::string("e30.eyJoZXhfaWRlbnRpdHkiOiJjMjAwIn0.x") +
                          "\"\n[[server_configs]]\n"
                          "nickname = \"fake\"\nhost = \"" +
                          server.url().substr(7) + "\"\nprotocol = \"http\"\n");
  auto opened = CliConfig::open(path, console);
  WL_CHECK(opened.ok());
  config = std::move(opened).value();
}

std::string identity_of(char digit) {
  return std::string(64, digit);
}

}  // namespace worldline::cli
