// tests/processes/kv_snapshots.h
//
// KvSnapshots cuts a node's checkpoints and joins SnapshotService to the node: what the server's
// actors do for databases is done here for lists of ids.
//
// Invariants: the database is written by the worker only; its answers are posted to the loop. A
//   snapshot is in use when its boundary is stable and the machine holds its state.
// Ownership: one KvNode, its thread. Units: bytes, BootTime. Errors: a checkpoint that cannot be
//   written is abandoned.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "replication/node/raft_node.h"
#include "replication/snapshot/snapshot_service.h"
#include "tests/processes/kv_checkpoints.h"
#include "tests/processes/loop.h"
#include "tests/processes/node_log.h"

namespace worldline::kv {

class KvSnapshots final : private replication::SnapshotHost, private replication::SnapshotStore {
 public:
  struct Parts {
    Loop* loop = nullptr;  // Borrowed, as is the worker.
    Worker* worker = nullptr;
    std::unique_ptr<KvCheckpoints> disk;                  // Used by the worker: it ends first.
    std::function<replication::GroupReplica*()> replica;  // Null: none runs.
    std::function<void(NodeId, replication::WireMessage)> send;
    // A new boundary for the log writer.
    std::function<void(const replication::LogBoundary&, const replication::CheckpointPlace&)>
        write_boundary;
    uint64_t checkpoint_entries = 2000;
    uint64_t bytes_per_second = replication::kTransferBytesPerSecond;
  };
  explicit KvSnapshots(Parts parts);

  replication::SnapshotPort& port() { return service_; }
  replication::SnapshotService& service() { return service_; }

  // What recovery found. kCorruption: it is not whole.
  Result<KvState> load(const replication::LogBoundary& boundary, const storage::CheckpointRef& ref);

  // After every input of the group: cuts a checkpoint if one is due.
  void settle(replication::GroupReplica& replica, const KvState& state);
  void on_time(replication::BootTime now);
  void checkpoint_counts(LogIndex index, replication::GroupReplica& replica);
  void log_replaced();

  void recv(NodeId from, const replication::SnapBytes& bytes);
  replication::CheckpointPlace staged_place() const;  // REQUIRES: a snapshot is being installed.
  Result<KvState> install(const replication::SnapshotMeta& meta);

  // So often in a row that the node must lead no longer [S 08/3.12].
  bool checkpoints_fail() const { return failures_in_row_ >= storage::kCheckpointFailuresMax; }
  uint64_t cut_count() const { return cut_count_; }
  uint64_t newest_bytes() const { return newest_bytes_; }

 private:
  struct Written {
    replication::LogBoundary boundary;
    storage::CheckpointRef ref;
    uint64_t bytes = 0;
  };
  void cut(replication::GroupReplica& replica, const KvState& state);
  void written(const replication::LogBoundary& boundary, const Result<storage::Checkpoint>& made);
  void use_installed();

  // --- SnapshotHost
  std::optional<replication::SnapshotView> find(GroupId group) const override;
  void send(NodeId to, replication::WireMessage message) override;
  void snapshot_staged(GroupId group, const replication::SnapshotMeta& meta) override;
  void snapshot_result(GroupId group, ReplicaId peer,
                       replication::SnapshotOutcome outcome) override;
  void snapshot_pinned(GroupId group, ReplicaId peer, LogIndex index) override;
  void need_checkpoint(GroupId, LogIndex) override { wants_cut_ = true; }

  // --- SnapshotStore
  void load(const replication::OutgoingTransfers::Load& load,
            std::optional<storage::CheckpointId> manifest) override;
  void find(replication::IncomingTransfers::Find find) override;
  void store(replication::IncomingTransfers::Store store) override;
  void commit(replication::IncomingTransfers::Commit commit) override;
  void activate(GroupId group) override;
  void discard(GroupId group) override;

  const Parts parts_;
  replication::SnapshotService service_;
  bool is_writing_ = false;
  uint32_t failures_in_row_ = 0;
  std::optional<Written> writing_;  // Whole, and its boundary is with the log writer.
  bool wants_cut_ = false;
  LogIndex newest_;  // Of the checkpoint that counts.
  LogIndex next_cut_;
  replication::BootTime tick_due_;
  bool is_swapped_ = false;   // Of a snapshot that is installed.
  bool is_replaced_ = false;  // Likewise: the log begins behind it.
  uint64_t cut_count_ = 0;
  uint64_t newest_bytes_ = 0;
};

}  // namespace worldline::kv
