// storage/log/disk_state.h
//
// DiskState is what is known of the disk of a node's log, and what the node may do on it
// [S 08/3.12].
//
// Thread: a value. Sources: [S 08/3.12], [S 09/1.8].
#pragma once

#include "storage/log/disk_space_monitor.h"
#include "storage/log/stall_detector.h"

namespace worldline::storage {

struct DiskState {
  SpaceLevel space = SpaceLevel::kPlenty;
  StallLevel stall = StallLevel::kNone;
  bool is_slow = false;           // More than a hundredth of the last minute's writes were.
  bool checkpoints_fail = false;  // Of a group, kCheckpointFailuresMax in a row.

  bool may_lead() const {
    return stall == StallLevel::kNone && !checkpoints_fail && rules_of(space).may_lead;
  }
  // A leader that cannot write must not look alive.
  bool may_heartbeat() const { return stall < StallLevel::kStepDown; }
  bool accepts_appends() const { return rules_of(space).accepts_appends; }
  // For the balancer: a stalled disk wants no load, a slow one less.
  uint8_t pressure_per_cent() const {
    if (stall != StallLevel::kNone) return 100;
    return is_slow ? 50 : 0;
  }
  friend bool operator==(const DiskState&, const DiskState&) = default;
};

}  // namespace worldline::storage
