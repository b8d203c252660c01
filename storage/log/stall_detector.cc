#include "storage/log/stall_detector.h"

#include <algorithm>

namespace worldline::storage {
namespace {

int64_t second_of(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

const char* stall_level_name(StallLevel level) {
  switch (level) {
    case StallLevel::kNone:
      return "none";
    case StallLevel::kTransfer:
      return "transfer";
    case StallLevel::kStepDown:
      return "step down";
    case StallLevel::kAbort:
      return "abort";
  }
  return "";
}

Status StallPolicy::validate() const {
  if (transfer.count() > 0 && transfer < step_down && step_down < abort && calm.count() >= 0)
    return Status::ok_status();
  return Status::invalid_argument("stall limits {} ms, {} ms, {} ms must ascend", transfer.count(),
                                  step_down.count(), abort.count());
}

StallDetector::StallDetector(const StallPolicy& policy) : policy_(policy) {
  WL_CHECK(policy.validate().ok());
}

StallLevel StallDetector::level_of(std::chrono::steady_clock::duration in_flight) const {
  if (in_flight > policy_.abort) return StallLevel::kAbort;
  if (in_flight > policy_.step_down) return StallLevel::kStepDown;
  if (in_flight > policy_.transfer) return StallLevel::kTransfer;
  return StallLevel::kNone;
}

std::optional<StallChange> StallDetector::observe(std::optional<SteadyTime> since, SteadyTime now) {
  // It may have begun after the caller took `now`.
  const auto in_flight = since && *since < now ? now - *since : SteadyTime::duration::zero();
  const StallLevel seen = level_of(in_flight);
  const StallLevel before = level_;
  if (seen != StallLevel::kNone) {
    last_stall_ = now;
    level_ = std::max(level_, seen);
  } else if (level_ != StallLevel::kNone && now - last_stall_ >= policy_.calm) {
    level_ = StallLevel::kNone;
  }
  if (level_ == before) return std::nullopt;
  return StallChange{before, level_,
                     std::chrono::duration_cast<std::chrono::milliseconds>(in_flight)};
}

void StallDetector::on_written(std::chrono::steady_clock::duration took, SteadyTime now) {
  if (level_of(took) != StallLevel::kNone) last_stall_ = std::max(last_stall_, now);
}

void SlowDiskDetector::advance(SteadyTime now) {
  const int64_t second = second_of(now);
  if (!begin_) {
    begin_ = second_ = second;
    return;
  }
  WL_CHECK(second >= second_);
  const int64_t stale = std::min<int64_t>(second - second_, static_cast<int64_t>(kSlots));
  for (int64_t i = 1; i <= stale; ++i)
    slots_[static_cast<size_t>(second - stale + i) % kSlots] = {};
  second_ = second;
}

void SlowDiskDetector::on_written(std::chrono::steady_clock::duration took, SteadyTime now) {
  advance(now);
  Slot& slot = slots_[static_cast<size_t>(second_) % kSlots];
  ++slot.writes;
  slot.slow += took > policy_.slow ? 1 : 0;
}

bool SlowDiskDetector::is_slow(SteadyTime now) {
  advance(now);
  if (second_ - *begin_ < static_cast<int64_t>(kSlots)) return false;
  Slot sum;
  for (const Slot& slot : slots_) {
    sum.writes += slot.writes;
    sum.slow += slot.slow;
  }
  return sum.writes >= policy_.writes_min &&
         static_cast<double>(sum.slow) > policy_.share_max * static_cast<double>(sum.writes);
}

}  // namespace worldline::storage
