// replication/snapshot/incoming_transfers.h
//
// IncomingTransfers runs all snapshot transfers that arrive at a node, at most one per group
// [S 08/3.8]. It admits offers, shares the node's rate, and drops what was staged and is of no use
// any more. Pure.
//
// Invariants: an offer of a lower term, or an older one of the same leader, changes nothing; the
// same checkpoint offered anew goes on where it was. Without a slot the answer is busy. Staged
// pages of a transfer that ended stay for an hour, then are discarded.
// Ownership and thread: one value per node, one thread. Units: bytes; ticks of kTransferTick.
// Order of calls: any input, then take_output(). Each request in it carries a ticket and is
//   answered once with it; answers to tickets of the past are ignored.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "replication/snapshot/outgoing_transfers.h"
#include "replication/snapshot/snapshot_receiver.h"

namespace worldline::replication {

struct IncomingLimits {
  uint64_t bytes_per_second = kTransferBytesPerSecond;
  SlotLimits slots;
  uint32_t stale_ticks = 3'600 * kTicksPerSecond;
};

class IncomingTransfers {
 public:
  explicit IncomingTransfers(const IncomingLimits& limits_in);

  // From the core, which checked term and leader. The leader's SnapBegin may come before or after.
  void offer(const SnapshotOffer& offer);
  // The snapshot is of no use any more: the log caught up, the replica goes away.
  void cancel(GroupId group);
  void installed(GroupId group);  // What was staged is in use.

  void recv(const SnapMessage& message);
  void source_lost(GroupId group, ReplicaId source);
  void tick();

  using Ticket = StrongId<struct TransferTicketTag, uint64_t>;
  void found(Ticket ticket, const std::vector<bool>& present);
  void stored(Ticket ticket, const ContentHash& hash);
  void committed(Ticket ticket, const std::vector<ContentHash>& missing);
  void failed(Ticket ticket, const Status& why);

  struct Find {
    Ticket ticket;
    GroupId group;
    std::vector<ContentHash> hashes;
  };
  struct Store {
    Ticket ticket;
    GroupId group;
    ReceivedPage page;
  };
  struct Commit {
    Ticket ticket;
    GroupId group;
    storage::Checkpoint checkpoint;
  };
  struct Note {  // For the log of the node.
    GroupId group;
    SnapshotId id;
    TransferOutcome outcome = TransferOutcome::kFailed;
    std::string text;
  };
  struct Output {
    std::vector<SnapMessage> send;
    std::vector<Find> finds;
    std::vector<Store> stores;
    std::vector<Commit> commits;
    std::vector<GroupId> discards;      // Remove what is staged.
    std::vector<SnapshotOffer> staged;  // Tell the core: snapshot_staged.
    std::vector<Note> ended;
  };
  Output take_output();

  size_t running() const { return slots_.running(); }

 private:
  struct Group {
    std::optional<SnapshotOffer> waiting;  // For its SnapBegin.
    uint32_t waiting_ticks = 0;
    struct Begun {
      SnapshotId id;
      ReplicaId from;
      SnapBegin begin;
    };
    std::optional<Begun> begun;
    uint32_t begun_ticks = 0;
    std::optional<SnapshotReceiver> receiver;
    TransferKey slot;  // Valid with receiver, as are ticket and taker.
    Ticket ticket;
    TakerId taker;
    bool has_staged = false;             // Pages of a transfer, running or ended, lie in the store.
    uint32_t stale_ticks = 0;            // Since that made progress.
    uint64_t progress = 0;               // Pages, when stale_ticks was reset.
    std::pair<Term, SnapshotId> newest;  // Of the offers seen.
  };
  void admit(GroupId id, Group& group);
  void begin(GroupId id, Group& group, const SnapshotOffer& offer, const SnapBegin& begin);
  void end(GroupId id, Group& group);
  void pump(GroupId id, Group& group);
  void age(GroupId id, Group& group);
  Group* find(Ticket ticket, GroupId& id);

  const IncomingLimits limits_;
  TransferSlots slots_;
  TransferThrottle throttle_;
  uint64_t last_taker_ = 0;
  uint64_t last_ticket_ = 0;
  std::map<GroupId, Group> groups_;
  Output output_;
};

}  // namespace worldline::replication
