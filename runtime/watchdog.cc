#include "runtime/watchdog.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::runtime {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTickMax{250};
constexpr milliseconds kTickMin{1};
constexpr std::chrono::seconds kHeapCheckEvery{5};  // [S 03/3.11]

}  // namespace

WatchSlot::WatchSlot(Stopper& stopper, milliseconds budget) : stopper_(stopper), budget_(budget) {
  WL_CHECK(budget.count() > 0);
}

bool WatchSlot::wait_for_stop() noexcept {
  // The stopper is between its exchange and its report: a few microseconds.
  while (stopped_.load(std::memory_order_acquire) != serial_) std::this_thread::yield();
  return true;
}

void WatchSlot::stop_if(uint64_t seen) noexcept {
  const bool was_running = (seen & kRunning) != 0 && (seen & kStopping) == 0;
  if (!was_running) return;
  if (!state_.compare_exchange_strong(seen, seen | kStopping, std::memory_order_acq_rel)) return;
  stopper_.stop();
  stopped_.store(seen & ~(kRunning | kStopping), std::memory_order_release);
}

void WatchSlot::stop_now() noexcept {
  stop_if(state_.load(std::memory_order_acquire));
}

void WatchSlot::look(SteadyTime now) noexcept {
  if (now - heap_checked_at_ >= kHeapCheckEvery) {
    heap_checked_at_ = now;
    heap_check_.store(true, std::memory_order_relaxed);
  }
  const uint64_t state = state_.load(std::memory_order_acquire);
  if (state != seen_) {
    seen_ = state;
    seen_at_ = now;
    return;
  }
  if (now - seen_at_ >= budget_) stop_if(state);
}

Watchdog::Watchdog() : thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::scoped_lock lock(mutex_);
    WL_CHECK(slots_.empty());
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::add(WatchSlot& slot) {
  {
    const std::scoped_lock lock(mutex_);
    slots_.push_back(&slot);
  }
  changed_.notify_all();
}

void Watchdog::remove(WatchSlot& slot) {
  const std::scoped_lock lock(mutex_);
  std::erase(slots_, &slot);
}

milliseconds Watchdog::tick() const {
  milliseconds shortest = kTickMax;
  for (const WatchSlot* slot : slots_) shortest = std::min(shortest, slot->budget_ / 10);
  return std::max(shortest, kTickMin);
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (slots_.empty()) {
      changed_.wait(lock);
      continue;
    }
    changed_.wait_for(lock, tick());
    const auto now = std::chrono::steady_clock::now();
    for (WatchSlot* slot : slots_) slot->look(now);
  }
}

}  // namespace worldline::runtime
