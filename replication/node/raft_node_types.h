// replication/node/raft_node_types.h
//
// The plain values of RaftNode's interface.
//
// Thread: values. Sources: [S 08/3.3], [S 08/3.9], [S 08/3.10], [S 08/3.12].
#pragma once

#include <cstdint>

#include "replication/node/node_ports.h"
#include "replication/node/node_types.h"

namespace worldline::replication {

// What recovery knows of a group that must not come back under a lower id.
struct GroupTombstone {
  ReplicaId lowest_allowed;
  ReplicaId quarantined;  // 0 = none.
};

// An order of the catalog: this node gets a copy of a group.
struct CreateOrder {
  GroupId group;
  ReplicaId replica;
  // Birth of the group: the boundary every replica starts from. Index 0: join, and wait for a
  // snapshot.
  LogBoundary boundary;
  StateMachine* machine = nullptr;  // Borrowed until destroyed() or freeze().
};

// One message as the transport received it.
struct Inbound {
  Envelope message;
  BootTime received_at;
};

// When a batch or reply was received, and when it is handled.
struct Arrival {
  BootTime received_at;
  BootTime now;
};

// What the state of this node's disk means for its replicas; whoever watches the disk decides it
// [S 08/3.12].
struct DiskVerdict {
  bool is_eligible = true;    // Else leaderships move to caught-up voters, no new ones are sought.
  bool may_heartbeat = true;  // Else nothing is led here, and nothing looks alive.
  bool is_full = false;       // Appends are refused.
  friend bool operator==(const DiskVerdict&, const DiskVerdict&) = default;
};

enum class GoneVerdict : uint8_t { kStillMember = 1, kRemoved = 2 };

// How much of a replica runs.
enum class RestKind : uint8_t {
  kAwake = 1,     // Ticks and heartbeats of its own.
  kVouched = 2,   // Idle: its node's batches speak for it, time is made up for when it matters.
  kQuiesced = 3,  // Asleep by agreement of its group [S 08/3.3].
};
const char* rest_name(RestKind rest);

// Operations since the start; what an idle group costs is read off them.
struct NodeCounters {
  uint64_t group_ticks = 0;       // Replicas ticked.
  uint64_t group_messages = 0;    // Messages given to replicas.
  uint64_t items_sent = 0;        // Heartbeat items that needed more than a bit.
  uint64_t items_for_groups = 0;  // Received, and not answered from the table.
  uint64_t batches_sent = 0;
  uint64_t batches_received = 0;
  uint64_t dropped_foreign = 0;  // Not for this node, or for a replica that is not here.
  uint64_t dropped_old_life = 0;
  uint64_t dropped_after_pause = 0;
  uint64_t dropped_over_budget = 0;
  uint64_t dropped_malformed = 0;  // What no replica says: terms of 0, entries that do not follow.
  uint64_t pauses = 0;
  uint64_t fell_asleep = 0;
  uint64_t woken = 0;
  uint64_t fast_paths = 0;
};

}  // namespace worldline::replication
