// storage/log/log_store.h
//
// LogStore is the node's log database: the logs and hard states of all groups, written together
// with one sync, and the node's own record [S 08/3.6]. A Raft group drives it with LogJobs.
//
// Invariants: per group the stored entries are consecutive and chained; the tail row names the last
//   one and changes in the same batch. After a failed write nothing is acknowledged any more.
// Thread: write functions from the log writer only; const functions from any thread.
// Errors: kIoError is sticky (fail-stop, exit 74); kCorruption names group, index and reason.
// Order of calls: open, then per group load_group + scan by recovery, then attach, then write.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "storage/log/key_value_store.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

// The rows of one group as stored; nullopt = row missing.
struct GroupRows {
  std::optional<HardState> hard_state;
  std::optional<Boundary> boundary;
  std::optional<TailRow> tail;
};

// What a new replica starts from [S 08/3.9]: every replica of a group gets the same boundary.
struct GroupBirth {
  GroupId group;
  ReplicaId replica;
  ByteBuffer config;
  Digest128 digest{};  // Of the state of birth.
  // A joining replica [S 08/0.2]: boundary index 0, term 0, no config, until a snapshot arrives.
  bool is_uninitialised = false;
};

// Hands out a group's entries in order; the previous chain is checked by the reader.
class EntryCursor {
 public:
  explicit EntryCursor(std::unique_ptr<Cursor> cursor, GroupId group);
  // The next entry, nullopt at the end. kCorruption names group and index.
  Result<std::optional<LogEntry>> next();

 private:
  std::unique_ptr<Cursor> cursor_;
  GroupId group_;
};

class LogStore {
 public:
  explicit LogStore(std::unique_ptr<KeyValueStore> database);

  // --- Groups -------------------------------------------------------------------------------
  // Writes the rows of a new replica with a sync and attaches it. kFailedPrecondition below its
  // tombstone; kAlreadyExists if the group has rows here.
  Status create_group(const GroupBirth& birth);
  // Allows writes to a group whose end was verified. REQUIRES: not attached.
  void attach(GroupId group, const TailRow& tail);
  // Drops a group's rows and entries and leaves the tombstone, in one synced batch.
  Status destroy_group(GroupId group, const Tombstone& tombstone);
  // Marks a replica as never to be used again; its rows stay for analysis.
  Status quarantine(GroupId group, ReplicaId replica, const Status& why);

  // --- The hot path ---------------------------------------------------------------------------
  // Makes all jobs stable with one atomic synced batch. REQUIRES: groups attached, entries
  // consecutive to their group's end and chained; a truncated suffix is replaced by entries; a
  // reset brings a boundary.
  Status write(std::span<const QueuedJob> jobs);
  Status write(const LogJob& job);

  // --- Truncation and checkpoints -----------------------------------------------------------
  // Drops entries below `first`, unsynced. REQUIRES: first <= boundary index + 1.
  Status truncate_prefix(GroupId group, LogIndex first);

  // --- Reading --------------------------------------------------------------------------------
  // Entries of [first, last] until `bytes_max` is reached, at least one if there is one.
  Result<std::vector<LogEntry>> read(GroupId group, LogIndex first, LogIndex last,
                                     size_t bytes_max) const;
  EntryCursor scan(GroupId group, LogIndex first) const;
  Result<GroupRows> load_group(GroupId group) const;
  Result<std::vector<GroupId>> groups() const;  // With any row, ascending.
  Result<std::optional<Tombstone>> tombstone(GroupId group) const;

  // --- The node -------------------------------------------------------------------------------
  Result<std::optional<NodeRecord>> node_record() const;
  Status write_node_record(const NodeRecord& record);  // Synced.
  // Writes and syncs one marker record: only then is what was read from disk durable.
  Status write_marker(uint64_t incarnation);

  const Status& failure() const { return failure_; }  // Not OK after a failed write.

 private:
  struct Attached {
    TailRow tail;
  };

  Status apply(Sync sync);  // batch_, with the sticky failure.
  void add_job(const LogJob& job);

  std::unique_ptr<KeyValueStore> database_;
  std::unique_ptr<WriteBatch> batch_;     // Reused; empty between calls.
  std::map<GroupId, Attached> attached_;  // INVARIANT: equals the stored tail rows.
  Status failure_;                        // INVARIANT: once not OK, no write is tried again.
};

}  // namespace worldline::storage
