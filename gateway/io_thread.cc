#include "gateway/io_thread.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "base/check.h"
#include "gateway/asio_boundary.h"

namespace worldline::gateway {
namespace {

constexpr size_t kBuffersKept = 256;  // x 64 KiB = 16 MiB of idle read buffers per I/O thread.

// Nobody is left to own it, so the node may forget it.
void discard(PeerEvent& event) {
  if (event.notice == nullptr) return;
  if (const auto* opened = std::get_if<SessionOpened>(event.notice.get());
      opened != nullptr && opened->session.ok())
    opened->session.value()->close();
}

}  // namespace

void IoInbox::push(PeerEvent event) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (thread_ != nullptr) {
      events_.push_back(std::move(event));
      wake();
      return;
    }
  }
  discard(event);
}

void IoInbox::run(std::function<void()> work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (thread_ == nullptr) return;
  work_.push_back(std::move(work));
  wake();
}

void IoInbox::wake() {
  if (std::exchange(woken_, true)) return;
  net::post(thread_->context(), [thread = thread_] { thread->drain(); });
}

void IoInbox::close() {
  std::vector<PeerEvent> left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    thread_ = nullptr;
    left.swap(events_);
    work_.clear();
  }
  for (PeerEvent& event : left) discard(event);
}

void IoInbox::take(std::vector<PeerEvent>& events, std::vector<std::function<void()>>& work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  events.swap(events_);
  work.swap(work_);
  woken_ = false;
}

Result<std::unique_ptr<IoThread>> IoThread::create(const GatewayConfig& config, const Clock& clock,
                                                   PeerCount& peer_count) {
  std::unique_ptr<IoThread> thread;
  WL_RETURN_IF_ERROR(guard_asio("create an I/O thread", [&thread, &config, &clock, &peer_count] {
    thread.reset(new IoThread(config, clock, peer_count));
  }));
  return thread;
}

IoThread::IoThread(const GatewayConfig& config, const Clock& clock, PeerCount& peer_count)
    : config_(config),
      clock_(clock),
      peer_count_(peer_count),
      context_(1),  // One thread runs it.
      tick_timer_(context_),
      inbox_(std::make_shared<IoInbox>(*this)),
      buffers_(config.websocket.read_buffer_bytes, kBuffersKept) {}

IoThread::~IoThread() {
  request_exit();
  join();
  inbox_->close();
  for (Slot& slot : slots_) slot.peer.reset();
}

Status IoThread::start() {
  arm_tick();
  return guard_asio("start an I/O thread",
                    [this] { thread_ = std::thread([this] { run_guarded(context_); }); });
}

void IoThread::join() {
  if (thread_.joinable()) thread_.join();
}

void IoThread::request_exit() {
  context_.stop();
}

PeerId IoThread::add(std::shared_ptr<Peer> peer) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].peer = std::move(peer);
  peer_count_.add();
  return {slot, slots_[slot].generation};
}

void IoThread::remove(PeerId id) {
  Slot& slot = slots_[id.slot];
  if (slot.generation != id.generation || slot.peer == nullptr) return;
  slot.peer.reset();
  ++slot.generation;
  slot.dirty = false;
  free_slots_.push_back(id.slot);
  peer_count_.remove();
}

void IoThread::replace(PeerId id, std::shared_ptr<Peer> peer) {
  Slot& slot = slots_[id.slot];
  WL_CHECK(slot.generation == id.generation && slot.peer != nullptr);
  slot.peer = std::move(peer);
}

void IoThread::mark_dirty(PeerId id) {
  if (std::exchange(slots_[id.slot].dirty, true)) return;
  dirty_.push_back(id);
}

void IoThread::drain() {
  events_.clear();
  work_.clear();
  inbox_->take(events_, work_);
  for (auto& work : work_) work();
  work_.clear();
  for (PeerEvent& event : events_) dispatch(event);
  events_.clear();
  // Flushing may end peers, whose slots then change generation.
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Slot& slot = slots_[dirty_[i].slot];
    if (slot.generation != dirty_[i].generation || slot.peer == nullptr) continue;
    slot.dirty = false;
    const std::shared_ptr<Peer> peer = slot.peer;
    peer->flush();
  }
  dirty_.clear();
  framer_.end_drain();
}

void IoThread::dispatch(PeerEvent& event) {
  const PeerId id = event.peer;
  if (id.slot >= slots_.size() || slots_[id.slot].generation != id.generation ||
      slots_[id.slot].peer == nullptr) {
    discard(event);
    return;
  }
  const std::shared_ptr<Peer> peer = slots_[id.slot].peer;  // May remove itself.
  peer->on_event(std::move(event));
}

void IoThread::arm_tick() {
  tick_timer_.expires_after(config_.tick);
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void IoThread::tick() {
  const auto now = clock_.steady();
  for (size_t i = 0; i < slots_.size(); ++i)
    if (const std::shared_ptr<Peer> peer = slots_[i].peer) peer->on_tick(now);
  arm_tick();
}

void IoThread::stop_peers() {
  stopping_ = true;
  for (size_t i = 0; i < slots_.size(); ++i)
    if (const std::shared_ptr<Peer> peer = slots_[i].peer) peer->on_stop();
}

void IoThread::abandon_peers() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const std::shared_ptr<Peer> peer = slots_[i].peer;
    if (peer == nullptr) continue;
    if (peer->is_unanswered()) ++unanswered_count_;
    peer->on_abandon();
  }
  request_exit();
}

}  // namespace worldline::gateway
