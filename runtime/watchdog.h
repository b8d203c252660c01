// runtime/watchdog.h
//
// Watchdog ends calls that run longer than their budget, and tells of calls that run for seconds.
// Each instance has a WatchSlot; entering and leaving a call is one exchange each. A thread looks
// every 20 ms at least at the slots that had a call lately, and sleeps while there are none: a
// thousand idle modules cost nothing.
//
// Invariants: Stopper::stop() is called only while the slot's call runs, at most once per call; the
// call's end waits for a stop in progress, so a stop never hits the next call; a slot whose call
// runs is watched.
// Thread: begin/end on the slot's thread, everything else on any. The watchdog's own thread calls
// stop(). One mutex guards the list of slots; warnings are written outside it.
// wind_down() serves an orderly stop: calls are given less and less time.
// Units: a call is ended between one budget and 1.1 budgets (but 20 ms at most) after its start.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace worldline::runtime {

class Watchdog;

class Stopper {
 public:
  virtual ~Stopper() = default;
  virtual void stop() noexcept = 0;  // Asks the engine to end the running script. Any thread.
  // Asks the engine to look at the memory of a script that runs for long, as soon as it can be
  // interrupted; at the next one if it has ended. Any thread.
  virtual void look_inside() noexcept = 0;
};

class WatchSlot {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  // `stopper` is borrowed and outlives the slot; `label` names it in warnings.
  // REQUIRES: budget > 0.
  WatchSlot(Stopper& stopper, std::chrono::milliseconds budget, std::string label = {});
  WatchSlot(const WatchSlot&) = delete;
  WatchSlot& operator=(const WatchSlot&) = delete;

  void begin() noexcept {
    serial_ += kSerialStep;
    // In one order with the watchdog's look at both: it sees this call, or the call sees it gone.
    state_.store(serial_ | kRunning, std::memory_order_seq_cst);
    if (!watched_.load(std::memory_order_seq_cst)) ask_to_be_watched();
  }
  // True if the call was stopped. Then the stop has been delivered and can be cancelled.
  bool end() noexcept {
    const uint64_t last = state_.exchange(serial_, std::memory_order_acq_rel);
    return (last & kStopping) != 0 && wait_for_stop();
  }
  // Stops the running call at once, if there is one. Any thread.
  void stop_now() noexcept;

  // For the watchdog's thread only, or a test's. Ends the call if it is over its budget or over
  // `budget_max`; has a call looked into from the second look at it on. Returns for how many
  // seconds the call has run, each number once, else 0.
  int64_t look(SteadyTime now, std::chrono::milliseconds budget_max) noexcept;

  // True about every five seconds: time to look at the heap. Resets itself.
  bool take_heap_check() noexcept {
    if (!heap_check_.load(std::memory_order_relaxed)) return false;
    heap_check_.store(false, std::memory_order_relaxed);
    return true;
  }

 private:
  friend class Watchdog;
  static constexpr uint64_t kRunning = 1;
  static constexpr uint64_t kStopping = 2;
  static constexpr uint64_t kSerialStep = 4;

  void ask_to_be_watched() noexcept;
  bool wait_for_stop() noexcept;
  void stop_if(uint64_t seen) noexcept;
  // Stops being watched if no call was seen for long and none begins meanwhile. Watchdog thread.
  bool try_rest() noexcept;

  Stopper& stopper_;
  const std::chrono::milliseconds budget_;
  const std::string label_;
  uint64_t serial_ = 0;               // Slot's thread only.
  std::atomic<uint64_t> state_{0};    // serial | flags.
  std::atomic<uint64_t> stopped_{0};  // The state whose stop has been delivered.
  std::atomic<bool> heap_check_{false};
  Watchdog* watchdog_ = nullptr;     // Since add().
  std::atomic<bool> watched_{true};  // Changed with the watchdog's mutex held.
  uint64_t seen_ = 0;                // Watchdog thread only, like the four below.
  SteadyTime seen_at_{};
  int idle_looks_ = 0;        // In a row that saw no call.
  int64_t told_seconds_ = 0;  // Of the call that was seen.
  SteadyTime heap_checked_at_{};
};

// What an orderly stop leaves to calls.
struct WindDown {
  using SteadyTime = WatchSlot::SteadyTime;
  SteadyTime shorten_at = SteadyTime::max();  // From then on a call has kShortBudget,
  SteadyTime refuse_at = SteadyTime::max();   // and from then on none is run. Not before the other.
};

inline constexpr std::chrono::milliseconds kShortBudget{200};

class Watchdog {
 public:
  // `warn` gets a line about once per second while a call runs; on the watchdog's thread.
  explicit Watchdog(std::function<void(const std::string&)> warn = {});
  ~Watchdog();  // REQUIRES: no slots. Waits for the thread.
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void add(WatchSlot& slot);     // REQUIRES: no call runs.
  void remove(WatchSlot& slot);  // Likewise. Afterwards the slot is not touched any more.
  // Slots that are looked at. Any thread.
  size_t watched_count() const;

  // Of several the earlier times hold.
  void wind_down(const WindDown& times);
  bool shortens_calls() const { return shortens_.load(std::memory_order_relaxed); }
  // Calls that begin all the same are ended at sight.
  bool refuses_calls() const { return refuses_.load(std::memory_order_relaxed); }

 private:
  friend class WatchSlot;

  void run();
  void watch(WatchSlot& slot) noexcept;
  bool awaits_wind_down() const;                                    // REQUIRES: mutex_ held.
  std::chrono::milliseconds tick(WatchSlot::SteadyTime now) const;  // Likewise.
  // Likewise. Returns what is to be told.
  std::vector<std::string> look_at_all(WatchSlot::SteadyTime now);

  const std::function<void(const std::string&)> warn_;
  std::atomic<bool> shortens_{false};  // What the times below have come to.
  std::atomic<bool> refuses_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  size_t slot_count_ = 0;            // Guarded by mutex_, like all below.
  std::vector<WatchSlot*> watched_;  // Has room for all slots.
  WindDown wind_down_;
  bool stopping_ = false;
  std::thread thread_;
};

// Marks one call for the watchdog. `stopped()` ends the mark and tells if the call was stopped.
class WatchedCall {
 public:
  explicit WatchedCall(WatchSlot& slot) : slot_(slot) { slot_.begin(); }
  ~WatchedCall() {
    if (!ended_) slot_.end();
  }
  WatchedCall(const WatchedCall&) = delete;
  WatchedCall& operator=(const WatchedCall&) = delete;
  bool end() {
    ended_ = true;
    return slot_.end();
  }

 private:
  WatchSlot& slot_;
  bool ended_ = false;
};

}  // namespace worldline::runtime
