// replication/snapshot/transfer_slots.h
//
// TransferSlots decides which transfers of a node may run: two at a time in one direction, and one
// more that only a group without a majority may take, because a queued transfer of low priority
// must never hold up the one a quorum waits for [S 08/3.8].
//
// Order of those that wait: by class, then by arrival.
// Ownership and thread: one value per direction, one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "replication/snapshot/snapshot_messages.h"

namespace worldline::replication {

// One transfer of a node: at most one per group and peer.
struct TransferKey {
  GroupId group;
  ReplicaId peer;
  friend auto operator<=>(const TransferKey&, const TransferKey&) = default;
};

struct SlotRequest {
  TransferKey key;
  TransferClass transfer_class = TransferClass::kRebalance;
  bool is_needed_for_quorum = false;
};

struct SlotLimits {
  size_t open = 2;
  size_t reserved = 1;        // More, for groups that need them for a majority.
  size_t waiting_max = 4096;  // Beyond: refused.
};

class TransferSlots {
 public:
  explicit TransferSlots(const SlotLimits& limits_in) : limits_(limits_in) {}

  // Takes a slot at once, without waiting.
  bool try_take(const SlotRequest& request);
  // Waits for one; a request of the same key is replaced. False: too many wait.
  bool enqueue(const SlotRequest& request);
  // The next of those that wait and may run; it then has its slot.
  std::optional<SlotRequest> take_next();
  void release(const TransferKey& key);  // Runs or waits no more; unknown is fine.

  bool is_running(const TransferKey& key) const;
  bool is_waiting(const TransferKey& key) const;
  size_t running() const { return running_.size(); }
  size_t waiting() const { return waiting_.size(); }

 private:
  bool may_run(const SlotRequest& request) const;

  const SlotLimits limits_;
  std::vector<SlotRequest> running_;  // INVARIANT: at most open + reserved.
  std::vector<SlotRequest> waiting_;  // In order of arrival.
};

}  // namespace worldline::replication
