// storage/log/disk_space_monitor.h
//
// DiskSpaceMonitor turns readings of free space into levels, and says what each level forbids
// [S 08/3.12]. Pure: somebody else reads the file system.
//
// Invariants: a level is entered at once and left only when free space exceeds its limit by the
// policy's margin, so a disk at a limit does not make the node change its mind with every reading.
// Ownership and thread: one value, one thread. Units: bytes. Sources: [S 08/3.12], [S 09/1.8].
#pragma once

#include <cstdint>
#include <optional>

#include "base/limits.h"
#include "base/status.h"

namespace worldline::storage {

struct SpaceReading {
  uint64_t free_bytes = 0;  // For this process.
  uint64_t total_bytes = 0;
};

enum class SpaceLevel : uint8_t { kPlenty, kWarning, kAlmostFull, kFull };
const char* space_level_name(SpaceLevel level);

// The larger of the two, for a disk of some size.
struct SpaceLimit {
  double share = 0;
  uint64_t bytes = 0;
};

struct SpacePolicy {
  SpaceLimit warning{0.20, 0};
  SpaceLimit almost_full{0.10, 8 * limits::GiB};
  SpaceLimit full{0.05, 4 * limits::GiB};
  double margin_share = 0.02;     // Of the disk, above a limit, to leave its level.
  double bytes_share_max = 0.25;  // More of a small disk no number of bytes asks for: it would
                                  // be full at birth.

  // All faults at once; kInvalidArgument.
  Status validate() const;
};

// What a node may do at a level. Log is pinned for others by leaders only, so it is let go of with
// the leadership; checkpoints free log at every level; placement asks for the level itself.
struct SpaceRules {
  bool may_lead = true;         // Else: not eligible, leaderships move away.
  bool accepts_appends = true;  // Else: Append is refused with disk_full; votes go on.
};
SpaceRules rules_of(SpaceLevel level);

struct SpaceChange {
  SpaceLevel before = SpaceLevel::kPlenty;
  SpaceLevel after = SpaceLevel::kPlenty;
  SpaceReading reading;
};

class DiskSpaceMonitor {
 public:
  explicit DiskSpaceMonitor(const SpacePolicy& policy);  // REQUIRES: valid.

  // REQUIRES: total_bytes > 0.
  std::optional<SpaceChange> observe(const SpaceReading& reading);

  SpaceLevel level() const { return level_; }

 private:
  SpaceLevel level_of(const SpaceReading& reading, double margin_share) const;

  const SpacePolicy policy_;
  SpaceLevel level_ = SpaceLevel::kPlenty;
};

}  // namespace worldline::storage
