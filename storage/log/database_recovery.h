// storage/log/database_recovery.h
//
// Brings a database back after a start: newest good checkpoint, then the log behind it, comparing
// the digest after every bundle [S 08/3.7 step 4]. Reducers are never run again.
//
// If the newest checkpoint is damaged, the one before it is used, and then the state of birth, as
// far as the log reaches back. If none of them will do, an only copy is refused with all reasons; a
// replica with peers may still vote and store, and waits for a snapshot [S 08/3.7].
// Thread: one per group; groups may be recovered in parallel (the stores are only read, but for
// sweep()). Errors: kCorruption naming group, index and reason.
#pragma once

#include <chrono>
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

enum class DatabaseVerdict : uint8_t {
  kServes,
  kNeedsSnapshot,  // Log and hard state are whole, but there is no state: votes and stores only.
};

// A checkpoint that was passed over because some of its pages are bad; its manifest is whole.
struct DamagedCheckpoint {
  Checkpoint checkpoint;
  std::vector<Digest128> pages;  // To be fetched by hash: CheckpointStore::repair_page().
};

struct RecoveryReport {
  CheckpointId checkpoint;  // 0 = the state of birth.
  uint64_t entries_replayed = 0;
  uint64_t transactions_replayed = 0;
  uint64_t bytes_replayed = 0;
  std::chrono::nanoseconds restore_time{0};  // Until there was a state to start from.
  std::chrono::nanoseconds replay_time{0};   // Of the log behind it.
  std::vector<std::string> notes;            // What was wrong on the way, for the log of the node.
};

struct RecoveredDatabase {
  DatabaseVerdict verdict = DatabaseVerdict::kServes;
  std::unique_ptr<DatabaseState> state;  // Null if a snapshot is needed; `applied` is then 0.
  LogIndex applied;
  Term applied_term;
  Chain applied_chain;
  Timestamp last_timestamp;  // Of the last transaction or barrier; the next must be later.
  uint64_t cluster_time_ns = 0;
  CheckpointWriter::Known checkpoints;       // For the group's CheckpointWriter.
  std::optional<DamagedCheckpoint> damaged;  // The newest with bad pages, worth repairing.
  RecoveryReport report;
};

// REQUIRES: `group` was verified.
Result<RecoveredDatabase> recover_database(const LogStore& log, const CheckpointStore& checkpoints,
                                           const VerifiedGroup& group, ReplayTo target);

// Where a GroupAppender goes on after recover_database with ReplayTo::kTail.
GroupEnd group_end(const VerifiedGroup& group, const RecoveredDatabase& database);

// Removes checkpoints and pages that recovery found unusable or unfinished. One that can be
// repaired stays until the next start. After recovery.
Status sweep_checkpoints(CheckpointStore& checkpoints, const VerifiedGroup& group,
                         const RecoveredDatabase& database);

}  // namespace worldline::storage
