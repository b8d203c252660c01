// storage/log/group_recovery.h
//
// Verifies one group's log after a start and makes it writable again [S 08/3.7 step 3]. A log that
// lost its tail in a crash is shorter but whole, and passes; one that is damaged anywhere else may
// have lost acknowledged data and is refused. Nothing is ever cut at a damage.
//
// What counts: rows present with good checksums; entries consecutive from the boundary, checksums
// and chain right, terms never decreasing; the tail row names exactly the last entry.
// Thread: one per group; groups may be verified in parallel, adopt_group() and quarantine_damaged()
//   then in turn on the writer thread.
// Errors: kCorruption naming group, index and reason; kFailedPrecondition for a quarantined
//   replica or one below its tombstone; kNotSupported for a newer format.
// Order of calls: verify_group, judge_group; then by verdict adopt_group and recover_database, or
//   quarantine_damaged, or nothing at all.
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

// Whether other replicas could make good what this one lost.
enum class Copies : uint8_t { kOnlyOne, kSeveral };

// What a start may do with one group [S 08/3.7].
enum class StartVerdict : uint8_t {
  kServe,          // The log is whole: go on to recover_database().
  kUninitialised,  // Whole, and empty: it waits for its first snapshot.
  kQuarantine,     // May have lost acknowledged data: mark it, use it never again.
  kQuarantined,    // Was marked before, or lies below its tombstone.
  kRefuse,         // Change nothing: damage of the only copy, a newer format, a disk that fails.
};
StartVerdict judge_group(const Result<VerifiedGroup>& verified, Copies copies);
// The same for what recover_database() reports. REQUIRES: not OK.
StartVerdict judge_failure(const Status& failure, Copies copies);

// Carries out kQuarantine: a durable mark; the rows stay. Writer thread. REQUIRES: not adopted.
Status quarantine_damaged(LogStore& store, GroupId group, const Status& why);

// Drops what is left of a group, whole, marked or damaged, and leaves a tombstone above every
// replica that may have lived here. By order of whoever gave the data up. Writer thread.
Status discard_group(LogStore& store, GroupId group);

}  // namespace worldline::storage
