// replication/node/heartbeat_receiver.h
//
// HeartbeatReceiver is the other end: a table with one row per replica here, from which batches are
// answered without touching the group when nothing changed [S 08/3.2]. What the table cannot answer
// goes to the group as the heartbeat it stands for.
//
// Idea: a heartbeat whose term and leader are known and whose commit is not news would only restart
//   the election timer. The table remembers when that was; the replica's core learns of it before
//   its next input (GroupReplica::catch_up), so it behaves as if it had seen every heartbeat.
//   Items whose answer is a plain ok are silent: a batch that lists the same as the one before
//   renews all of them at once, without a look at any.
// Invariants: a row is updated before any message of its replica leaves, so no reader is told `ok`
//   for a deposed leader; an item is silent exactly if the row would answer with a plain ok.
// Ownership: one RaftNode. Units: NodeTick. Cost of a batch: O(loud items + items / 8) if it lists
//   the same as before, else O(items) compared and O(log groups) for each that differs.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "replication/node/heartbeat_list.h"
#include "replication/node/node_types.h"

namespace worldline::replication {

// What a replica's core would answer, as of its last input.
struct HeartbeatRow {
  ReplicaId replica;
  Term term;
  ReplicaId leader;  // 0 = unknown.
  LogIndex config_index;
  LogIndex commit;
  LogIndex applied;
  LogIndex last;
  // A follower awake and well, its term durable: a heartbeat that says nothing new may be answered
  // here.
  bool is_plain = false;
  friend bool operator==(const HeartbeatRow&, const HeartbeatRow&) = default;
};

// The last heartbeat that was answered for a replica.
struct HeardItem {
  HeartbeatItem item;
  NodeId node;  // Of the leader,
  uint64_t incarnation = 0;
  NodeTick at;
};

class HeartbeatReceiver {
 public:
  // --- The table
  // ----------------------------------------------------------------------------------
  void update(GroupId group, const HeartbeatRow& row);
  void erase(GroupId group);
  // The newest heartbeat answered for the group since the last call; nullopt = none.
  std::optional<HeardItem> take_heard(GroupId group);
  // Some peer's batches renew it silently: silence is noticed per peer, the group needs no ticks.
  bool is_silent(GroupId group) const;

  // --- Batches
  // ------------------------------------------------------------------------------------
  struct Outcome {
    bool is_stale = false;       // Older than one seen: ignore it, no reply.
    bool is_understood = false;  // Else its base is not known here: reply with item_count 0.
    HeartbeatList list;
    std::vector<HeartbeatAnswer> answers;  // From the table; those not listed here or below are ok.
    std::vector<uint32_t> for_groups;      // Places of items that the groups must answer.
    std::vector<GroupId> lapsed;           // Were silent; nobody vouches for them any more.
  };
  // Errors: kInvalidArgument for a batch that no sender makes.
  Result<Outcome> on_batch(NodeId from, const HeartbeatBatch& batch, NodeTick now);
  // A heartbeat that came outside a batch. nullopt: the group must answer.
  std::optional<HeartbeatResp> answer(const HeartbeatItem& item, const Address& from, NodeTick now);
  const HeartbeatRow* find(GroupId group) const;

  // The newest batch of `peer`; nullopt = none.
  std::optional<NodeTick> batch_heard(NodeId peer) const;
  // Groups silent thanks to `peer`, ascending: when it falls silent itself they need ticks.
  std::vector<GroupId> silent_for(NodeId peer) const;
  // What was silent for it needs ticks again: ascending.
  std::vector<GroupId> forget_peer(NodeId peer);

 private:
  struct Row {
    HeartbeatRow row;
    std::optional<HeardItem> heard;  // Answered one by one, not yet taken.
    std::set<NodeId> listed_by;
  };
  struct Listed {
    HeartbeatItem item;
    NodeTick heard_to;  // Up to here its renewals were taken, or did not count.
    bool is_silent = false;
  };
  struct Known {
    uint64_t seq = 0;
    HeartbeatList list;
  };
  struct Peer {
    uint64_t incarnation = 0;
    std::deque<Known> known;  // Batches that may become a base, ascending; the last is in force.
    std::map<GroupId, Listed> listed;  // The list in force.
    std::set<GroupId> loud;            // Of listed: not silent.
    NodeTick heard_at;
    bool was_heard = false;
  };

  HeartbeatList base_of(const Peer& peer, uint64_t seq) const;
  void adopt(NodeId node, Peer& peer, const HeartbeatList& list, NodeTick now);
  void add_listed(NodeId node, Peer& peer, const HeartbeatItem& item, NodeTick now);
  void drop_listed(NodeId node, Peer& peer, GroupId group);
  void settle(Peer& peer, GroupId group);
  std::vector<GroupId> take_lapsed();
  void answer_loud(NodeId node, const Peer& peer, NodeTick now, Outcome& outcome);

  std::map<GroupId, Row> rows_;
  std::map<NodeId, Peer> peers_;
  std::set<GroupId> lapsed_;  // Empty between calls.
};

}  // namespace worldline::replication
