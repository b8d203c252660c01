#include "actors/checkpoint_pacer.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::actors {

CheckpointPacer::CheckpointPacer(const storage::CheckpointPolicy& policy, uint64_t seed,
                                 SteadyTime now)
    : trigger_(policy, seed),
      outcome_(std::make_shared<std::atomic<Outcome>>(Outcome::kNone)),
      paused_until_(now) {
  gathered_.since = now;
}

std::chrono::seconds CheckpointPacer::pause() const {
  // 1, 2, 4, ... seconds; nine doublings are beyond the maximum.
  const uint32_t doublings = std::min(failures_in_row_ - 1, 9u);
  return std::min(kCheckpointPauseMin * (1u << doublings), kCheckpointPauseMax);
}

void CheckpointPacer::take_outcome(SteadyTime now) {
  const Outcome outcome = outcome_->load(std::memory_order_acquire);
  if (outcome == Outcome::kNone || outcome == Outcome::kRunning) return;
  outcome_->store(Outcome::kNone, std::memory_order_relaxed);
  if (outcome == Outcome::kWritten) {
    failures_in_row_ = 0;
    return;
  }
  ++failures_in_row_;
  paused_until_ = now + pause();
  gathered_.log_bytes += under_way_.log_bytes;
  gathered_.transactions += under_way_.transactions;
  gathered_.since = under_way_.since;
}

bool CheckpointPacer::is_due(SteadyTime now, Occasion occasion,
                             const std::function<uint64_t()>& newest_bytes) {
  take_outcome(now);
  if (outcome_->load(std::memory_order_relaxed) == Outcome::kRunning) return false;
  if (now < paused_until_) return false;
  storage::CheckpointProgress progress;
  progress.log_bytes = gathered_.log_bytes;
  progress.transactions = gathered_.transactions;
  progress.age = std::chrono::duration_cast<std::chrono::seconds>(now - gathered_.since);
  progress.checkpoint_bytes = newest_bytes();
  progress.is_shutting_down = occasion == Occasion::kShuttingDown;
  return trigger_.is_due(progress);
}

std::function<void(const Status&)> CheckpointPacer::begin(SteadyTime now) {
  WL_CHECK(outcome_->load(std::memory_order_relaxed) == Outcome::kNone);
  outcome_->store(Outcome::kRunning, std::memory_order_relaxed);
  trigger_.on_checkpoint();
  under_way_ = gathered_;
  gathered_ = {0, 0, now};
  return [outcome = outcome_](const Status& status) {
    outcome->store(status.ok() ? Outcome::kWritten : Outcome::kFailed, std::memory_order_release);
  };
}

}  // namespace worldline::actors
