#include "replication/transport/grpc_accepted_stream.h"

#include <utility>

namespace worldline::replication {

// Runs on the lane when the window has room again; by then the stream may be gone.
class AcceptedStream::Resume final : public LaneTask {
 public:
  explicit Resume(AcceptedStream& stream) : stream_(&stream) {}
  void cut_off() { stream_ = nullptr; }
  void run_on_lane() override {
    if (stream_ != nullptr) stream_->resume();
  }

 private:
  AcceptedStream* stream_;  // The lane's thread only.
};

AcceptedStream::AcceptedStream(const GrpcContext& context, GrpcService& service, Owner& owner)
    : context_(context),
      service_(service),
      owner_(owner),
      window_(std::make_shared<ReceiveWindow>(context.limits().received_bytes_max,
                                              static_cast<WindowWaker&>(*this))),
      resume_(std::make_shared<Resume>(*this)),
      call_(&call_context_) {}

void AcceptedStream::offer() {
  service_.request(context_.cls(), call_context_, call_, *context_.lane.queue(),
                   request_op_.begin());
}

void AcceptedStream::on_requested(bool ok) {
  if (!ok) {  // The server ends.
    phase_ = Phase::kOver;
    return;
  }
  phase_ = Phase::kGreeting;
  owner_.on_arrived(*this);
}

void AcceptedStream::listen() {
  context_.lane.set(timer_, context_.config.handshake_timeout, timer_op_.begin());
  read_next();
}

void AcceptedStream::read_next() {
  is_reading_ = true;
  call_.Read(&received_, read_op_.begin());
}

void AcceptedStream::on_read(bool ok) {
  is_reading_ = false;
  if (phase_ == Phase::kOver) return;        // Rejected meanwhile.
  if (!ok) return refuse(grpc::Status::OK);  // The dialler has nothing more to say, or is gone.
  if (is_closing_) return refuse(grpc::Status::CANCELLED);
  if (!frame_.assign(received_)) return fail(grpc::StatusCode::INTERNAL, "unreadable buffer");
  auto decoded =
      decode_frame(frame_.segments(), {peer_, context_.config.identity.node, context_.cls()});
  if (!decoded.ok()) {
    add(context_.counters.invalid_frames);
    context_.listener.on_note(
        {TransportNoteKind::kBadFrame, peer_.node, context_.cls(), decoded.status().message()});
    return fail(grpc_code_of(decoded.status()), decoded.status().message());
  }
  if (phase_ == Phase::kGreeting)
    hear_handshake(decoded.value());
  else
    hear_frame(std::move(decoded).value(), frame_.bytes());
  if (phase_ != Phase::kOpen || is_closing_) return;
  resume();
}

void AcceptedStream::resume() {
  if (phase_ != Phase::kOpen || is_reading_ || is_closing_) return;
  if (window_->may_read()) return read_next();
  add(context_.counters.receive_pauses);
}

void AcceptedStream::on_window_open() {
  context_.lane.post(resume_);
}

void AcceptedStream::hear_handshake(const DecodedFrame& frame) {
  const Status status = frame.handshake
                            ? check_dialler(*frame.handshake)
                            : Status::invalid_argument("the first frame is no handshake");
  if (!status.ok()) {
    add(context_.counters.handshakes_refused);
    const NodeId claimed = frame.handshake ? frame.handshake->identity.node : NodeId{};
    context_.listener.on_note({TransportNoteKind::kHandshakeRefused, claimed, context_.cls(),
                               call_context_.peer() + ": " + status.message()});
    return fail(grpc_code_of(status), status.message());
  }
  timer_.Cancel();
  phase_ = Phase::kOpen;
  peer_ = {frame.handshake->identity.node, frame.handshake->identity.incarnation};
  owner_.on_identified(*this);
  is_writing_ = true;
  call_.Write(to_buffer(FrameEncoder().encode(HandshakeReply{context_.config.identity})),
              write_op_.begin());
}

Status AcceptedStream::check_dialler(const Handshake& handshake) {
  const NodeIdentity& other = handshake.identity;
  const std::optional<PeerInfo> known = context_.directory.find(other.node);
  WL_RETURN_IF_ERROR(check_handshake(handshake, context_.config.identity, context_.cls(),
                                     known ? &*known : nullptr));
  if (context_.credentials.is_secure())
    WL_RETURN_IF_ERROR(check_certificate(names_of(call_context_.auth_context().get()),
                                         context_.config.cluster_name, *known));
  if (!context_.directory.admit({other.node, other.incarnation}))
    return Status::failed_precondition("incarnation {} of node {} is gone, {} was seen",
                                       other.incarnation, other.node.value,
                                       context_.directory.newest_incarnation(other.node));
  return Status::ok_status();
}

void AcceptedStream::hear_frame(DecodedFrame frame, size_t bytes) {
  if (frame.handshake || frame.handshake_reply) {
    add(context_.counters.invalid_frames);
    return fail(grpc::StatusCode::INVALID_ARGUMENT, "a second handshake");
  }
  if (!context_.directory.is_current(peer_))
    return fail(grpc::StatusCode::FAILED_PRECONDITION, "a newer life of this node was seen");
  add(context_.counters.frames_received);
  add(context_.counters.bytes_received, bytes);
  add(context_.counters.messages_received, frame.messages.size());
  note_left_out(frame);
  if (frame.goodbye) context_.listener.on_goodbye(peer_, frame.goodbye->reason);
  if (frame.messages.empty()) return;
  auto batch = std::make_shared<ReceivedBatch>();
  batch->from = peer_;
  batch->cls = context_.cls();
  batch->messages = std::move(frame.messages);
  batch->credit = window_->take(bytes);
  context_.listener.on_messages(std::move(batch));
}

void AcceptedStream::note_left_out(const DecodedFrame& frame) {
  if (frame.invalid_count > 0) {
    add(context_.counters.invalid_messages, frame.invalid_count);
    context_.listener.on_note({TransportNoteKind::kMessageRefused, peer_.node, context_.cls(),
                               frame.first_invalid.message()});
  }
  if (frame.unknown_count > 0) {
    add(context_.counters.unknown_messages, frame.unknown_count);
    context_.listener.on_note({TransportNoteKind::kUnknownMessage, peer_.node, context_.cls(),
                               fmt::format("{} of a kind unknown here", frame.unknown_count)});
  }
}

void AcceptedStream::on_written(bool) {
  is_writing_ = false;
  if (phase_ == Phase::kOver) call_.Finish(final_status_, finish_op_.begin());
}

void AcceptedStream::on_timeout(bool ok) {
  if (ok && phase_ == Phase::kGreeting) close();
}

void AcceptedStream::fail(grpc::StatusCode code, const std::string& text) {
  refuse(grpc::Status(code, text));
}

// REQUIRES: no read is outstanding.
void AcceptedStream::refuse(const grpc::Status& status) {
  WL_CHECK(!is_reading_);
  end(status);
}

// A read may be outstanding: the end of the call ends it.
void AcceptedStream::end(const grpc::Status& status) {
  if (phase_ == Phase::kOver) return;
  phase_ = Phase::kOver;
  timer_.Cancel();
  resume_->cut_off();
  window_->detach();
  final_status_ = status;
  if (!is_writing_) call_.Finish(final_status_, finish_op_.begin());  // Else after the write.
}

void AcceptedStream::close() {
  if (phase_ == Phase::kOffered || phase_ == Phase::kOver) return;
  is_closing_ = true;
  call_context_.TryCancel();
  if (!is_reading_) refuse(grpc::Status::CANCELLED);
}

void AcceptedStream::reject(const std::string& why) {
  if (phase_ != Phase::kOpen || is_closing_) return;
  add(context_.counters.streams_rejected);
  context_.listener.on_note({TransportNoteKind::kStreamRejected, peer_.node, context_.cls(), why});
  end(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why));
}

void AcceptedStream::op_returned() {
  if (--outstanding_ > 0 || phase_ != Phase::kOver) return;
  owner_.on_over(*this);
}

}  // namespace worldline::replication
