// replication/snapshot/snapshot_ports.h
//
// What SnapshotService asks of the node it runs in: its replicas, its peers, and the checkpoints on
// its disk.
//
// Ownership and thread: implementations are borrowed by the service and called on its thread. They
//   must not call back; answers of the store come later, through the service's methods.
// Units: bytes. Sources: [S 08/1.11], [S 08/3.8].
#pragma once

#include <optional>
#include <vector>

#include "replication/node/group_replica.h"
#include "replication/raft_messages.h"
#include "replication/snapshot/incoming_transfers.h"
#include "replication/snapshot/outgoing_transfers.h"
#include "replication/transport/wire_messages.h"
#include "storage/log/checkpoint_writer.h"

namespace worldline::replication {

// What the service must know of a replica here.
struct SnapshotView {
  Address self;
  ReplicaId leader;  // 0 = none known.
  Term term;
  LogIndex commit;
  LogIndex log_boundary;  // Everything up to it is gone from the log.
  LogIndex config_index;
  const Membership* config = nullptr;  // Borrowed for the call; not null.
  bool is_leader = false;
  bool is_installing = false;
  std::vector<ReplicaId> caught_up;  // Leader: members that answer and follow closely.
};
// REQUIRES: the replica runs.
SnapshotView view_of(const GroupReplica& replica);

class SnapshotHost {
 public:
  virtual ~SnapshotHost() = default;

  virtual std::optional<SnapshotView> find(GroupId group) const = 0;  // nullopt: none runs here.
  virtual void send(NodeId to, WireMessage message) = 0;              // May be lost.

  // Calls of GroupReplica of the same names.
  virtual void snapshot_staged(GroupId group, const SnapshotMeta& meta) = 0;
  virtual void snapshot_result(GroupId group, ReplicaId peer, SnapshotOutcome outcome) = 0;
  virtual void snapshot_pinned(GroupId group, ReplicaId peer, LogIndex index) = 0;

  // A checkpoint newer than `index` is needed soon; asked again each tick.
  virtual void need_checkpoint(GroupId group, LogIndex index) = 0;
};

// CheckpointStore and CheckpointWriter, on their own thread; requests of a group keep their order.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  // Then loaded(). `manifest`: the manifest of this checkpoint is meant, not a page.
  virtual void load(const OutgoingTransfers::Load& load,
                    std::optional<storage::CheckpointId> manifest) = 0;
  // Each then by its answer, or failed(). The first of them begins the reception.
  virtual void find(IncomingTransfers::Find find) = 0;        // find_received, found()
  virtual void store(IncomingTransfers::Store store) = 0;     // put_received, stored()
  virtual void commit(IncomingTransfers::Commit commit) = 0;  // store_received, committed()
  virtual void activate(GroupId group) = 0;                   // activate_received
  virtual void discard(GroupId group) = 0;                    // discard_received
};

}  // namespace worldline::replication
