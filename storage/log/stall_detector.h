// storage/log/stall_detector.h
//
// StallDetector watches how long one log write is in flight, and SlowDiskDetector how long they
// take on the whole. A leader that cannot write must not look alive [S 08/3.12]. Pure: whoever owns
// a clock feeds them, from a thread that does no I/O.
//
// Invariants: a rising level is told at once; it falls to kNone only after a calm period without a
// stall, so that a disk that hangs every other second does not get its leaderships back in between.
// Ownership and thread: one value each, one thread. Units: std::chrono.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/status.h"

namespace worldline::storage {

using SteadyTime = std::chrono::steady_clock::time_point;

enum class StallLevel : uint8_t {
  kNone,
  kTransfer,  // Leaderships move to caught-up voters; not eligible for new ones.
  kStepDown,  // Step down everywhere; no control heartbeats for groups of this store.
  kAbort,     // End the process (exit 74).
};
const char* stall_level_name(StallLevel level);

struct StallPolicy {
  std::chrono::milliseconds transfer{500};
  std::chrono::milliseconds step_down{2'000};
  std::chrono::milliseconds abort{20'000};
  std::chrono::milliseconds calm{5'000};  // Without a stall, before the level falls.

  Status validate() const;  // kInvalidArgument unless the levels ascend.
};

struct StallChange {
  StallLevel before = StallLevel::kNone;
  StallLevel after = StallLevel::kNone;
  std::chrono::milliseconds in_flight{0};
};

class StallDetector {
 public:
  explicit StallDetector(const StallPolicy& policy);  // REQUIRES: valid.

  // `since`: when the oldest write in flight began; nullopt = none is. REQUIRES: `now` never goes
  // back.
  std::optional<StallChange> observe(std::optional<SteadyTime> since, SteadyTime now);
  // A write ended. One that stalled, and was over before anybody looked, delays the calm too.
  void on_written(std::chrono::steady_clock::duration took, SteadyTime now);

  StallLevel level() const { return level_; }

 private:
  StallLevel level_of(std::chrono::steady_clock::duration in_flight) const;

  const StallPolicy policy_;
  StallLevel level_ = StallLevel::kNone;
  SteadyTime last_stall_{};  // Valid if level_ != kNone.
};

// Whether more than one of a hundred writes of the last minute was slow: then the balancer moves
// leaders away.
struct SlowDiskPolicy {
  std::chrono::milliseconds slow{100};
  double share_max = 0.01;
  uint64_t writes_min = 100;  // Fewer say nothing about a hundredth.
};

class SlowDiskDetector {
 public:
  explicit SlowDiskDetector(const SlowDiskPolicy& policy) : policy_(policy) {}

  // REQUIRES: `now` never goes back.
  void on_written(std::chrono::steady_clock::duration took, SteadyTime now);
  // True once the window is full and slow, until it is not.
  bool is_slow(SteadyTime now);

 private:
  static constexpr size_t kSlots = 60;  // Seconds.
  struct Slot {
    uint64_t writes = 0;
    uint64_t slow = 0;
  };
  void advance(SteadyTime now);

  const SlowDiskPolicy policy_;
  std::array<Slot, kSlots> slots_{};
  std::optional<int64_t> begin_;  // Second of the first observation.
  int64_t second_ = 0;            // Of the newest slot.
};

}  // namespace worldline::storage
