// storage/log/log_store.h
//
// LogStore is the node's log database: the logs and hard states of all groups, written together
// with one sync, and the node's own record [S 08/3.6]. A Raft group drives it with LogJobs.
//
// Invariants: per group the stored entries are consecutive and chained; the tail row names the last
//   one and changes in the same batch. Term, vote, boundary and commit hint never go back, and the
//   hint never passes the end of the log it is written with [S 08/2 I-3, I-8, I-9]. Every write is
//   synced before the next one begins, so a crash can tear the last one only. After a failed write
//   nothing is acknowledged any more.
// Thread: write functions from the log writer only; const functions from any thread, beside writes.
// Errors: kIoError is sticky (fail-stop, exit 74); kCorruption names group, index and reason;
//   kNotFound for entries that were truncated away.
// Order of calls: open, then per group load_group + scan by recovery, then attach, then write.
#pragma once

#include <map>
#include <memory>
#include <mutex>
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
  // tombstone or for a quarantined id [S 08/2 I-25]; kAlreadyExists if the group has rows here.
  Status create_group(const GroupBirth& birth);
  // The same for a replica that knows nothing and waits for its first snapshot [S 08/3.9]: boundary
  // and log end at index 0.
  Status create_uninitialised(GroupId group, ReplicaId replica);
  // Allows writes to a group that was verified. REQUIRES: not attached.
  void attach(GroupId group, const GroupPosition& position);
  // Drops a group's rows and entries and leaves the tombstone, in one synced batch. What an earlier
  // tombstone forbids stays forbidden; so does a quarantined replica.
  Status destroy_group(GroupId group, const Tombstone& tombstone);
  // Marks a replica, and all before it, as never to be used again; its rows stay for analysis.
  // kUnknownReplica: whichever lived here; only destroy_group() makes room for another.
  Status quarantine(GroupId group, ReplicaId replica, const Status& why);
  // The same for a group that held two truths; the stronger mark stays.
  Status freeze(GroupId group, ReplicaId replica, const Status& why);
  // Whether jobs of the group can be written. Writer thread.
  bool is_attached(GroupId group) const { return attached_.contains(group); }

  // --- The hot path ---------------------------------------------------------------------------
  // Makes all jobs stable with one atomic synced batch. REQUIRES: groups attached, entries
  // consecutive to their group's end and chained, and what the invariants above say of the rows.
  Status write(std::span<const QueuedJob> jobs);
  Status write(const LogJob& job);

  // --- Truncation -----------------------------------------------------------------------------
  // Drops entries below `first` with the next write: it costs no sync of its own, and readers are
  // refused at once. Files emptied by earlier truncations are given back.
  // REQUIRES: attached; first <= boundary index + 1.
  Status truncate_prefix(GroupId group, LogIndex first);
  // Writes what truncate_prefix() left for the next write.
  Status flush_truncations();

  // --- Reading --------------------------------------------------------------------------------
  // Entries of [first, last] until `bytes_max` is reached, at least one if there is one; fewer if
  // the log ends before. One state of the log, whatever is written meanwhile. kNotFound if the
  // range begins below what is kept.
  Result<std::vector<LogEntry>> read(GroupId group, LogIndex first, LogIndex last,
                                     size_t bytes_max) const;
  EntryCursor scan(GroupId group, LogIndex first) const;
  Result<GroupRows> load_group(GroupId group) const;
  Result<std::optional<HardState>> load_hard_state(GroupId group) const;
  Result<std::vector<GroupId>> groups() const;  // With any row, ascending.
  Result<std::optional<Tombstone>> tombstone(GroupId group) const;

  // --- The node -------------------------------------------------------------------------------
  Result<std::optional<NodeRecord>> node_record() const;
  Status write_node_record(const NodeRecord& record);  // Synced.
  // How the cluster began, if this node was there [S 08/3.9]: bytes of whoever wrote them.
  Result<std::optional<ByteBuffer>> genesis() const;
  // With the record that it decides, in one synced batch. REQUIRES: at most kGenesisBytesMax.
  Status write_genesis(const NodeRecord& record, Bytes genesis);
  // Writes and syncs one marker record: only then is what was read from disk durable.
  Status write_marker(uint64_t incarnation);

  const Status& failure() const { return failure_; }  // Not OK after a failed write.

 private:
  struct Attached {
    GroupPosition position;
    // Entries of the batch under construction, which cannot be read back yet.
    std::vector<TailRow> unwritten;
    // Bounds of the last two prefix truncations that are durable; files below the older one may
    // be dropped. 0 = none.
    LogIndex durable_first;
    LogIndex dropped_first;
  };

  Status create(GroupId group, const HardState& state, const Boundary& boundary);
  Status mark(GroupId group, ReplicaId replica, MarkKind kind, const Status& why);
  void detach(GroupId group);
  Status apply(Sync sync);  // batch_, with the sticky failure.
  Status write_batch();
  Status fail(const Status& why);
  Status add_job(const LogJob& job);
  void replace_log(const LogJob& job, Attached& group);
  Status truncate_suffix(const LogJob& job, Attached& group);
  Result<TailRow> place_of(GroupId id, const Attached& group, LogIndex index) const;
  void add_entries(const LogJob& job, Attached& group);
  void add_rows(const LogJob& job, GroupPosition& position);
  void add_truncations();
  LogIndex kept_from(GroupId group) const;
  void set_kept_from(GroupId group, LogIndex first);

  std::unique_ptr<KeyValueStore> database_;
  std::unique_ptr<WriteBatch> batch_;     // Reused; empty between calls.
  std::map<GroupId, Attached> attached_;  // INVARIANT: equals the stored rows between calls.
  std::vector<Attached*> in_batch_;       // Of the batch under construction.
  std::map<GroupId, LogIndex> staged_;    // Prefix truncations that wait for the next write.
  Status failure_;                        // INVARIANT: once not OK, no write is tried again.

  mutable std::mutex kept_mutex_;
  std::map<GroupId, LogIndex> kept_from_;  // Guarded by kept_mutex_. What readers may ask for.
};

}  // namespace worldline::storage
