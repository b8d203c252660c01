#include "gateway/websocket_session.h"

#include <array>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "base/check.h"
#include "gateway/session_handle.h"
#include "schema/protocol/server_encoder.h"
#include "schema/protocol/server_tags.h"
#include "schema/utf8.h"

namespace worldline::gateway {
namespace {

using boost::system::error_code;

// Gather writes: as many pieces as one system call takes in Asio.
constexpr size_t kPiecesPerWrite = 64;
// Pending bytes of one drain beyond which a session is written to before the drain's end.
constexpr size_t kEarlyFlushBytes = 1 * limits::MiB;
// Reads in a row before other connections of the thread get their turn.
constexpr int kReadsInARow = 4;

// A buffer sequence over the first `count` of an array.
struct PieceRange {
  const net::const_buffer* first;
  size_t count;
  const net::const_buffer* begin() const { return first; }
  const net::const_buffer* end() const { return first + count; }
};

FramingOptions framing_of(const UpgradePlan& plan, const WebSocketConfig& config) {
  FramingOptions options;
  options.coalesce = plan.protocol == WebSocketProtocol::kV3;
  options.compression = plan.compression;
  if (plan.compression == Compression::kGzip && !config.compress_gzip_clients)
    options.compression = Compression::kNone;  // HAZARD [S 02/12.1]: npm would reorder.
  options.coalesce_bytes = config.coalesce_bytes;
  options.compress_above_bytes = config.compress_above_bytes;
  return options;
}

}  // namespace

WebSocketSession::WebSocketSession(GatewayCore& core, IoThread& thread, PeerId id, Socket socket,
                                   UpgradePlan plan)
    : core_(core),
      thread_(thread),
      id_(id),
      plan_(std::move(plan)),
      framing_(framing_of(plan_, core.config.websocket)),
      metrics_(core.metrics->database(plan_.database)),
      socket_(std::move(socket)),
      reader_(core.config.websocket.message_bytes_max, thread.buffers()),
      last_heard_(thread.clock().steady()),
      last_ping_(last_heard_) {
  ++core_.connections;
}

void WebSocketSession::start(Bytes early) {
  while (!early.empty()) {
    const MutableBytes room = reader_.prepare();
    const size_t bytes = std::min(room.size(), early.size());
    std::memcpy(room.data(), early.data(), bytes);
    reader_.commit(bytes);
    early = early.subspan(bytes);
  }
  error_code ignored;
  socket_.non_blocking(true, ignored);
  actors::SessionOpen open;
  open.database = plan_.database;
  open.caller = {plan_.identity, plan_.jwt_payload};
  open.connection_id = plan_.connection_id;
  open.sink = std::make_shared<SessionHandle>(thread_.inbox(), id_, unsent_);
  core_.node.open_session(std::move(open), [inbox = thread_.inbox(), id = id_](auto session) {
    PeerEvent event;
    event.peer = id;
    event.notice = std::make_unique<PeerNotice>(SessionOpened{std::move(session)});
    inbox->push(std::move(event));
  });
}

void WebSocketSession::on_event(PeerEvent event) {
  if (event.batch != nullptr) on_batch(std::move(event.batch));
  if (state_ == State::kDone) return;
  if (event.consumed_messages > 0) on_consumed(event.consumed_messages, event.consumed_bytes);
  if (event.notice == nullptr) return;
  if (auto* opened = std::get_if<SessionOpened>(event.notice.get())) {
    on_opened(std::move(*opened));
  } else if (const auto* close = std::get_if<actors::CloseReason>(event.notice.get())) {
    flush();  // What was delivered before leaves before.
    const auto cause =
        close->code == 1001 ? DisconnectCause::kModuleExited : DisconnectCause::kShutdown;
    if (close->code == 0)
      drop(cause);
    else
      close_with(close->code, close->reason, cause);
  }
}

void WebSocketSession::on_batch(OutboundBatchPtr batch) {
  const uint64_t replies = count_replies(*batch);
  unanswered_ -= std::min(unanswered_, replies);
  if (state_ != State::kOpening && state_ != State::kOpen) return;
  // Give the socket a chance before judging: a drain may hold more than the limit for a fast
  // client.
  if (pending_bytes_ >= kEarlyFlushBytes) flush();
  if (state_ == State::kDone) return;
  // One batch is admitted below the limit, whatever its size: there is no largest message.
  const WebSocketConfig& config = core_.config.websocket;
  if (out_.bytes() + pending_bytes_ > config.outgoing_bytes_max ||
      out_.message_count() + pending_messages_ > config.outgoing_messages_max) {
    drop(DisconnectCause::kOutgoingQueueFull);
    return;
  }
  unsent_replies_ += replies;
  pending_bytes_ += batch->bytes();
  pending_messages_ += batch->message_ends.size();
  pending_.push_back(std::move(batch));
  unsent_->store(out_.bytes() + pending_bytes_, std::memory_order_relaxed);
  thread_.mark_dirty(id_);
}

void WebSocketSession::on_opened(SessionOpened opened) {
  WL_CHECK(state_ == State::kOpening);
  if (!opened.session.ok()) {
    // [S 02/5.3 no. 4]: without any WebSocket frame; browsers see 1006.
    metrics_->on_rejected(opened.session.status().code() == StatusCode::kUserError
                              ? RejectCause::kClientConnectedRejected
                              : RejectCause::kClientConnectedError);
    drop(DisconnectCause::kShutdown);
    return;
  }
  session_ = std::move(opened.session.value());
  state_ = State::kOpen;
  counted_ = true;
  metrics_->on_connected();
  send_initial_connection();
  last_heard_ = last_ping_ = thread_.clock().steady();
  awaiting_pong_ = true;
  send_control(Opcode::kPing, {});
  thread_.mark_dirty(id_);
  if (stopping_) {
    finish_stop();
    return;
  }
  on_bytes();
  read_when_ready();
}

void WebSocketSession::on_consumed(uint32_t messages, uint64_t bytes) {
  posted_bytes_ -= std::min(posted_bytes_, bytes);
  while (messages > 0 && !posted_.empty()) {
    Posted& front = posted_.front();
    const uint32_t taken = std::min(messages, front.messages);
    front.messages -= taken;
    messages -= taken;
    if (front.messages > 0) break;
    posted_frames_ -= front.frames;
    posted_.pop_front();
  }
  if (state_ == State::kOpen && !reading_) read_when_ready();
}

bool WebSocketSession::may_read() const {
  if (state_ == State::kClosing) return true;
  return state_ == State::kOpen && !stopping_ &&
         posted_bytes_ < core_.config.websocket.incoming_bytes_max;
}

void WebSocketSession::read_when_ready() {
  if (reading_ || !may_read()) return;  // Also after drop().
  reading_ = true;
  reader_.release_if_empty();  // An idle connection holds no buffer.
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    if (self->state_ == State::kDone) return;
    if (error)
      self->drop(DisconnectCause::kReceiveIo);
    else
      self->on_readable();
  });
}

void WebSocketSession::on_readable() {
  for (int reads = 0; reads < kReadsInARow && may_read(); ++reads) {
    const MutableBytes room = reader_.prepare();
    error_code error;
    const size_t bytes = socket_.read_some(net::buffer(room.data(), room.size()), error);
    if (error == net::error::would_block) break;
    if (error || bytes == 0) {
      drop(state_ == State::kClosing ? cause_ : DisconnectCause::kConnectionClosed);
      return;
    }
    heard_ = true;
    reader_.commit(bytes);
    const bool filled = bytes == room.size();
    on_bytes();
    if (state_ == State::kDone) return;
    if (!filled) break;
  }
  read_when_ready();
}

// Everything that is complete becomes one batch; then whatever ended the input takes effect.
void WebSocketSession::on_bytes() {
  auto batch = std::make_shared<actors::ClientBatch>();
  batch->messages.reserve(last_batch_messages_);
  uint32_t frames = 0;
  const InputEnd end = take_frames(*batch, frames);
  if (!batch->messages.empty()) post(std::move(batch), frames);
  switch (end.kind) {
    case InputEnd::Kind::kNone:
      if (posted_frames_ > core_.config.websocket.incoming_messages_max)
        close_with(1013, "too many requests", DisconnectCause::kIncomingQueueFull);
      return;
    case InputEnd::Kind::kFault:
      close_with(1011, end.text, DisconnectCause::kClientMessageError);
      return;
    case InputEnd::Kind::kClientClose:
      on_client_close(as_bytes(end.text));
      return;
    case InputEnd::Kind::kDrop:
      drop(state_ == State::kClosing ? cause_ : end.cause);
      return;
  }
}

WebSocketSession::InputEnd WebSocketSession::take_frames(actors::ClientBatch& batch,
                                                         uint32_t& frames) {
  IncomingFrame frame;
  InputEnd end;
  bool borrowed = false;
  while (end.kind == InputEnd::Kind::kNone) {
    const FrameOutcome outcome = reader_.next(frame);
    if (outcome == FrameOutcome::kNeedMore) break;
    if (outcome == FrameOutcome::kMessage) {
      if (state_ != State::kOpen) continue;  // Discarded behind our close frame.
      ++frames;
      borrowed = borrowed || frame.owner == nullptr;
      end = on_frame(frame, batch);
      if (frame.owner != nullptr) batch.frames.push_back(std::move(frame.owner));
    } else if (outcome == FrameOutcome::kControl) {
      end = on_control(frame);
    } else {
      end.kind = InputEnd::Kind::kDrop;
      end.cause = outcome == FrameOutcome::kTooLarge ? DisconnectCause::kTooLarge
                                                     : DisconnectCause::kProtocol;
    }
  }
  if (borrowed && !batch.messages.empty()) batch.frames.push_back(reader_.detach());
  return end;
}

WebSocketSession::InputEnd WebSocketSession::on_frame(const IncomingFrame& frame,
                                                      actors::ClientBatch& batch) {
  metrics_->on_received(plan_.protocol, frame.payload.size());
  const bool is_v3 = plan_.protocol == WebSocketProtocol::kV3;
  if (frame.opcode == Opcode::kText)
    return {InputEnd::Kind::kFault,
            {},
            is_v3 ? "v3 websocket does not support text messages"
                  : "v2 websocket does not support text messages"};
  const Status status = protocol::decode_client_messages(
      frame.payload, is_v3 ? protocol::Framing::kBatched : protocol::Framing::kSingle,
      batch.messages);
  if (!status.ok()) return {InputEnd::Kind::kFault, {}, status.message()};
  batch.bytes += frame.payload.size();
  return {};
}

WebSocketSession::InputEnd WebSocketSession::on_control(const IncomingFrame& frame) {
  if (frame.opcode == Opcode::kClose) {
    if (state_ == State::kClosing) return {InputEnd::Kind::kDrop, cause_, {}};
    return {InputEnd::Kind::kClientClose, {}, std::string(as_text(frame.payload))};
  }
  if (frame.opcode == Opcode::kPing && state_ == State::kOpen) {
    send_control(Opcode::kPong, frame.payload);
    write_out();
    if (state_ == State::kDone) return {InputEnd::Kind::kDrop, cause_, {}};
  }
  if (frame.opcode == Opcode::kPong && std::exchange(awaiting_pong_, false)) {
    const std::chrono::duration<double> trip = thread_.clock().steady() - last_ping_;
    metrics_->on_pong(trip.count());
  }
  return {};
}

// Echoes code and reason, behind what was delivered already.
void WebSocketSession::on_client_close(Bytes payload) {
  flush();
  if (state_ != State::kOpen) return;
  const auto code =
      payload.size() >= 2 ? static_cast<uint16_t>(payload[0] << 8 | payload[1]) : uint16_t{0};
  const bool valid = payload.empty() || (payload.size() >= 2 && is_valid_close_code(code) &&
                                         schema::is_valid_utf8(payload.subspan(2)));
  if (!valid) {
    close_with(1002, "Protocol violation", DisconnectCause::kProtocol);
    return;
  }
  send_control(Opcode::kClose, payload);
  begin_closing(DisconnectCause::kClientClose);
  end_after_flush_ = true;
  write_out();
}

void WebSocketSession::post(std::shared_ptr<actors::ClientBatch> batch, uint32_t frames) {
  last_batch_messages_ = batch->messages.size();
  unanswered_ += batch->messages.size();
  posted_.push_back({static_cast<uint32_t>(batch->messages.size()), frames});
  posted_frames_ += frames;
  posted_bytes_ += batch->bytes;
  session_->post(std::move(batch));
}

void WebSocketSession::send_control(Opcode opcode, Bytes payload) {
  ByteBuffer frame;
  append_control_frame(opcode, payload, frame);
  out_.append_copy(frame);
}

void WebSocketSession::send_initial_connection() {
  ByteBuffer message;
  protocol::encode_initial_connection(plan_.identity.bytes(), plan_.connection_id.bytes(),
                                      plan_.token, message);
  auto batch = std::make_shared<actors::OutboundBatch>();
  const auto bytes = static_cast<uint32_t>(message.size());
  batch->message_ends.push_back(bytes);
  batch->pieces.push_back({std::make_shared<const ByteBuffer>(std::move(message)), 0, bytes});
  const OutboundBatchPtr frozen = std::move(batch);
  thread_.framer().frame({&frozen, 1}, framing_, out_);
}

void WebSocketSession::flush() {
  if (state_ != State::kOpen || (pending_.empty() && out_.empty())) return;
  if (!pending_.empty()) {
    thread_.framer().frame(pending_, framing_, out_);
    clear_pending();
  }
  write_out();
  if (stopping_ && state_ == State::kOpen) finish_stop();
}

void WebSocketSession::clear_pending() {
  pending_.clear();
  pending_bytes_ = 0;
  pending_messages_ = 0;
}

void WebSocketSession::write_out() {
  while (!writing_ && !out_.empty()) {
    std::array<Bytes, kPiecesPerWrite> pieces;
    const size_t count = out_.gather(pieces);
    std::array<net::const_buffer, kPiecesPerWrite> buffers;
    for (size_t i = 0; i < count; ++i)
      buffers[i] = net::const_buffer(pieces[i].data(), pieces[i].size());
    error_code error;
    const size_t sent = socket_.write_some(PieceRange{buffers.data(), count}, error);
    if (error == net::error::would_block) {
      writing_ = true;
      socket_.async_wait(Socket::wait_write,
                         [self = shared_from_this()](const error_code& failure) {
                           self->writing_ = false;
                           if (self->state_ == State::kDone) return;
                           if (failure)
                             self->drop(DisconnectCause::kSendError);
                           else
                             self->write_out();
                         });
      return;
    }
    if (error) {
      drop(DisconnectCause::kSendError);
      return;
    }
    out_.consume(sent);
    unsent_->store(out_.bytes() + pending_bytes_, std::memory_order_relaxed);
  }
  if (!out_.empty()) return;
  if (pending_.empty()) unsent_replies_ = 0;
  if (end_after_flush_) drop(cause_);
}

void WebSocketSession::close_with(uint16_t code, std::string_view reason, DisconnectCause cause) {
  if (state_ != State::kOpen) {
    if (state_ == State::kOpening) drop(cause);
    return;
  }
  ByteBuffer frame;
  append_close_frame(code, reason, frame);
  out_.append_copy(frame);
  begin_closing(cause);
  write_out();
  if (state_ == State::kClosing) read_when_ready();
}

void WebSocketSession::begin_closing(DisconnectCause cause) {
  state_ = State::kClosing;
  cause_ = cause;
  clear_pending();
  close_deadline_ = thread_.clock().steady() + core_.config.websocket.close_handshake_timeout;
  session_->close();
}

void WebSocketSession::drop(DisconnectCause cause) {
  if (std::exchange(state_, State::kDone) == State::kDone) return;
  error_code ignored;
  // Orderly where everything was sent: a reset could overtake the close frame.
  if (out_.empty()) socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  if (session_ != nullptr) session_->close();
  if (counted_) metrics_->on_disconnected(cause);
  out_.clear();
  clear_pending();
  posted_.clear();
  posted_frames_ = 0;
  report_traffic();
  --core_.connections;
  thread_.remove(id_);
}

void WebSocketSession::on_tick(SteadyTime now) {
  report_traffic();
  if (state_ == State::kClosing) {
    if (now >= close_deadline_ && !(stopping_ && has_undelivered())) drop(cause_);
    return;
  }
  if (state_ != State::kOpen) return;
  if (std::exchange(heard_, false) || !reading_) last_heard_ = now;  // Not reading is our doing.
  if (now - last_heard_ > core_.config.websocket.idle_timeout) {
    drop(DisconnectCause::kIdleTimeout);
    return;
  }
  if (!awaiting_pong_ && now - last_ping_ >= core_.config.websocket.ping_interval) {
    last_ping_ = now;
    awaiting_pong_ = true;
    send_control(Opcode::kPing, {});
    write_out();
  }
}

void WebSocketSession::report_traffic() {
  if (const SizeTally sent = out_.take_payload_sizes(); !sent.empty()) metrics_->on_sent(sent);
  const int64_t incoming = posted_frames_;
  const auto outgoing = static_cast<int64_t>(out_.message_count());
  if (incoming != reported_incoming_)
    metrics_->add_incoming(incoming - std::exchange(reported_incoming_, incoming));
  if (outgoing != reported_outgoing_)
    metrics_->add_outgoing(outgoing - std::exchange(reported_outgoing_, outgoing));
}

void WebSocketSession::on_stop() {
  stopping_ = true;
  if (state_ == State::kOpen) finish_stop();
}

void WebSocketSession::finish_stop() {
  if (unanswered_ == 0 && pending_.empty())
    close_with(1001, "the server is shutting down", DisconnectCause::kShutdown);
}

void WebSocketSession::on_abandon() {
  drop(DisconnectCause::kShutdown);
}

bool WebSocketSession::is_unanswered() const {
  if (state_ == State::kOpen) return unanswered_ > 0 || unsent_replies_ > 0;
  return state_ == State::kClosing && cause_ == DisconnectCause::kShutdown && unsent_replies_ > 0;
}

// Bytes in the kernel count: a call that arrives at a closed socket makes it reset the connection,
// and what the client has not taken by then is thrown away.
bool WebSocketSession::has_undelivered() const {
  return !out_.empty() || unacknowledged_bytes(socket_) > 0;
}

uint64_t count_replies(const actors::OutboundBatch& batch) {
  uint64_t replies = 0;
  size_t piece = 0;
  size_t piece_begin = 0;  // Of batch.pieces[piece] in the concatenation.
  const auto byte_at = [&](size_t position) -> Byte {
    while (position >= piece_begin + (batch.pieces[piece].end - batch.pieces[piece].begin)) {
      piece_begin += batch.pieces[piece].end - batch.pieces[piece].begin;
      ++piece;
    }
    return (*batch.pieces[piece].bytes)[batch.pieces[piece].begin + (position - piece_begin)];
  };
  size_t begin = 0;
  for (const uint32_t end : batch.message_ends) {
    switch (static_cast<protocol::ServerTag>(byte_at(begin))) {
      case protocol::ServerTag::kSubscriptionError:
        replies += byte_at(begin + 1) == 0 ? 1 : 0;  // Option: 0 = some request id.
        break;
      case protocol::ServerTag::kInitialConnection:
      case protocol::ServerTag::kTransactionUpdate:
        break;
      case protocol::ServerTag::kSubscribeApplied:
      case protocol::ServerTag::kUnsubscribeApplied:
      case protocol::ServerTag::kOneOffQueryResult:
      case protocol::ServerTag::kReducerResult:
      case protocol::ServerTag::kProcedureResult:
        ++replies;
        break;
    }
    begin = end;
  }
  return replies;
}

}  // namespace worldline::gateway
