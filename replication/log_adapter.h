// replication/log_adapter.h
//
// The log adapter carries values between the Raft core and the node's log database: jobs become
// atomic writes, and what recovery verified becomes the state a core starts from. It holds no rule
// of Raft and no rule of storage.
//
// Invariants: entries keep index, term, kind, chain and payload in both directions; a boundary
// keeps
//   its config and the index of the entry that brought it.
// Thread: functions from any; a LogAdapter from the one thread that drives its core. Units: bytes.
// Errors: kCorruption for rows that do not decode, naming the group: quarantine, never repair.
// Sources: [S 08/1.10], [S 08/3.6], [S 08/3.7].
#pragma once

#include <vector>

#include "base/status.h"
#include "replication/ready.h"
#include "storage/log/group_recovery.h"
#include "storage/log/log_store.h"

namespace worldline::replication {

// The core's chain function: the chain the log database writes and verifies.
Chain log_chain(Chain previous, const Entry& entry);

// Where every replica of a new group starts [S 08/3.9]: index 1, term 1, the members of birth.
LogBoundary genesis_boundary(GroupId group, const Membership& members);
// Rows of a replica of that birth. `digest` is that of the state of birth.
storage::GroupBirth group_birth(GroupId group, ReplicaId replica, const Membership& members,
                                const storage::Digest128& digest);

// A checkpoint and the state it holds.
struct CheckpointPlace {
  storage::CheckpointRef checkpoint;
  storage::Digest128 digest{};
};

storage::Boundary encode_log_boundary(const LogBoundary& boundary, const CheckpointPlace& place);
Result<LogBoundary> decode_log_boundary(const storage::Boundary& boundary);

// REQUIRES: the payload is present.
storage::LogEntry to_log_entry(const Entry& entry);
Entry to_raft_entry(const storage::LogEntry& entry);

// What a core goes on from after a restart. The boundary is the earliest stored position whose
// config is known, so that followers which are nearly there still find their entries; entries up to
// `applied` come without payload. Reads the log once.
Result<RestoredState> restore_state(const storage::LogStore& store,
                                    const storage::VerifiedGroup& group);

// Entries [first, last] for a follower, up to `bytes_max` and at least one; empty if the log does
// not hold `first` any more.
Result<std::vector<Entry>> read_entries(const storage::LogStore& store, GroupId group,
                                        const FetchRequest& request);

// Turns the jobs of one core, in order, into those of the log writer.
class LogAdapter {
 public:
  // `generation` is that of the stored hard state.
  LogAdapter(GroupId group, ReplicaId replica, uint64_t generation)
      : group_(group), replica_(replica), generation_(generation) {}

  // `installed` names the checkpoint of the snapshot. REQUIRES: given if the job has a new
  // boundary.
  storage::LogJob to_log_job(const PersistJob& job, const CheckpointPlace* installed);
  // The switch to a checkpoint at `boundary`: the row that makes it count [S 08/4.9].
  storage::LogJob to_checkpoint_job(const LogBoundary& boundary,
                                    const CheckpointPlace& place) const;

 private:
  const GroupId group_;
  const ReplicaId replica_;
  uint64_t generation_;
};

}  // namespace worldline::replication
