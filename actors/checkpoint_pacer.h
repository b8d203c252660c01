// actors/checkpoint_pacer.h
//
// CheckpointPacer says when a group writes its next checkpoint: when enough log has gathered
// (CheckpointTrigger), never two at once, and after a failed one only after a pause, which doubles
// with each failure in a row. What a failed checkpoint was to cover counts again.
//
// Invariants: between begin() and the call of what it returned nothing is due; a pause is at least
// kCheckpointPauseMin and at most kCheckpointPauseMax.
// Ownership and thread: the group's executor. What begin() returns may be called from any thread,
// once, also when the pacer is gone. Reads no clock. Units: bytes of log, transactions.
// Sources: [S 08/3.12], [S 08/4.9].
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "base/status.h"
#include "storage/log/checkpoint_trigger.h"

namespace worldline::actors {

inline constexpr std::chrono::seconds kCheckpointPauseMin{1};
inline constexpr std::chrono::seconds kCheckpointPauseMax{300};

class CheckpointPacer {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  enum class Occasion : uint8_t { kRunning, kShuttingDown };

  CheckpointPacer(const storage::CheckpointPolicy& policy, uint64_t seed, SteadyTime now);

  void add_log(uint64_t bytes) { gathered_.log_bytes += bytes; }
  void add_transactions(uint64_t count) { gathered_.transactions += count; }

  // True: a checkpoint is to be made of everything so far. `newest_bytes` gives the size of the
  // last one; it is asked only while none is being made.
  bool is_due(SteadyTime now, Occasion occasion, const std::function<uint64_t()>& newest_bytes);
  // It is being made; the result is told how it ended.
  std::function<void(const Status&)> begin(SteadyTime now);

  uint32_t failures_in_row() const { return failures_in_row_; }

 private:
  enum class Outcome : uint8_t { kNone, kRunning, kWritten, kFailed };
  struct Gathered {  // Since a checkpoint.
    uint64_t log_bytes = 0;
    uint64_t transactions = 0;
    SteadyTime since;
  };

  void take_outcome(SteadyTime now);
  std::chrono::seconds pause() const;

  storage::CheckpointTrigger trigger_;
  Gathered gathered_;
  Gathered under_way_;                                   // What the running checkpoint covers.
  const std::shared_ptr<std::atomic<Outcome>> outcome_;  // Of the last checkpoint; set by its end.
  uint32_t failures_in_row_ = 0;
  SteadyTime paused_until_;
};

}  // namespace worldline::actors
