#include "replication/transport/grpc_link.h"

#include <utility>

namespace worldline::replication {
namespace {

// Streams of different peers and classes must not share their jitter.
uint64_t seed_of(const GrpcContext& context, NodeId peer) {
  return context.config.jitter_seed +
         0x9E3779B97F4A7C15 * (4 * peer.value + slot_of(context.cls()));
}

size_t message_count(const std::vector<MessageBatch>& batches) {
  size_t count = 0;
  for (const MessageBatch& batch : batches) count += batch->size();
  return count;
}

}  // namespace

GrpcLink::GrpcLink(const GrpcContext& context, PeerInfo peer)
    : context_(context),
      queue_(context.limits().queue),
      gate_(tolerates_loss(context.cls()) ? Gate::kQueue : Gate::kRing),
      peer_(std::move(peer)),
      pacer_(context.config.backoff, seed_of(context, peer_.node)) {}

Status GrpcLink::push(MessageBatch batch, size_t bytes) {
  bool must_ring = false;
  {
    const std::lock_guard lock(mutex_);
    if (gate_ == Gate::kShut) {
      add(context_.counters.refused_down);
      return Status::unavailable("no {} stream to the node", traffic_class_name(context_.cls()));
    }
    if (Status status = queue_.push(std::move(batch), bytes); !status.ok()) {
      add(context_.counters.refused_full);
      return status;
    }
    must_ring = gate_ == Gate::kRing;
    if (must_ring) gate_ = Gate::kQueue;
  }
  if (must_ring) context_.lane.post(shared_from_this());
  return Status::ok_status();
}

void GrpcLink::set_gate(Gate gate) {
  const std::lock_guard lock(mutex_);
  gate_ = gate;
}

std::vector<MessageBatch> GrpcLink::shut() {
  const std::lock_guard lock(mutex_);
  gate_ = Gate::kShut;
  return queue_.drop_all();
}

// ---- The lane's side ----------------------------------------------------------------------------

void GrpcLink::start() {
  if (is_eager()) dial();
}

void GrpcLink::set_addresses(std::vector<std::string> addresses) {
  peer_.addresses = std::move(addresses);
  attempts_ = 0;
}

void GrpcLink::run_on_lane() {
  if (phase_ == Phase::kIdle) return dial();
  if (phase_ == Phase::kUp) write_next();
}

void GrpcLink::dial() {
  phase_ = Phase::kOpening;
  set_gate(Gate::kQueue);
  pacer_.on_dial(std::chrono::steady_clock::now());
  stream_ =
      std::make_unique<DialledStream>(context_, peer_, static_cast<DialledStream::Owner&>(*this));
  stream_->open(peer_.addresses[attempts_++ % peer_.addresses.size()]);
}

void GrpcLink::on_up(const NodeIdentity& peer) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kUp;
  pacer_.on_up(std::chrono::steady_clock::now());
  report_up(peer);
  finish_refresh();
  write_next();
}

// A refreshed stream to the same life is the same stream to everybody else.
void GrpcLink::report_up(const NodeIdentity& peer) {
  const NodeLife life{peer.node, peer.incarnation};
  if (reported_ == life) return;
  if (reported_)
    context_.listener.on_stream_down(peer_.node, context_.cls(),
                                     {EndReason::kClosed, "a new life of the node answers"});
  reported_ = life;
  context_.listener.on_stream_up({life, peer.feature_level, context_.cls()});
}

void GrpcLink::on_writable() {
  if (is_goodbye_written_) finish_goodbye();
  write_next();
}

void GrpcLink::write_next() {
  if (phase_ != Phase::kUp || !stream_->can_write()) return;
  if (goodbye_) return write_goodbye();
  {
    const std::lock_guard lock(mutex_);
    queue_.take(run_);
    if (run_.empty()) {
      gate_ = Gate::kRing;
      return;
    }
    gate_ = Gate::kQueue;
  }
  const EncodedFrame frame = encoder_.encode(run_.messages);
  add(context_.counters.frames_sent);
  add(context_.counters.messages_sent, run_.messages.size());
  add(context_.counters.bytes_sent, frame.bytes);
  run_ = {};
  stream_->write(frame);
}

void GrpcLink::write_goodbye() {
  const EncodedFrame frame = encoder_.encode(Goodbye{*goodbye_});
  goodbye_.reset();
  is_goodbye_written_ = true;
  stream_->write(frame);
}

void GrpcLink::say_goodbye(GoodbyeReason reason, Done done) {
  if (phase_ != Phase::kUp || goodbye_done_) return done();
  goodbye_ = reason;
  goodbye_done_ = std::move(done);
  write_next();
}

void GrpcLink::finish_goodbye() {
  is_goodbye_written_ = false;
  goodbye_.reset();
  if (goodbye_done_) std::exchange(goodbye_done_, nullptr)();
}

void GrpcLink::refresh(Done done) {
  if (phase_ != Phase::kUp || refresh_done_) return done();
  refresh_done_ = std::move(done);
  set_gate(Gate::kQueue);
  stream_->finish_writing();
}

void GrpcLink::finish_refresh() {
  if (refresh_done_) std::exchange(refresh_done_, nullptr)();
}

void GrpcLink::on_over(const StreamEnd& end, bool is_clean) {
  const bool was_up = phase_ == Phase::kUp;
  stream_.reset();
  finish_goodbye();
  if (phase_ == Phase::kClosed) {
    give_up({close_reason_, end_reason_name(close_reason_)});
    return check_closed();
  }
  if (was_up && is_clean && refresh_done_) return dial();
  give_up(end);
  finish_refresh();
  pause_or_dial(end.reason);
}

// What is queued is lost with its stream; nobody hears of it again after a reconnect.
void GrpcLink::give_up(const StreamEnd& end) {
  std::vector<MessageBatch> dropped = shut();
  reported_.reset();
  context_.listener.on_stream_down(peer_.node, context_.cls(), end);
  report_dropped(std::move(dropped));
}

void GrpcLink::report_dropped(std::vector<MessageBatch> dropped) {
  if (dropped.empty()) return;
  add(context_.counters.dropped_messages, message_count(dropped));
  context_.listener.on_dropped(peer_.node, context_.cls(), std::move(dropped));
}

void GrpcLink::pause_or_dial(EndReason reason) {
  const auto pause = pacer_.on_over(std::chrono::steady_clock::now(), reason);
  if (!pause && is_eager()) return dial();
  phase_ = Phase::kPause;
  context_.lane.set(pause_, pause.value_or(context_.config.backoff.min), pause_op_.begin());
}

void GrpcLink::on_pause_over(bool) {
  if (phase_ != Phase::kPause) return;
  if (is_eager()) return dial();
  phase_ = Phase::kIdle;
  set_gate(Gate::kRing);
}

void GrpcLink::on_reached_by(const NodeLife& peer) {
  if (phase_ != Phase::kPause || peer.incarnation <= reached_by_) return;
  reached_by_ = peer.incarnation;
  pause_.Cancel();
}

void GrpcLink::close(EndReason reason, Done on_closed) {
  close_reason_ = reason;
  on_closed_ = std::move(on_closed);
  phase_ = Phase::kClosed;
  pause_.Cancel();
  finish_refresh();
  if (stream_ != nullptr) return stream_->cancel({reason, end_reason_name(reason)});
  report_dropped(shut());  // Of a push that has rung and was not heard.
  check_closed();
}

void GrpcLink::op_returned() {
  --outstanding_;
  check_closed();
}

void GrpcLink::check_closed() {
  if (phase_ == Phase::kClosed && stream_ == nullptr && outstanding_ == 0 && on_closed_)
    std::exchange(on_closed_, nullptr)();
}

}  // namespace worldline::replication
