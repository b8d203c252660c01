// replication/snapshot/snapshot_service.h
//
// SnapshotService moves checkpoints between this node and others [S 08/3.8]: it joins the rules of
// IncomingTransfers and OutgoingTransfers to the Raft cores, the transport and the checkpoints on
// the disk. Pure: all it does goes through SnapshotHost and SnapshotStore.
//
// Invariants: an offer is repeated until its receiver speaks, so a lost one, or a receiver that
// began anew, costs half a second. A message counts only if it names a replica here and comes from
// the node of the replica it names. A staged snapshot that the core does not want is discarded.
// Ownership and thread: one per node, its thread. Units: bytes; ticks of kTransferTick.
// Errors: a message nobody sends is refused and counted.
// Order of calls: any inputs, then settle(), which acts; SnapshotPort only records.
// Sources: [S 08/1.11], [S 08/3.8], [S 08/4.9].
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "replication/snapshot/snapshot_ports.h"

namespace worldline::replication {

struct SnapshotServiceLimits {
  IncomingLimits incoming;
  OutgoingLimits outgoing;
  size_t delegates_max = kDelegatesMax;
};

// A checkpoint of a replica here that counts: its boundary is stable.
struct HeldCheckpoint {
  storage::CheckpointRef ref;
  LogBoundary boundary;
  uint64_t total_bytes = 0;
};

// Sums since the start.
struct SnapshotCounters {
  uint64_t offered = 0;   // Attempts.
  uint64_t sent = 0;      // Staged at their receivers.
  uint64_t failed = 0;    // Attempts, as leader.
  uint64_t received = 0;  // Staged here.
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t pages_found = 0;   // Were here already when they were looked for,
  uint64_t pages_stored = 0;  // and came from others.
  uint64_t refused = 0;       // Messages.
};

class SnapshotService final : public SnapshotPort {
 public:
  SnapshotService(const SnapshotServiceLimits& limits_in, SnapshotHost& host, SnapshotStore& store);

  // --- SnapshotPort: recorded -------------------------------------------------------------------
  void offered(GroupId group, const SnapshotMeta& meta) override;
  void send(GroupId group, ReplicaId to) override;
  void cancel(GroupId group, ReplicaId to) override;

  void settle();
  void tick();

  // --- Peers ------------------------------------------------------------------------------------
  Status recv(NodeId from, const SnapBytes& bytes);
  void on_connected(NodeId peer);  // A stream of its is up, perhaps of a new life: offers again.
  void on_disconnected(NodeId peer);

  // --- This node's replicas ---------------------------------------------------------------------
  void checkpoint_counts(GroupId group, const HeldCheckpoint& checkpoint);
  void on_log_grew(GroupId group, uint64_t bytes) { outgoing_.on_log_grew(group, bytes); }
  // For the job that replaces the log; null: nothing is staged.
  const storage::Boundary* staged(GroupId group) const;
  // The staged snapshot's boundary is stable and the state machine holds it.
  void installed(GroupId group);
  void remove(GroupId group);  // The replica goes away.

  // --- Answers of the store ---------------------------------------------------------------------
  using Ticket = IncomingTransfers::Ticket;
  void loaded(const OutgoingTransfers::Load& load, SharedBytes image);
  void found(Ticket ticket, const std::vector<bool>& present);
  void stored(Ticket ticket, const ContentHash& hash);
  void committed(Ticket ticket, GroupId group, storage::CheckpointWriter::Received received);
  void failed(Ticket ticket, const Status& why) { incoming_.failed(ticket, why); }

  const SnapshotCounters& counters() const { return counters_; }
  size_t running() const { return incoming_.running() + outgoing_.running(); }
  std::vector<IncomingTransfers::Note> take_notes() { return std::exchange(notes_, {}); }

 private:
  // A peer that the core wants to have a snapshot, and that was offered none yet.
  struct Wanted {
    LogIndex newer_than;
    uint32_t ticks = 0;
  };
  struct Offered {
    SnapshotId id;
    SnapshotMeta meta;
    SnapBegin begin;
    bool was_said = false;   // It has a slot.
    bool was_heard = false;  // Its receiver spoke.
    uint32_t ticks = 0;      // Since it was said.
  };

  void offer_wanted();
  bool try_offer(const TransferKey& key, const Wanted& wanted);  // True: not wanted any more.
  SnapBegin begin_of(const SnapshotView& view, GroupId group, ReplicaId to) const;
  void say(const TransferKey& key, const Offered& offered);
  void repeat_offers();
  void take_offers();
  void drop_useless();
  void drain_outgoing();
  void finish(const OutgoingTransfers::Finished& finished);
  void drain_incoming();
  void stage(const SnapshotOffer& offer);
  void send(const SnapMessage& message);
  std::optional<NodeId> node_of(GroupId group, ReplicaId replica) const;
  Status check_speaker(NodeId from, const SnapMessage& message) const;
  const SnapshotMeta* meta_of(const SnapshotOffer& offer) const;
  void note_traffic(const SnapMessage& message);

  const SnapshotServiceLimits limits_;
  SnapshotHost& host_;    // Borrowed; outlives this.
  SnapshotStore& store_;  // Borrowed; outlives this.
  IncomingTransfers incoming_;
  OutgoingTransfers outgoing_;

  std::map<GroupId, std::deque<HeldCheckpoint>> held_;  // Newest first, as many as are kept.
  std::map<TransferKey, Wanted> wanted_;
  std::map<TransferKey, Offered> offered_;  // Those that OutgoingTransfers has or holds.
  std::vector<TransferKey> cancelled_;
  uint64_t last_id_ = 0;

  std::map<GroupId, SnapshotMeta> new_offers_;
  std::map<GroupId, std::deque<SnapshotMeta>> metas_;  // Of the last offers, newest first.
  std::map<GroupId, storage::Boundary> staged_;
  std::vector<IncomingTransfers::Note> notes_;
  SnapshotCounters counters_;
};

}  // namespace worldline::replication
