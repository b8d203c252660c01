// storage/log/database_recovery.h
//
// Brings a database back after a start: newest good checkpoint, then the log behind it, comparing
// the digest after every bundle [S 08/3.7 step 4]. Reducers are never run again.
//
// If the newest checkpoint is damaged, the one before it is used, and then the state of birth, as
// far as the log reaches back; otherwise the group is refused with all reasons.
// Thread: one per group; groups may be recovered in parallel (the stores are only read, but for
// sweep()). Errors: kCorruption naming group, index and reason.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/database_state.h"
#include "storage/log/checkpoint_store.h"
#include "storage/log/checkpoint_writer.h"
#include "storage/log/group_appender.h"
#include "storage/log/group_recovery.h"
#include "storage/log/log_store.h"

namespace worldline::storage {

enum class ReplayTo : uint8_t {
  kTail,        // A group of one: what is stable is committed.
  kCommitHint,  // A group with followers: the rest waits for the leader.
};

struct RecoveryReport {
  CheckpointId checkpoint;  // 0 = the state of birth.
  uint64_t entries_replayed = 0;
  uint64_t transactions_replayed = 0;
  uint64_t bytes_replayed = 0;
  std::vector<std::string> notes;  // What was wrong on the way, for the log of the node.
};

struct RecoveredDatabase {
  std::unique_ptr<DatabaseState> state;
  LogIndex applied;
  Term applied_term;
  Chain applied_chain;
  Timestamp last_timestamp;  // Of the last transaction or barrier; the next must be later.
  uint64_t cluster_time_ns = 0;
  CheckpointWriter::Known checkpoints;  // For the group's CheckpointWriter.
  RecoveryReport report;
};

// REQUIRES: `group` was verified.
Result<RecoveredDatabase> recover_database(const LogStore& log, const CheckpointStore& checkpoints,
                                           const VerifiedGroup& group, ReplayTo target);

// Where a GroupAppender goes on after recover_database with ReplayTo::kTail.
GroupEnd group_end(const VerifiedGroup& group, const RecoveredDatabase& database);

// Removes checkpoints and pages that recovery found unusable or unfinished. After recovery.
Status sweep_checkpoints(CheckpointStore& checkpoints, const VerifiedGroup& group,
                         const RecoveredDatabase& database);

}  // namespace worldline::storage
