#include "bench/load/call_session.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "schema/protocol/client_message.h"
#include "schema/protocol/server_message.h"
#include "schema/protocol/server_tags.h"

namespace worldline::bench {
namespace {

// The key is fixed, so the accept value is as well: no hash is needed to check it.
constexpr std::string_view kWebSocketKey = "d29ybGRsaW5lLWJlbmNoLg==";
constexpr std::string_view kWebSocketAccept = "JZL+OjFgfRX0l8RI0UBZMUngMUQ=";

constexpr size_t kReceiveBytes = 64 * 1024;
constexpr size_t kRequestIdAt = 1;  // After the message tag.
constexpr int64_t kAmount = 1;

// Arguments of transfer(from u32, to u32, amount i64) as BSATN.
struct TransferArguments {
  uint32_t from;
  uint32_t to;
  int64_t amount;
};
static_assert(sizeof(TransferArguments) == 16);

// A ReducerResult with outcome Ok, an empty value and no updates: what a caller without
// subscriptions gets for every success, and the only message worth a fast path.
struct __attribute__((packed)) EmptyOk {
  uint8_t tag;
  uint32_t request_id;
  int64_t timestamp;
  uint8_t outcome;
  uint32_t value_bytes;
  uint32_t query_sets;
};
static_assert(sizeof(EmptyOk) == 22);

bool is_empty_ok(const EmptyOk& result) {
  return result.tag == static_cast<uint8_t>(protocol::ServerTag::kReducerResult) &&
         result.outcome == static_cast<uint8_t>(protocol::OutcomeTag::kOk) &&
         result.value_bytes == 0 && result.query_sets == 0;
}

ByteBuffer encode_call() {
  const ByteBuffer arguments(sizeof(TransferArguments));
  protocol::CallReducer call;
  call.reducer = "transfer";
  call.args = arguments;
  ByteBuffer out;
  protocol::encode_client_message(call, out);
  return out;
}

Status io_failure(const char* what) {
  return Status::io_error("{}: {}", what, std::strerror(errno));
}

// Without its compression tag; the node was asked for none.
Result<Bytes> body_of(const FrameMessage& message) {
  if (message.opcode != Opcode::kBinary || message.payload.empty() || message.payload[0] != 0)
    return Status::invalid_argument("unexpected message of {} B", message.payload.size());
  return message.payload.subspan(1);
}

std::string error_text(const protocol::ReducerResult& result) {
  if (const auto* error = std::get_if<protocol::ReducerErr>(&result.outcome))
    return std::string(protocol::reducer_error_text(*error).value_or("?"));
  if (const auto* error = std::get_if<protocol::ReducerInternalError>(&result.outcome))
    return std::string(error->error);
  return {};
}

}  // namespace

CallSession::CallSession(const SessionOptions& options, int fd)
    : options_(options),
      fd_(fd),
      call_(encode_call()),
      next_pair_(options.first_pair),
      begun_us_(options.in_flight) {
  frame_.resize(kFrameHeadBytesMax + options.in_flight * call_.size());
  for (uint32_t slot = 0; slot < options.in_flight; ++slot) free_slots_.push_back(slot);
}

CallSession::~CallSession() {
  ::close(fd_);
}

Result<std::unique_ptr<CallSession>> CallSession::open(const SessionOptions& options) {
  WL_ASSIGN_OR_RETURN(const int fd, connect_tcp(options.address));
  std::unique_ptr<CallSession> session(new CallSession(options, fd));
  const timeval limit{30, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  WL_RETURN_IF_ERROR(session->upgrade());
  WL_RETURN_IF_ERROR(session->await_greeting());
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return io_failure("fcntl");
  return session;
}

Status CallSession::upgrade() {
  std::string request = fmt::format(
      "GET /v1/database/{}/subscribe?compression=None&confirmed=true HTTP/1.1\r\nHost: {}\r\n"
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: v3.bsatn.spacetimedb\r\n",
      options_.database, options_.address.authority(), kWebSocketKey);
  if (!options_.token.empty())
    request += fmt::format("Authorization: Bearer {}\r\n", options_.token);
  request += "\r\n";
  WL_RETURN_IF_ERROR(send_all(fd_, as_bytes(request)));
  while (true) {
    const std::string_view head = as_text(scanner_.pending());
    if (const size_t end = head.find("\r\n\r\n"); end != std::string_view::npos) {
      if (head.substr(0, 12) != "HTTP/1.1 101")
        return Status::unavailable("upgrade refused: {}", head.substr(0, 300));
      if (head.find(kWebSocketAccept) > end)
        return Status::invalid_argument("upgrade with a wrong Sec-WebSocket-Accept");
      scanner_.skip(end + 4);
      return Status::ok_status();
    }
    const MutableBytes space = scanner_.receive_space(kReceiveBytes);
    const ssize_t count = ::recv(fd_, space.data(), space.size(), 0);
    if (count <= 0) return Status::unavailable("connection lost during the upgrade");
    scanner_.received(static_cast<size_t>(count));
  }
}

Status CallSession::await_greeting() {
  while (true) {
    WL_ASSIGN_OR_RETURN(const std::optional<FrameMessage> message, scanner_.next());
    if (message && message->opcode == Opcode::kBinary) {
      WL_ASSIGN_OR_RETURN(Bytes body, body_of(*message));
      WL_ASSIGN_OR_RETURN(const protocol::ServerMessage greeting,
                          protocol::take_server_message(body));
      if (!std::holds_alternative<protocol::InitialConnection>(greeting))
        return Status::invalid_argument("the first message is no InitialConnection");
      return Status::ok_status();
    }
    if (message && message->opcode == Opcode::kPing)
      WL_RETURN_IF_ERROR(send_frame(Opcode::kPong, message->payload));
    if (message) continue;
    const MutableBytes space = scanner_.receive_space(kReceiveBytes);
    const ssize_t count = ::recv(fd_, space.data(), space.size(), 0);
    if (count <= 0) return Status::unavailable("connection lost before the greeting");
    scanner_.received(static_cast<size_t>(count));
  }
}

Status CallSession::start(uint64_t now_us) {
  return issue(now_us);
}

Status CallSession::issue(uint64_t now_us) {
  if (free_slots_.empty() || !is_issuing_) return Status::ok_status();
  const size_t payload_bytes = free_slots_.size() * call_.size();
  Byte* at = frame_.data();
  at += write_frame_head(Opcode::kBinary, payload_bytes, Masking::kZeroKey, at);
  for (const uint32_t slot : free_slots_) {
    const TransferPair pair = options_.pairs[next_pair_];
    if (++next_pair_ == options_.pairs.size()) next_pair_ = 0;
    std::memcpy(at, call_.data(), call_.size());
    store_le(at + kRequestIdAt, slot);
    store_le(at + call_.size() - sizeof(TransferArguments),
             TransferArguments{pair.from, pair.to, kAmount});
    at += call_.size();
    begun_us_[slot] = now_us;
  }
  in_flight_ += static_cast<uint32_t>(free_slots_.size());
  free_slots_.clear();
  return send_bytes({frame_.data(), static_cast<size_t>(at - frame_.data())});
}

Status CallSession::on_readable(uint64_t now_us, CallTally& tally) {
  const MutableBytes space = scanner_.receive_space(kReceiveBytes);
  const ssize_t count = ::recv(fd_, space.data(), space.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Status::ok_status();
  if (count < 0) return io_failure("cannot receive");
  if (count == 0) return Status::unavailable("the node closed the connection");
  scanner_.received(static_cast<size_t>(count));
  while (true) {
    WL_ASSIGN_OR_RETURN(const std::optional<FrameMessage> message, scanner_.next());
    if (!message) break;
    if (message->opcode == Opcode::kPing) {
      WL_RETURN_IF_ERROR(send_frame(Opcode::kPong, message->payload));
      continue;
    }
    if (message->opcode == Opcode::kPong) continue;
    if (message->opcode == Opcode::kClose)
      return Status::unavailable(
          "the node closed the session: {}",
          as_text(message->payload.subspan(std::min<size_t>(2, message->payload.size()))));
    WL_ASSIGN_OR_RETURN(const Bytes body, body_of(*message));
    WL_RETURN_IF_ERROR(take_messages(body, now_us, tally));
  }
  return issue(now_us);
}

Status CallSession::take_messages(Bytes body, uint64_t now_us, CallTally& tally) {
  while (!body.empty()) {
    if (body.size() >= sizeof(EmptyOk)) [[likely]] {
      const auto result = load_le<EmptyOk>(body.data());
      if (is_empty_ok(result) && result.request_id < begun_us_.size() &&
          begun_us_[result.request_id] != 0) [[likely]] {
        const uint64_t begun = begun_us_[result.request_id];
        if (finish_slot(result.request_id)) [[likely]]
          tally.add_ok(begun, now_us);
        body = body.subspan(sizeof(EmptyOk));
        continue;
      }
    }
    WL_RETURN_IF_ERROR(take_other(body, now_us, tally));
  }
  return Status::ok_status();
}

Status CallSession::take_other(Bytes& body, uint64_t now_us, CallTally& tally) {
  WL_ASSIGN_OR_RETURN(const protocol::ServerMessage message, protocol::take_server_message(body));
  const auto* result = std::get_if<protocol::ReducerResult>(&message);
  if (result == nullptr) return Status::ok_status();
  if (result->request_id >= begun_us_.size())
    return Status::invalid_argument("an answer to request {}", result->request_id);
  const uint64_t begun = begun_us_[result->request_id];
  if (begun == 0) return Status::invalid_argument("two answers to request {}", result->request_id);
  if (!finish_slot(result->request_id)) return Status::ok_status();
  if (const std::string error = error_text(*result); error.empty())
    tally.add_ok(begun, now_us);
  else
    tally.add_error(error);
  return Status::ok_status();
}

bool CallSession::finish_slot(uint32_t request_id) {
  const bool was_waited_for = begun_us_[request_id] != kGivenUp;
  begun_us_[request_id] = 0;
  free_slots_.push_back(request_id);
  if (was_waited_for) --in_flight_;
  return was_waited_for;
}

void CallSession::give_up(uint64_t begun_until_us, uint64_t now_us, CallTally& tally) {
  for (uint64_t& begun : begun_us_) {
    if (begun == 0 || begun > begun_until_us) continue;  // kGivenUp is the largest of all.
    tally.add_timeout(begun, now_us);
    begun = kGivenUp;
    --in_flight_;
  }
}

Status CallSession::send_frame(Opcode opcode, Bytes payload) {
  ByteBuffer frame(kFrameHeadBytesMax);
  frame.resize(write_frame_head(opcode, payload.size(), Masking::kZeroKey, frame.data()));
  append(frame, payload);
  return send_bytes(frame);
}

Status CallSession::send_bytes(Bytes bytes) {
  if (unsent_.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return io_failure("cannot send");
    if (count > 0) bytes = bytes.subspan(static_cast<size_t>(count));
  }
  append(unsent_, bytes);
  return Status::ok_status();
}

Status CallSession::on_writable() {
  const ByteBuffer rest = std::move(unsent_);
  unsent_ = {};
  return send_bytes(rest);
}

}  // namespace worldline::bench
