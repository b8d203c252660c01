// replication/node/heartbeat_messages.h
//
// The heartbeats of all groups from one node to another, and the answers [S 08/3.2].
//
// Thread: values. Units: times say theirs. Sources: [S 08/3.2].
#pragma once

#include <vector>

#include "base/bytes.h"
#include "replication/raft_messages.h"

namespace worldline::replication {

inline constexpr size_t kHeartbeatItemsMax = 64 * limits::KiB;  // Three times the tested groups.

struct NodeHeader {
  uint64_t incarnation = 0;  // Of the sender.
  uint64_t lead_epoch = 0;   // Raised when replicas here stop leading quiesced groups [S 08/3.3].
  Timestamp wall_clock;
  uint64_t monotonic_ns = 0;  // When it was sent, on the sender's clock.
  uint8_t disk_pressure_percent = 0;
  uint8_t cpu_pressure_percent = 0;
  std::vector<NodeId> hears;  // Ascending.
};

// A group led by the sender with a member at the receiver.
struct HeartbeatItem {
  GroupId group;
  ReplicaId from;
  ReplicaId to;
  Term term;
  LogIndex config_index;
  LogIndex commit;
  uint64_t read_ctx = 0;
  bool quiesce = false;
};

// A change of item number `place` of the base batch.
struct HeartbeatDelta {
  uint32_t place = 0;
  uint64_t commit_advance = 0;
  uint64_t read_ctx = 0;
};

// Item number i of a batch is the i-th of full, changed and light items merged by group.
struct HeartbeatBatch {
  uint64_t seq = 0;       // From 1, per pair of lives.
  uint64_t base_seq = 0;  // The confirmed batch whose items `changed` and `light` name; 0 = none.
  NodeHeader header;
  std::vector<HeartbeatItem> full;      // Ascending by group.
  std::vector<HeartbeatDelta> changed;  // Ascending by place.
  ByteBuffer light;                     // Bit i % 8 of byte i / 8: item i is unchanged.
};

struct HeartbeatAnswer {
  uint32_t place = 0;
  HeartbeatStatus status = HeartbeatStatus::kOk;
  Term term;  // Of the answering replica; 0 if it has none.
  LogIndex config_index;
  uint64_t read_ctx = 0;
  LogIndex applied;
  LogIndex last_index;
};

struct HeartbeatReply {
  uint64_t seq_echo = 0;
  uint64_t monotonic_ns_echo = 0;
  NodeHeader header;
  uint32_t item_count = 0;  // Of the batch this answers.
  ByteBuffer ok;            // Bit: status ok, same term, read_ctx echoed, applied = last = commit.
  std::vector<HeartbeatAnswer> answers;  // All others, ascending by place.
};

}  // namespace worldline::replication
