// storage/log/group_recovery.h
//
// Verifies one group's log after a start and makes it writable again [S 08/3.7 step 3]. A log that
// lost its tail in a crash is shorter but whole, and passes; one that is damaged anywhere else may
// have lost acknowledged data and is refused. Nothing is ever cut at a damage.
//
// What counts: rows present with good checksums; entries consecutive from the boundary, checksums
// and chain right, terms never decreasing; the tail row names exactly the last entry.
// Thread: one per group; groups may be verified in parallel, attach() then in turn.
// Errors: kCorruption naming group, index and reason; kFailedPrecondition for a quarantined
//   replica; kNotSupported for a newer format.
#pragma once

#include <string>

#include "base/status.h"
#include "storage/log/log_store.h"

namespace worldline::storage {

enum class GroupVerdict : uint8_t {
  kClean,
  kTruncationFinished,  // A prefix truncation had been interrupted; see `drop_below`.
};

struct VerifiedGroup {
  GroupId group;
  HardState hard_state;
  Boundary boundary;
  TailRow tail;
  LogIndex first;  // First entry of the gapless run that reaches the tail; tail + 1 if none.
  uint64_t entry_count = 0;
  uint64_t log_bytes = 0;  // Of that run.
  uint64_t bytes_after_boundary = 0;
  GroupVerdict verdict = GroupVerdict::kClean;
  LogIndex drop_below;  // Entries below are leftovers: adopt_group() removes them. 0 = none.
};

// Reads only.
Result<VerifiedGroup> verify_group(const LogStore& store, GroupId group);
// Finishes an interrupted truncation and allows writes. Writer thread.
Status adopt_group(LogStore& store, const VerifiedGroup& group);

}  // namespace worldline::storage
