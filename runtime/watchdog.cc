#include "runtime/watchdog.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"

namespace worldline::runtime {
namespace {

using std::chrono::milliseconds;
using SteadyTime = WatchSlot::SteadyTime;

// A list that grows at one element per nanosecond needs 30 ms from the size that JsIsolate ends a
// script for to the one that ends the process.
constexpr milliseconds kTickMax{20};
constexpr milliseconds kTickMin{1};
constexpr milliseconds kTickAtStop{5};              // Once calls are short.
constexpr std::chrono::seconds kHeapCheckEvery{5};  // [S 03/3.11]
constexpr int kLooksBeforeRest = 50;                // A second of kTickMax.

}  // namespace

WatchSlot::WatchSlot(Stopper& stopper, milliseconds budget, std::string label)
    : stopper_(stopper), budget_(budget), label_(std::move(label)) {
  WL_CHECK(budget.count() > 0);
}

void WatchSlot::ask_to_be_watched() noexcept {
  watchdog_->watch(*this);
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

int64_t WatchSlot::look(SteadyTime now, milliseconds budget_max) noexcept {
  if (now - heap_checked_at_ >= kHeapCheckEvery) {
    heap_checked_at_ = now;
    heap_check_.store(true, std::memory_order_relaxed);
  }
  const uint64_t state = state_.load(std::memory_order_acquire);
  if (state != seen_) {
    seen_ = state;
    seen_at_ = now;
    told_seconds_ = 0;
    idle_looks_ = 0;
  } else if ((state & kRunning) != 0) {
    stopper_.look_inside();
  } else {
    ++idle_looks_;
  }
  if (now - seen_at_ >= std::min(budget_, budget_max)) stop_if(state);
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now - seen_at_).count();
  if ((state & kRunning) == 0 || seconds == told_seconds_) return 0;
  told_seconds_ = seconds;
  return seconds;
}

bool WatchSlot::try_rest() noexcept {
  if (idle_looks_ < kLooksBeforeRest) return false;
  watched_.store(false, std::memory_order_seq_cst);
  if (state_.load(std::memory_order_seq_cst) == seen_) return true;
  watched_.store(true, std::memory_order_seq_cst);  // A call that has asked finds this.
  return false;
}

Watchdog::Watchdog(std::function<void(const std::string&)> warn)
    : warn_(std::move(warn)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::scoped_lock lock(mutex_);
    WL_CHECK(slot_count_ == 0);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::add(WatchSlot& slot) {
  const std::scoped_lock lock(mutex_);
  if (++slot_count_ > watched_.capacity()) watched_.reserve(2 * slot_count_);
  slot.watchdog_ = this;
  slot.watched_ = false;
}

void Watchdog::remove(WatchSlot& slot) {
  const std::scoped_lock lock(mutex_);
  --slot_count_;
  std::erase(watched_, &slot);
}

size_t Watchdog::watched_count() const {
  const std::scoped_lock lock(mutex_);
  return watched_.size();
}

void Watchdog::watch(WatchSlot& slot) noexcept {
  const std::scoped_lock lock(mutex_);
  if (slot.watched_.exchange(true, std::memory_order_seq_cst)) return;
  slot.idle_looks_ = 0;
  watched_.push_back(&slot);
  if (watched_.size() == 1) changed_.notify_all();  // Else the thread looks within a tick.
}

void Watchdog::wind_down(const WindDown& times) {
  WL_CHECK(times.shorten_at <= times.refuse_at);
  {
    const std::scoped_lock lock(mutex_);
    wind_down_.shorten_at = std::min(wind_down_.shorten_at, times.shorten_at);
    wind_down_.refuse_at = std::min(wind_down_.refuse_at, times.refuse_at);
  }
  changed_.notify_all();
}

bool Watchdog::awaits_wind_down() const {
  return (wind_down_.shorten_at != SteadyTime::max() && !shortens_calls()) ||
         (wind_down_.refuse_at != SteadyTime::max() && !refuses_calls());
}

milliseconds Watchdog::tick(SteadyTime now) const {
  const SteadyTime end = wind_down_.shorten_at;
  if (now >= end) return kTickAtStop;
  milliseconds shortest = kTickMax;
  for (const WatchSlot* slot : watched_) shortest = std::min(shortest, slot->budget_ / 10);
  if (end != SteadyTime::max())
    shortest = std::min(shortest, std::chrono::ceil<milliseconds>(end - now));
  return std::max(shortest, kTickMin);
}

std::vector<std::string> Watchdog::look_at_all(SteadyTime now) {
  milliseconds budget_max = milliseconds::max();
  if (now >= wind_down_.shorten_at) {
    shortens_.store(true, std::memory_order_relaxed);
    budget_max = kShortBudget;
  }
  if (now >= wind_down_.refuse_at) {
    refuses_.store(true, std::memory_order_relaxed);
    budget_max = milliseconds(0);
  }
  std::vector<std::string> warnings;
  for (WatchSlot* slot : watched_)
    if (const int64_t seconds = slot->look(now, budget_max); seconds > 0)
      warnings.push_back(fmt::format("a call is running: seconds={} {}", seconds, slot->label_));
  std::erase_if(watched_, [](WatchSlot* slot) { return slot->try_rest(); });
  return warnings;
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (watched_.empty() && !awaits_wind_down()) {
      changed_.wait(lock);
      continue;
    }
    changed_.wait_for(lock, tick(std::chrono::steady_clock::now()));
    const std::vector<std::string> warnings = look_at_all(std::chrono::steady_clock::now());
    if (warnings.empty() || !warn_) continue;
    lock.unlock();
    for (const std::string& warning : warnings) warn_(warning);
    lock.lock();
  }
}

}  // namespace worldline::runtime
