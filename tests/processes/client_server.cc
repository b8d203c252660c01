#include "tests/processes/client_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace worldline::kv {
namespace {

constexpr uint64_t kListenerId = 0;
constexpr uint64_t kWakeId = 1;

void watch(int poll, int file, uint64_t id, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(poll, EPOLL_CTL_ADD, file, &event) != 0)
    epoll_ctl(poll, EPOLL_CTL_MOD, file, &event);
}

// The words of a line; nothing but blanks stands between them.
ClientRequest parse_line(uint64_t connection, std::string_view line) {
  ClientRequest request;
  request.connection = connection;
  constexpr std::string_view kBlanks = " \t\r";
  for (size_t begin = line.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    if (request.number.empty())
      request.number = word;
    else
      request.words.emplace_back(word);
    begin = line.find_first_not_of(kBlanks, end);
  }
  return request;
}

}  // namespace

Result<std::unique_ptr<ClientServer>> ClientServer::start(const std::string& host, uint16_t port,
                                                          Handler handler) {
  std::unique_ptr<ClientServer> server(new ClientServer(std::move(handler)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    return Status::invalid_argument("'{}' is no IPv4 address", host);
  server->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(server->listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(server->listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(server->listener_, 1024) != 0)
    return Status::io_error("{}:{}: {}", host, port, std::strerror(errno));
  server->poll_ = epoll_create1(EPOLL_CLOEXEC);
  server->wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  watch(server->poll_, server->listener_, kListenerId, EPOLLIN);
  watch(server->poll_, server->wake_, kWakeId, EPOLLIN);
  server->thread_ = std::thread([raw = server.get()] { raw->run(); });
  return server;
}

ClientServer::~ClientServer() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    eventfd_write(wake_, 1);
    thread_.join();
  }
  for (const int file : {listener_, poll_, wake_})
    if (file >= 0) ::close(file);
}

void ClientServer::reply(const ClientRequest& to, const std::string& text) {
  replied_.emplace_back(to.connection, to.number);
  replied_.back().second.append(" ").append(text).append("\n");
}

void ClientServer::flush() {
  if (replied_.empty()) return;
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = answers_.empty();
    if (is_first)
      answers_.swap(replied_);
    else
      std::move(replied_.begin(), replied_.end(), std::back_inserter(answers_));
  }
  replied_.clear();
  if (is_first) eventfd_write(wake_, 1);
}

void ClientServer::run() {
  std::array<epoll_event, 256> events{};
  for (;;) {
    const int count = epoll_wait(poll_, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t id = events[static_cast<size_t>(i)].data.u64;
      if (id == kListenerId) {
        accept_all();
      } else if (id == kWakeId) {
        eventfd_t ignored = 0;
        eventfd_read(wake_, &ignored);
        write_all();
      } else if (const auto found = connections_.find(id); found != connections_.end()) {
        const uint32_t what = events[static_cast<size_t>(i)].events;
        const bool may_write = (what & EPOLLOUT) != 0;
        if (may_write && !write(*found->second)) {
          close(id);
          continue;
        }
        if (may_write && found->second->out.empty())
          watch(poll_, found->second->socket, id, EPOLLIN);
        if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
          read(id, *found->second);
        }
      }
    }
    hand_over();
    const std::lock_guard lock(mutex_);
    if (is_stopping_) break;
  }
  while (!connections_.empty()) close(connections_.begin()->first);
}

void ClientServer::accept_all() {
  for (;;) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    if (connections_.size() >= kConnectionsMax) {
      ::close(socket);
      continue;
    }
    const int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    auto connection = std::make_unique<Connection>();
    connection->socket = socket;
    const uint64_t id = ++last_id_;
    connections_.emplace(id, std::move(connection));
    watch(poll_, socket, id, EPOLLIN);
  }
}

void ClientServer::read(uint64_t id, Connection& connection) {
  std::array<char, 64 * 1024> bytes;
  const ssize_t count = ::read(connection.socket, bytes.data(), bytes.size());
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return close(id);
  connection.in.append(bytes.data(), static_cast<size_t>(count));
  take_lines(id, connection);
  if (connection.in.size() > kLineBytesMax) close(id);
}

void ClientServer::take_lines(uint64_t id, Connection& connection) {
  size_t begin = 0;
  for (;;) {
    const size_t end = connection.in.find('\n', begin);
    if (end == std::string::npos) break;
    ClientRequest request =
        parse_line(id, std::string_view(connection.in).substr(begin, end - begin));
    begin = end + 1;
    if (!request.number.empty()) arrived_.push_back(std::move(request));
  }
  connection.in.erase(0, begin);
}

// One hand-over for a thousand clients costs the node's loop one wake, not a thousand.
void ClientServer::hand_over() {
  if (!arrived_.empty()) handler_(std::exchange(arrived_, {}));
}

void ClientServer::write_all() {
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  // All answers to a connection before the one write of it.
  std::stable_sort(answers.begin(), answers.end(),
                   [](const Answer& a, const Answer& b) { return a.first < b.first; });
  for (size_t i = 0; i < answers.size();) {
    const uint64_t id = answers[i].first;
    const auto found = connections_.find(id);
    std::string text;
    for (; i < answers.size() && answers[i].first == id; ++i) text.append(answers[i].second);
    if (found != connections_.end()) send_to(id, *found->second, text);
  }
}

void ClientServer::send_to(uint64_t id, Connection& connection, const std::string& text) {
  const bool was_empty = connection.out.empty();
  connection.out.append(text);
  if (!write(connection) || connection.out.size() > kUnsentBytesMax) {
    close(id);
  } else if (was_empty && !connection.out.empty()) {
    watch(poll_, connection.socket, id, EPOLLIN | EPOLLOUT);
  }
}

// False: the connection is broken.
bool ClientServer::write(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t count =
        send(connection.socket, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    connection.out.erase(0, static_cast<size_t>(count));
  }
  return true;
}

void ClientServer::close(uint64_t id) {
  const auto found = connections_.find(id);
  ::close(found->second->socket);
  connections_.erase(found);
}

}  // namespace worldline::kv
