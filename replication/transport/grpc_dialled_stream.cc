#include "replication/transport/grpc_dialled_stream.h"

#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

namespace worldline::replication {
namespace {

std::string method_of(TrafficClass cls) {
  const std::string service = "/worldline.replication.v1.Replication/";
  switch (cls) {
    case TrafficClass::kControl:
      return service + "Control";
    case TrafficClass::kLog:
      return service + "Log";
    case TrafficClass::kBulk:
      return service + "Bulk";
    case TrafficClass::kCalls:
      return service + "Calls";
  }
  return service;
}

grpc::ChannelArguments channel_arguments(const TransportConfig& config) {
  grpc::ChannelArguments arguments;
  // A connection of its own: never shared with another class, never the remains of an attempt.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(config.keepalive_interval.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(config.keepalive_timeout.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The channel serves one attempt; pauses between attempts are the link's.
  const int attempt_ms = static_cast<int>(config.attempt_timeout.count());
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, attempt_ms);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, attempt_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, attempt_ms);
  // A retry would keep and repeat what was written.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Nodes speak with each other directly, and nobody's name service configures that.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kHandshakeBytesMax));
  arguments.SetMaxSendMessageSize(-1);
  return arguments;
}

// The library tells a refused connection from others in its text only.
bool is_connection_refused(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         status.error_message().find("Connection refused") != std::string::npos;
}

// What a listener of ours (or whoever answers at that address) says to a handshake.
bool is_rejection(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
      return true;
    default:
      return false;
  }
}

EndReason reason_of(const grpc::Status& status, bool was_up) {
  if (was_up) {
    // What the listener says of a frame or a message that it cannot have.
    if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) return EndReason::kProtocol;
    const bool is_silent = status.error_message().find("keepalive") != std::string::npos;
    return is_silent ? EndReason::kSilent : EndReason::kClosed;
  }
  if (is_connection_refused(status)) return EndReason::kRefused;
  return is_rejection(status.error_code()) ? EndReason::kRejected : EndReason::kUnreachable;
}

}  // namespace

DialledStream::DialledStream(const GrpcContext& context, PeerInfo peer, Owner& owner)
    : context_(context), peer_(std::move(peer)), owner_(owner) {}

void DialledStream::open(const std::string& address) {
  channel_ = grpc::CreateCustomChannel("dns:///" + address, context_.credentials.for_dialling(),
                                       channel_arguments(context_.config));
  stub_ = std::make_unique<grpc::GenericStub>(channel_);
  call_context_.set_wait_for_ready(false);
  call_ = stub_->PrepareCall(&call_context_, method_of(context_.cls()), context_.lane.queue());
  context_.lane.set(opening_timer_, context_.config.attempt_timeout, timer_op_.begin());
  call_->StartCall(start_op_.begin());
}

void DialledStream::on_started(bool ok) {
  if (!ok || phase_ != Phase::kOpening) return finish();
  greet();
  call_->Read(&received_, read_op_.begin());
}

void DialledStream::greet() {
  const Handshake handshake{context_.config.identity, context_.cls(), peer_.node};
  is_writing_ = true;
  call_->Write(to_buffer(FrameEncoder().encode(handshake)), write_op_.begin());
}

void DialledStream::on_read(bool ok) {
  if (!ok) return finish();
  if (phase_ == Phase::kOpening) hear_reply();
  received_.Clear();  // A listener says nothing after its reply; a newer one may.
  call_->Read(&received_, read_op_.begin());
}

void DialledStream::hear_reply() {
  ReceivedFrame frame;
  if (!frame.assign(received_)) return reject(Status::invalid_argument("unreadable reply"));
  const auto decoded = decode_frame(frame.segments(), {{}, peer_.node, context_.cls()});
  if (!decoded.ok()) return reject(decoded.status());
  if (!decoded.value().handshake_reply)
    return reject(Status::invalid_argument("the first frame is no handshake reply"));
  const HandshakeReply& reply = *decoded.value().handshake_reply;
  const Status status = check_peer(reply.identity, reply);
  if (!status.ok()) return reject(status);
  opening_timer_.Cancel();
  phase_ = Phase::kUp;
  was_up_ = true;
  add(context_.counters.streams_up);
  owner_.on_up(reply.identity);
}

Status DialledStream::check_peer(const NodeIdentity& peer, const HandshakeReply& reply) {
  WL_RETURN_IF_ERROR(check_reply(reply, context_.config.identity, peer_));
  if (context_.credentials.is_secure())
    WL_RETURN_IF_ERROR(check_certificate(names_of(call_context_.auth_context().get()),
                                         context_.config.cluster_name, peer_));
  if (!context_.directory.admit({peer.node, peer.incarnation}))
    return Status::failed_precondition("node {} of incarnation {} is gone, {} was seen",
                                       peer.node.value, peer.incarnation,
                                       context_.directory.newest_incarnation(peer.node));
  return Status::ok_status();
}

void DialledStream::reject(const Status& status) {
  cancel({EndReason::kRejected, status.message()});
}

void DialledStream::write(const EncodedFrame& frame) {
  WL_CHECK(can_write());
  is_writing_ = true;
  call_->Write(to_buffer(frame), write_op_.begin());
}

void DialledStream::on_written(bool ok) {
  is_writing_ = false;
  if (!ok || phase_ != Phase::kUp) return;  // The read reports the end.
  if (wants_half_close_) return half_close();
  owner_.on_writable();
}

void DialledStream::finish_writing() {
  if (phase_ != Phase::kUp) return;
  wants_half_close_ = true;
  if (!is_writing_) half_close();
}

void DialledStream::half_close() {
  phase_ = Phase::kFinishing;
  context_.lane.set(finishing_timer_, context_.config.attempt_timeout, timer_op_.begin());
  call_->WritesDone(half_close_op_.begin());
}

void DialledStream::cancel(StreamEnd end) {
  if (!end_) end_ = std::move(end);
  if (phase_ == Phase::kUp) phase_ = Phase::kFinishing;
  call_context_.TryCancel();
}

void DialledStream::on_timeout(bool ok) {
  if (!ok || phase_ == Phase::kUp || phase_ == Phase::kOver) return;
  cancel({EndReason::kSilent,
          fmt::format("no answer within {} ms", context_.config.attempt_timeout.count())});
}

void DialledStream::finish() {
  if (phase_ == Phase::kOver) return;
  phase_ = Phase::kOver;
  opening_timer_.Cancel();
  finishing_timer_.Cancel();
  call_->Finish(&status_, finish_op_.begin());
}

void DialledStream::on_finished(bool) {
  add(context_.counters.streams_ended);
}

StreamEnd DialledStream::end_of_call() const {
  if (end_) return *end_;
  const EndReason reason = reason_of(status_, was_up_);
  return {reason, status_.ok() ? "the peer ended the stream" : status_.error_message()};
}

void DialledStream::op_returned() {
  if (--outstanding_ > 0 || phase_ != Phase::kOver) return;
  owner_.on_over(end_of_call(), wants_half_close_ && !end_ && status_.ok());
}

}  // namespace worldline::replication
