// replication/node/raft_node_state.h
//
// What a RaftNode keeps per replica and per peer. Private to its sources.
//
// Ownership: one RaftNode. Units: NodeTick.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "replication/node/raft_node.h"

namespace worldline::replication {

// Why a group waits for the pacer.
enum class WakeKind : uint8_t {
  kTicks = 1,      // Its leader's or followers' node fell silent: time goes on.
  kSuspect = 2,    // Its leader's node is suspect or dead [S 08/3.3 Q4, Q6].
  kRestarted = 3,  // Its leader's node lives again, or says that it leads less (Q7, Q10).
  kCertain = 4,    // Its leader's node is gone for certain: fast path [S 08/3.4].
  kReturned = 5,   // A lagging member's node is back.
  kHandOver = 6,   // The disk is slow: leadership goes elsewhere [S 08/3.12].
};

struct RaftNode::Wake {
  WakeKind kind = WakeKind::kTicks;
  ReplicaId subject;  // The leader or member it is about.
  NodeId node;        // Where that lives.
};

struct RaftNode::Hosted {
  std::unique_ptr<GroupReplica> replica;
  RestKind rest = RestKind::kAwake;
  NodeTick core_tick;  // The core has seen time up to here.
  // Leader: what was last said to each member's node, and when its last answer reached the core.
  std::map<NodeId, HeartbeatItem> items;
  std::map<NodeId, NodeTick> answered;
  std::set<NodeId> lagging;  // Quiesced leader: dead members' nodes.
  // Reported while the core could not be told: at rest (Q3), or while it drained.
  std::set<ReplicaId> unreachable;
  std::optional<Wake> wake;  // Waiting for the pacer.
  bool owes_hello = false;   // Recovered, and its leader was not greeted yet.
  bool is_stalled = false;   // Its state machine hangs: its heartbeats stop.
};

struct RaftNode::Peer {
  Peer(const NodeConfig& config, NodeTick now)
      : outbox(config.append_bytes_max, config.append_wait_bytes_max), vouched_at(now) {}

  HeartbeatSender sender;
  AppendOutbox outbox;
  NodeTick vouched_at;  // Its last valid reply: all standing items are well.
  bool is_connected = true;
  bool is_quiet_to_us = false;       // No batches: what rested behind them was woken.
  bool is_quiet_to_leaders = false;  // No replies: what our standing offers spoke for was.
  std::optional<uint64_t> lead_epoch;
};

}  // namespace worldline::replication
