#include "storage/log/checkpoint_trigger.h"

#include <algorithm>

namespace worldline::storage {
namespace {

double draw_factor(Prng& rng) {
  return 0.8 + 0.4 * rng.unit();
}

}  // namespace

CheckpointTrigger::CheckpointTrigger(const CheckpointPolicy& policy, uint64_t seed)
    : policy_(policy), rng_(seed), factor_(draw_factor(rng_)) {}

bool CheckpointTrigger::is_due(const CheckpointProgress& progress) const {
  if (progress.log_bytes == 0) return false;
  if (progress.is_shutting_down || progress.is_disk_short) return true;
  const double byte_limit =
      std::max(static_cast<double>(policy_.log_bytes_min),
               policy_.checkpoint_share * static_cast<double>(progress.checkpoint_bytes));
  if (static_cast<double>(progress.log_bytes) >= byte_limit * factor_) return true;
  if (static_cast<double>(progress.transactions) >=
      static_cast<double>(policy_.transactions) * factor_)
    return true;
  return static_cast<double>(progress.age.count()) >=
             static_cast<double>(policy_.age.count()) * factor_ &&
         progress.log_bytes >= policy_.aged_log_bytes_min;
}

void CheckpointTrigger::on_checkpoint() {
  factor_ = draw_factor(rng_);
}

}  // namespace worldline::storage
