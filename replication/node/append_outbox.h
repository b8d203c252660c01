// replication/node/append_outbox.h
//
// AppendOutbox bounds what this node holds for one slow peer: of the Appends of all groups at most
// a budget is with the transport; the rest waits here per group and is served in turn, the catalog
// first [S 08/1.9]. A core cannot be asked to send less, so beyond a second limit messages are
// dropped, which replication tolerates as loss: the caller then reports the peer unreachable to
// that core, which goes back to one probe per heartbeat.
//
// Invariants: Appends of one group keep their order; a message alone may exceed the budget, else a
//   large entry would never leave. Ownership: one RaftNode, one per peer.
// Units: bytes as message_bytes() counts them.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "replication/node/node_types.h"
#include "replication/raft_messages.h"

namespace worldline::replication {

// Payloads and a fixed price for headers; both ends of a credit must use it.
size_t message_bytes(const Envelope& message);

class AppendOutbox {
 public:
  enum class Outcome : uint8_t { kSend, kWaiting, kDropped };

  AppendOutbox(size_t unsent_bytes_max, size_t waiting_bytes_max)
      : unsent_bytes_max_(unsent_bytes_max), waiting_bytes_max_(waiting_bytes_max) {}

  // kSend: `message` is untouched, hand it over. kWaiting: it was taken.
  Outcome offer(Envelope& message);
  // The transport sent that much: what may be handed over next.
  std::vector<Envelope> sent(size_t bytes);
  // The stream broke: nothing of what it held will arrive, and what waits is stale.
  void reset();
  void forget(GroupId group);

  bool has_room() const { return unsent_bytes_ < unsent_bytes_max_ && waiting_.empty(); }
  size_t unsent_bytes() const { return unsent_bytes_; }
  size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  bool fits(size_t bytes) const {
    return unsent_bytes_ == 0 || unsent_bytes_ + bytes <= unsent_bytes_max_;
  }
  std::map<GroupId, std::deque<Envelope>>::iterator next_in_turn();

  const size_t unsent_bytes_max_;
  const size_t waiting_bytes_max_;
  size_t unsent_bytes_ = 0;
  size_t waiting_bytes_ = 0;
  std::map<GroupId, std::deque<Envelope>> waiting_;  // INVARIANT: no empty queue.
  GroupId last_served_;
};

// Reads of old entries for followers that are far behind: they share the node's byte budget for
// catching up, one by one in the order they asked, the catalog first [S 08/1.9, 3.8].
struct WaitingFetch {
  GroupId group;
  NodeId node;
  bool is_catch_up = false;  // Far behind: costs budget. Else it only waits for the peer's outbox.
  LogIndex first;
  ReplicaId peer;
  LogIndex last;
  size_t bytes_max = 0;
};

class FetchQueue {
 public:
  // REQUIRES: bytes_per_second > 0.
  FetchQueue(size_t bytes_per_second, BootTime now);

  // At most one per group and peer, as the core has it: a second one replaces the first.
  void push(const WaitingFetch& fetch);
  void forget(GroupId group);
  size_t waiting_count() const { return waiting_.size(); }
  // Those whose turn it is. `has_room` says whether a peer's outbox takes more.
  template <typename HasRoom>
  std::vector<WaitingFetch> take(BootTime now, const HasRoom& has_room);

 private:
  void refill(BootTime now);

  const size_t bytes_per_second_;
  size_t tokens_;  // Bytes; may be overdrawn by one fetch, which then is owed.
  size_t owed_ = 0;
  BootTime refilled_at_;
  std::deque<WaitingFetch> waiting_;
};

template <typename HasRoom>
std::vector<WaitingFetch> FetchQueue::take(BootTime now, const HasRoom& has_room) {
  refill(now);
  std::vector<WaitingFetch> ready;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const bool may_go = has_room(it->node) && (!it->is_catch_up || (tokens_ > 0 && owed_ == 0));
    if (!may_go) {
      ++it;
      continue;
    }
    if (it->is_catch_up) {
      owed_ = it->bytes_max > tokens_ ? it->bytes_max - tokens_ : 0;
      tokens_ -= it->bytes_max > tokens_ ? tokens_ : it->bytes_max;
    }
    ready.push_back(*it);
    it = waiting_.erase(it);
  }
  return ready;
}

}  // namespace worldline::replication
