// replication/node/node_ports.h
//
// Everything a node's replication does to the world, as small interfaces: the log, the network, the
// state machines, the snapshot service, the node itself.
//
// Contract: a call must not block, must not fail, and must not call back into RaftNode or
//   GroupReplica; what it starts is reported later by the inputs named beside it.
// Ownership: ports are borrowed and outlive the node. Thread: the one that drives the node.
// Sources: [S 08/1.3], [S 08/2], [S 08/3.7].
#pragma once

#include <string>
#include <vector>

#include "replication/node/node_messages.h"
#include "replication/raft_core.h"

namespace worldline::replication {

// The log writer and the log's reader.
class LogPort {
 public:
  virtual ~LogPort() = default;
  // One atomic write. Then GroupReplica::persisted(job.job), in order per group.
  virtual void write(GroupId group, ReplicaId replica, PersistJob job) = 0;
  // Then GroupReplica::fetched(request.peer, entries), empty if the range is gone.
  virtual void fetch(GroupId group, const FetchRequest& request) = 0;
  // Entries up to `upto` may be deleted. No answer.
  virtual void compact(GroupId group, LogIndex upto) = 0;
  // The boundary and hard state of a new replica, synced. Then RaftNode::created(group).
  // Boundary index 0: a replica without state.
  virtual void create(GroupId group, ReplicaId replica, const LogBoundary& boundary) = 0;
  // Drops the group's data and leaves `lowest_allowed` as its tombstone, in one synced batch.
  // Then RaftNode::destroyed(group).
  virtual void destroy(GroupId group, ReplicaId lowest_allowed) = 0;
  // Synced mark: this replica is never used again, its rows stay [S 08/2]. No answer.
  virtual void quarantine(GroupId group, ReplicaId replica, const std::string& why) = 0;
};

// The transport. Messages to one node keep their order per stream; any may be lost.
class MessagePort {
 public:
  virtual ~MessagePort() = default;
  // By kind of body: Append on the log stream, the rest on the control stream.
  virtual void send(Envelope message) = 0;
  virtual void send_node(NodeId to, NodeMessage message) = 0;
};

// One group's replicated state, in the order of [S 08/1.3].
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  virtual void role_changed(const RoleChange& change) = 0;
  virtual void config_changed(const ConfigChange& change) = 0;
  // Then GroupReplica::applied(last index), in order.
  virtual void apply(std::vector<ApplyEntry> entries) = 0;
  // Swap to the staged snapshot. Then GroupReplica::installed(index).
  virtual void install(const SnapshotMeta& meta) = 0;
  virtual void read_ready(const ReadReady& read) = 0;
  virtual void read_failed(ReadToken token) = 0;
};

// The snapshot service. Results: GroupReplica::snapshot_staged, snapshot_result, snapshot_pinned.
class SnapshotPort {
 public:
  virtual ~SnapshotPort() = default;
  virtual void offered(GroupId group, const SnapshotMeta& meta) = 0;  // By our leader: fetch it.
  virtual void send(GroupId group, ReplicaId to) = 0;
  virtual void cancel(GroupId group, ReplicaId to) = 0;
};

// What the catalog or an operator must know.
enum class ReportKind : uint8_t {
  kQuarantined = 1,   // A replica here: replace it.
  kPeerLostData = 2,  // A replica elsewhere reported less than it acknowledged (I-12).
  kGroupFrozen = 3,   // Two truths in one group: an operator decides.
  kDataMissing = 4,   // The peer's node has no such replica, or one without state.
  kFenced = 5,        // A newer life of this very node is out there (I-24).
  kStalled = 6,       // A replica here makes no progress.
  kPeerDeaf = 7,      // We hear a node that does not hear us: a link is broken one way.
  kClockWarning = 8,  // Our wall clock is more than 500 ms from the majority's,
  kClockDrain = 9,    // or more than 5 s: leaderships go elsewhere.
  kSlowNetwork = 10,  // E is below ten median round trips: leaders may be deposed for nothing.
};
struct NodeReport {
  ReportKind kind = ReportKind::kQuarantined;
  GroupId group;  // 0 = about the node.
  ReplicaId replica;
  int invariant = 0;  // 0 = none.
  std::string text;
};

class NodePort {
 public:
  virtual ~NodePort() = default;
  // A broken invariant of scope N: end the process with exit code 70, now. Of scope G, behind the
  // report kGroupFrozen: the group is over here; whoever shares nothing with it may go on.
  virtual void fatal(GroupId group, const Fatal& fatal) = 0;
  virtual void report(const NodeReport& report) = 0;
  // Ask the catalog whether `replica` may really go; then RaftNode::gone_verified.
  virtual void verify_gone(GroupId group, ReplicaId replica, GoneReason reason) = 0;
  // A note of a core; cheap, may be counted or dropped.
  virtual void noted(GroupId group, const Note& note) = 0;
};

struct NodePorts {
  LogPort* log = nullptr;  // All borrowed, none null.
  MessagePort* messages = nullptr;
  SnapshotPort* snapshots = nullptr;
  NodePort* node = nullptr;
};

}  // namespace worldline::replication
