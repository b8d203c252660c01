// replication/snapshot/outgoing_transfers.h
//
// OutgoingTransfers runs all snapshot transfers that leave a node: those its leaders offer, and
// pages it serves as a delegate [S 08/3.8]. It gives slots in order of class, shares the node's
// rate, keeps the log pinned while a transfer makes progress, and waits between attempts. Pure.
//
// Invariants: at most one transfer per group and peer, a newer request replaces an older one; every
// request ends with one Finished. After a failure the next attempt waits 1 s, then 2 s, up to 30 s;
// after busy, or a checkpoint that was too old, 1 s.
// Ownership and thread: one value per node, one thread. Units: bytes; ticks of kTransferTick.
// Order of calls: any input, then take_output(). Each load is answered once by loaded().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "replication/snapshot/log_pin.h"
#include "replication/snapshot/snapshot_sender.h"
#include "replication/snapshot/transfer_slots.h"
#include "replication/snapshot/transfer_throttle.h"

namespace worldline::replication {

inline constexpr uint64_t kTransferBytesPerSecond = 64 * limits::MiB;  // Per node and direction.

struct OutgoingLimits {
  uint64_t bytes_per_second = kTransferBytesPerSecond;
  SlotLimits slots;
  PinLimits pin;
};

struct OutgoingRequest {
  SnapshotOffer offer;
  SnapBegin begin;
};

class OutgoingTransfers {
 public:
  explicit OutgoingTransfers(const OutgoingLimits& limits_in);

  // --- By the leader of a group
  // -------------------------------------------------------------------
  void request(const OutgoingRequest& request);
  void cancel(GroupId group, ReplicaId peer);
  void cancel_all(GroupId group);  // Leadership was lost.
  void on_log_grew(GroupId group, uint64_t bytes);

  // --- From outside
  // -------------------------------------------------------------------------------
  void recv(const SnapMessage& message);
  struct Load {
    TransferKey key;
    SnapshotId id;
    ContentHash hash{};  // The manifest's, or a page's.
  };
  void loaded(const Load& load, SharedBytes image);  // Null: not here, or not whole.
  void tick();

  struct Finished {
    TransferKey key;
    SnapshotId id;
    TransferOutcome outcome = TransferOutcome::kFailed;
  };
  struct Pin {
    TransferKey key;
    std::optional<LogIndex> index;  // nullopt: the log is needed no longer.
  };
  struct Output {
    std::vector<SnapshotOffer> offers;  // To be said through the core, before `send`.
    std::vector<SnapMessage> send;
    std::vector<Load> loads;
    std::vector<Pin> pins;
    std::vector<Finished> finished;
  };
  Output take_output();

  size_t running() const { return slots_.running(); }
  size_t waiting() const { return slots_.waiting() + held_.size(); }

 private:
  struct Transfer {
    SnapshotSender sender;
    LogPin pin;
    TakerId taker;
  };
  // Why the next attempt for a peer must wait.
  struct Backoff {
    uint32_t failures = 0;
    uint32_t ticks_left = 0;
  };
  void begin(const OutgoingRequest& request);
  void start_waiting();
  void serve_as_delegate(const SnapMessage& message);
  void pump(const TransferKey& key, Transfer& transfer);
  void finish_ended();
  void finish(const TransferKey& key, SnapshotId id, TransferOutcome outcome);
  void note_outcome(const TransferKey& key, TransferOutcome outcome);
  bool drop_waiting(const TransferKey& key);

  const OutgoingLimits limits_;
  TransferSlots slots_;
  TransferThrottle throttle_;
  uint64_t last_taker_ = 0;
  std::map<TransferKey, OutgoingRequest> requests_;  // Of those that wait for a slot or are held.
  std::map<TransferKey, Transfer> transfers_;        // INVARIANT: each has a slot.
  std::map<TransferKey, Backoff> backoffs_;
  std::vector<TransferKey> held_;  // Wait for their backoff.
  Output output_;
};

}  // namespace worldline::replication
