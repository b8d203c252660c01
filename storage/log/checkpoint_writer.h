// storage/log/checkpoint_writer.h
//
// CheckpointWriter makes the checkpoints of one group, each by writing only the pages that changed
// since the one before [S 08/4.9]. The order of commit is spread over two calls because the step
// between them belongs to the log writer:
//   1. store(): pages and manifest written, checkpoint database synced -> the new Boundary;
//   2. the caller sends a LogJob with that boundary and waits until it is stable;
//   3. activate(): the checkpoint before the previous one and its pages are deleted, and the
//      caller may truncate the log up to the returned place.
// A crash at any point leaves a whole checkpoint that the boundary names.
//
// A checkpoint of another replica arrives page by page [S 08/1.11, 3.8] and takes the same steps:
// begin_received, put_received..., store_received, a LogJob that replaces the log, and
// activate_received. Own checkpoints are refused meanwhile.
//
// Invariants: the newest two activated checkpoints are kept, and the log back to the older of them.
// Ownership and thread: one; the snapshot may be of another thread's state. Errors: kIoError means
//   this checkpoint is abandoned and the boundary stays; the next attempt begins by removing what
//   it left. After kCheckpointFailuresMax in a row the node should drain [S 08/3.12].
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "storage/log/checkpoint_store.h"
#include "storage/log/log_types.h"
#include "storage/snapshot.h"

namespace worldline::storage {

// Where a snapshot stands in the log. REQUIRES: `index` is stable and applied, no more than it.
struct CheckpointCut {
  LogIndex index;
  Term term;
  Chain chain;
  ByteBuffer config;
  uint64_t cluster_time_ns = 0;
  Timestamp last_timestamp;
};

// What one checkpoint cost.
struct CheckpointCost {
  size_t pages_total = 0;
  size_t pages_written = 0;
  size_t bytes_written = 0;
};

inline constexpr uint32_t kCheckpointFailuresMax = 3;

class CheckpointWriter {
 public:
  // The checkpoints recovery found: `newest` is the one the state was loaded from (page versions
  // continue from it), `older` the one before it.
  struct Known {
    std::optional<Checkpoint> newest;
    std::optional<Checkpoint> older;
    CheckpointId last_id;  // Highest id ever seen; ids are not used twice.

    // Up to here the log is covered and may be truncated: to where the older checkpoint was cut.
    // Without one the state of birth is what one falls back to: index 1.
    LogPlace covered(GroupId group) const;
  };

  // `store` is borrowed; it outlives this.
  CheckpointWriter(CheckpointStore& store, GroupId group, Known known);

  Result<Boundary> store(const Snapshot& snapshot, const CheckpointCut& cut);
  // Returns up to where the log is covered now, as the checkpoint's cut says: whoever truncates
  // compares it with the log it has.
  Result<LogPlace> activate();

  // --- A checkpoint of another replica
  // ------------------------------------------------------------
  Status begin_received();  // What an earlier attempt left is of use: it stays.
  // REQUIRES for all below: begun. kCorruption if the page is not that of its name.
  Status put_received(const Digest128& hash, Bytes image);
  Result<std::vector<bool>> find_received(std::span<const Digest128> hashes) const;
  struct Received {
    std::optional<Boundary> boundary;  // For the job that replaces the log; or:
    std::vector<Digest128> missing;    // pages to be put first.
  };
  // `checkpoint`: as decoded from the other replica's manifest.
  Result<Received> store_received(Checkpoint checkpoint);
  // The boundary is stable: all older checkpoints go; the log begins behind the new one.
  Status activate_received();
  // It is not wanted any more: removes its pages.
  Status discard_received();

  // store() or activate() failed so often since the last success.
  uint32_t failures_in_row() const { return failures_in_row_; }
  const CheckpointCost& last_cost() const { return cost_; }
  uint64_t newest_bytes() const { return known_.newest ? known_.newest->page_bytes : 0; }
  const std::optional<Checkpoint>& newest() const { return known_.newest; }

 private:
  Result<Boundary> try_store(const Snapshot& snapshot, const CheckpointCut& cut);
  Result<LogPlace> try_activate();
  Status write_pages(const Snapshot& snapshot, Checkpoint& checkpoint);
  Status remove_abandoned();

  CheckpointStore& store_;  // Borrowed; outlives this.
  const GroupId group_;
  Known known_;
  std::optional<Checkpoint> staged_;  // Stored, not yet named by the boundary.
  CheckpointCost cost_;
  uint32_t failures_in_row_ = 0;
  bool has_leftovers_ = false;             // Of an abandoned checkpoint.
  std::optional<CheckpointId> receiving_;  // Begun, not yet activated or discarded.
};

}  // namespace worldline::storage
