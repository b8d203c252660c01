// tests/processes/kv_snapshots.h
//
// KvSnapshots keeps a node's checkpoint, cuts new ones, and moves them between nodes: the receiver
// pulls parts of the image, which is named by its hash, over the bulk stream.
//
// Invariants: one incoming transfer at a time; an image counts only whole and with the hash that
//   was offered; files of the checkpoint that counts are never deleted.
// Ownership: one KvNode, its thread; files are written by the worker, which posts back.
// Units: bytes, BootTime. Errors: a checkpoint that cannot be written is abandoned.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "replication/log_adapter.h"
#include "replication/node/raft_node.h"
#include "replication/transport/wire_messages.h"
#include "tests/processes/kv_pull.h"
#include "tests/processes/kv_state.h"
#include "tests/processes/loop.h"
#include "tests/processes/node_log.h"

namespace worldline::kv {

struct KvCheckpoint {
  replication::LogBoundary boundary;
  SharedBytes image;
  storage::Digest128 hash{};
  replication::CheckpointPlace place() const;
};

struct SnapshotCounters {
  uint64_t cut = 0;
  uint64_t offered = 0;
  uint64_t sent = 0;
  uint64_t failed = 0;
  uint64_t received = 0;
};

class KvSnapshots final : public replication::SnapshotPort {
 public:
  struct Parts {
    Loop* loop = nullptr;  // All borrowed.
    Worker* worker = nullptr;
    NodeLog* log = nullptr;
    ReplicaId self;
    std::function<void(NodeId, replication::WireMessage)> send;
    // A new boundary for the log writer.
    std::function<void(const KvCheckpoint&)> write_boundary;
    uint64_t checkpoint_entries = 2000;
  };
  explicit KvSnapshots(Parts parts) : parts_(std::move(parts)) {}

  // What recovery found. kCorruption: its file is not whole.
  Result<KvState> load(const replication::LogBoundary& boundary, const storage::CheckpointRef& ref);

  // After every input of the group: cuts a checkpoint if one is due.
  void settle(replication::GroupReplica& replica, const KvState& state);
  void on_time(replication::GroupReplica& replica, replication::BootTime now);
  void checkpoint_counts(LogIndex index, replication::GroupReplica& replica);

  void recv(NodeId from, const replication::SnapBytes& bytes, replication::GroupReplica& replica);
  // Of the snapshot that the core installs.
  const KvCheckpoint* staged() const { return staged_ ? &*staged_ : nullptr; }
  Result<KvState> install(const replication::SnapshotMeta& meta);

  const SnapshotCounters& counters() const { return counters_; }

  // --- SnapshotPort: recorded
  void offered(GroupId group, const replication::SnapshotMeta& meta) override;
  void send(GroupId group, ReplicaId to) override;
  void cancel(GroupId group, ReplicaId to) override;

 private:
  struct Outgoing {
    uint64_t snap_id = 0;  // 0: no checkpoint fits yet.
    KvCheckpoint checkpoint;
    replication::BootTime heard_at;
    replication::BootTime offer_due;
    bool is_wanted = false;  // The receiver asked for parts.
    uint32_t tries = 0;
  };
  struct Incoming {
    replication::SnapshotMeta meta;
    NodeId from_node;
    PullId pull;
    ByteBuffer image;
    uint64_t asked_to = 0;
    replication::BootTime heard_at;
  };

  bool offer(replication::GroupReplica& replica, ReplicaId to, Outgoing& outgoing);
  void say_offer(replication::GroupReplica& replica, ReplicaId to, Outgoing& outgoing);
  bool is_given_up(replication::GroupReplica& replica, ReplicaId to);
  void cut(replication::GroupReplica& replica, const KvState& state);
  void written(const KvCheckpoint& checkpoint, const Status& status);
  void finish_sending(replication::GroupReplica& replica, ReplicaId to,
                      replication::SnapshotOutcome outcome);
  void begin_receiving(replication::GroupReplica& replica);
  void ask();
  void recv_want(NodeId from, const PullWant& want);
  void recv_part(const PullPart& part, replication::GroupReplica& replica);
  void complete(replication::GroupReplica& replica);
  void abort_receiving(const std::string& why);
  std::filesystem::path file_of(const storage::Digest128& hash) const;
  void delete_others();

  const Parts parts_;
  std::optional<KvCheckpoint> counting_;
  std::optional<KvCheckpoint> writing_;
  std::optional<KvCheckpoint> staged_;
  bool wants_cut_ = false;
  LogIndex next_cut_;
  replication::BootTime now_;
  std::map<ReplicaId, Outgoing> outgoing_;
  std::optional<replication::SnapshotMeta> offer_;
  std::optional<Incoming> incoming_;
  uint64_t last_snap_id_ = 0;
  SnapshotCounters counters_;
};

}  // namespace worldline::kv
