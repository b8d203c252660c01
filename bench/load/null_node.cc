#include "bench/load/null_node.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/websocket_frames.h"
#include "schema/protocol/client_message.h"
#include "schema/protocol/server_encoder.h"

namespace worldline::bench {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;
constexpr int kEventsMax = 128;

// One accepted connection: first the upgrade, then calls.
class NullSession {
 public:
  NullSession(int fd, NullAnswers answers) : fd_(fd), answers_(answers) {}
  ~NullSession() { ::close(fd_); }
  NullSession(const NullSession&) = delete;
  NullSession& operator=(const NullSession&) = delete;

  // False: the connection is over.
  bool on_readable() {
    const MutableBytes space = scanner_.receive_space(kReceiveBytes);
    const ssize_t count = ::recv(fd_, space.data(), space.size(), 0);
    if (count <= 0) return false;
    scanner_.received(static_cast<size_t>(count));
    if (!is_upgraded_ && !upgrade()) return true;
    return answer();
  }

 private:
  // False: the request is not complete yet.
  bool upgrade() {
    const size_t end = as_text(scanner_.pending()).find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    scanner_.skip(end + 4);
    is_upgraded_ = true;
    // Only our own sessions come here: their key, and so the accept value, is fixed.
    constexpr std::string_view kReply =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Accept: JZL+OjFgfRX0l8RI0UBZMUngMUQ=\r\n"
        "Sec-WebSocket-Protocol: v3.bsatn.spacetimedb\r\n\r\n";
    send_all(fd_, as_bytes(kReply)).ignore("the next receive reports it");
    body_.assign(1, 0);
    const ByteBuffer id(32);
    protocol::encode_initial_connection(id, Bytes(id).first(16), "", body_);
    send_body();
    return true;
  }

  bool answer() {
    body_.assign(1, 0);  // Compression tag: none.
    while (true) {
      const auto message = scanner_.next();
      if (!message.ok()) return false;
      if (!message.value()) break;
      if (message.value()->opcode != Opcode::kBinary) continue;
      messages_.clear();
      if (!protocol::decode_client_messages(message.value()->payload, protocol::Framing::kBatched,
                                            messages_)
               .ok())
        return false;
      for (const protocol::ClientMessage& request : messages_)
        if (const auto* call = std::get_if<protocol::CallReducer>(&request))
          protocol::encode_reducer_ok_head(call->request_id, Timestamp{}, 0, body_);
    }
    if (body_.size() > 1 && answers_ == NullAnswers::kAll) send_body();
    return true;
  }

  void send_body() {
    out_.resize(kFrameHeadBytesMax);
    out_.resize(write_frame_head(Opcode::kBinary, body_.size(), Masking::kNone, out_.data()));
    append(out_, body_);
    send_all(fd_, out_).ignore("the next receive reports it");
  }

  const int fd_;
  const NullAnswers answers_;
  bool is_upgraded_ = false;
  FrameScanner scanner_;
  std::vector<protocol::ClientMessage> messages_;
  ByteBuffer body_, out_;
};

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

NullNode::NullNode(int listener, NodeAddress address, NullAnswers answers)
    : listener_(listener),
      address_(std::move(address)),
      answers_(answers),
      thread_([this] { run(); }) {}

NullNode::~NullNode() {
  stop_.store(true);
  thread_.join();
  ::close(listener_);
}

Result<std::unique_ptr<NullNode>> NullNode::start(NullAnswers answers) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length) != 0) {
    const int failure = errno;
    if (listener >= 0) ::close(listener);
    return Status::io_error("null node: {}", std::strerror(failure));
  }
  NodeAddress address;
  address.host = "127.0.0.1";
  address.port = ntohs(at.sin_port);
  return std::unique_ptr<NullNode>(new NullNode(listener, std::move(address), answers));
}

void NullNode::run() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener_);
  std::map<int, std::unique_ptr<NullSession>> sessions;
  epoll_event events[kEventsMax];
  while (!stop_.load(std::memory_order_relaxed)) {
    const int count = ::epoll_wait(epoll, events, kEventsMax, 20);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_) {
        const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) continue;
        const int one = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        sessions.emplace(accepted, std::make_unique<NullSession>(accepted, answers_));
        watch(epoll, accepted);
      } else if (!sessions.at(fd)->on_readable()) {
        sessions.erase(fd);  // Closes the socket, which leaves the epoll set with it.
      }
    }
  }
  ::close(epoll);
}

}  // namespace worldline::bench
