// replication/node/disk_monitor.h
//
// DiskMonitor turns what the log writer and the volume report into what the node must do about its
// disk: give up eligibility, step down, abort; refuse bulk work, refuse Appends [S 08/3.12]. A
// leader that cannot write must not look alive, so time is taken from writes in flight, not from
// those that finished.
//
// Invariants: a verdict gets worse at once and better only after the disk was well for a while.
// Ownership: any; the shell feeds it from the log writer's thread notices. Units: BootTime, bytes.
// Errors: none; failed writes never come here, they end the process (exit 74).
#pragma once

#include <deque>
#include <map>

#include "replication/node/node_types.h"

namespace worldline::replication {

enum class DiskSpeed : uint8_t {
  kGood = 0,
  kPressed = 1,   // p99 of sync beyond 100 ms for a minute: the balancer moves leaders away.
  kSlow = 2,      // A write in flight for 0.5 s: not eligible, leaders transfer.
  kStalled = 3,   // For 2 s: step down everywhere, no heartbeats for groups of this store.
  kHopeless = 4,  // For 20 s: abort the process.
};
enum class DiskSpace : uint8_t {
  kEnough = 0,
  kLow = 1,         // < 20 %: no new replicas.
  kAlmostFull = 2,  // < max(8 GiB, 10 %): not eligible, log pins dropped.
  kFull = 3,        // < max(4 GiB, 5 %): Appends are refused.
};

struct DiskVerdict {
  DiskSpeed speed = DiskSpeed::kGood;
  DiskSpace space = DiskSpace::kEnough;

  bool is_eligible() const { return speed < DiskSpeed::kSlow && space < DiskSpace::kAlmostFull; }
  bool may_heartbeat() const { return speed < DiskSpeed::kStalled; }
  bool is_full() const { return space == DiskSpace::kFull; }
  friend bool operator==(const DiskVerdict&, const DiskVerdict&) = default;
};

struct DiskThresholds {
  Micros slow{500'000};
  Micros stalled{2'000'000};
  Micros hopeless{20'000'000};
  Micros pressed_p99{100'000};
  Micros pressed_for{60'000'000};
  Micros recover_after{5'000'000};  // Without a slow write, before the verdict improves.
  size_t almost_full_bytes = 8 * limits::GiB;
  size_t full_bytes = 4 * limits::GiB;
};

class DiskMonitor {
 public:
  explicit DiskMonitor(const DiskThresholds& thresholds = {}) : thresholds_(thresholds) {}

  // One write with sync began or ended; `ticket` names it.
  void write_began(uint64_t ticket, BootTime now);
  void write_ended(uint64_t ticket, BootTime now);
  // Free and total bytes of the volume.
  void space_measured(size_t free_bytes, size_t total_bytes);
  // Recomputes; call at least every tick.
  DiskVerdict on_time(BootTime now);

  const DiskVerdict& verdict() const { return verdict_; }
  uint8_t pressure_per_cent() const;  // For the header of batches.

 private:
  struct Slice {  // Ten seconds of finished writes.
    BootTime begins;
    uint32_t count = 0;
    uint32_t slow_count = 0;  // Beyond pressed_p99.
  };
  DiskSpeed speed_at(BootTime now) const;
  bool is_pressed(BootTime now) const;
  DiskSpace space_of(size_t free_bytes, size_t total_bytes) const;

  const DiskThresholds thresholds_;
  std::map<uint64_t, BootTime> in_flight_;
  std::deque<Slice> slices_;  // At most a minute's, ascending.
  BootTime bad_until_;        // Speed may not improve before.
  DiskVerdict verdict_;
  DiskSpace measured_ = DiskSpace::kEnough;
};

}  // namespace worldline::replication
