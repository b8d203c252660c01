// storage/log/checkpoint_trigger.h
//
// Decides when a group writes a checkpoint [S 08/4.9]: enough log since the last one to make replay
// or the disk expensive, but never for an idle group. Thresholds vary by up to a fifth, so that
// replicas and groups do not all write at once. Pure: time and randomness come from outside.
//
// Ownership and thread: one value per group. Units: bytes of log, transactions, seconds.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/limits.h"
#include "base/prng.h"

namespace worldline::storage {

struct CheckpointPolicy {
  uint64_t log_bytes_min = 64 * limits::MiB;
  double checkpoint_share = 0.5;  // ...or this share of the last checkpoint, if that is more.
  uint64_t transactions = 1'000'000;
  std::chrono::seconds age{15 * 60};
  uint64_t aged_log_bytes_min = 1 * limits::MiB;  // Age counts only with so much log.
};

// Since the last checkpoint.
struct CheckpointProgress {
  uint64_t log_bytes = 0;
  uint64_t transactions = 0;
  std::chrono::seconds age{0};
  uint64_t checkpoint_bytes = 0;  // Size of the last checkpoint; 0 = none.
  bool is_disk_short = false;
  bool is_shutting_down = false;
};

class CheckpointTrigger {
 public:
  CheckpointTrigger(const CheckpointPolicy& policy, uint64_t seed);

  bool is_due(const CheckpointProgress& progress) const;
  void on_checkpoint();  // Draws the next variation.

 private:
  const CheckpointPolicy policy_;
  Prng rng_;
  double factor_;  // In [0.8, 1.2).
};

}  // namespace worldline::storage
