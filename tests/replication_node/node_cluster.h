// tests/replication_node/node_cluster.h
//
// A cluster of RaftNodes in one thread under virtual time: links with latency and faults, disks
// that make jobs stable after a while, state machines that apply what they get.
//
// All machines of a group must apply one list: history() has it, and every application is compared
// with it. With `serves_snapshots` the list is also what an image holds, so logs may be cut.
//
// Deterministic: everything random comes from one seed. Units: microseconds.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "replication/node/raft_node.h"

namespace worldline::replication {

using namespace std::chrono_literals;

inline constexpr GroupId kGroup{7};  // Of the tests with one group.

struct ClusterOptions {
  size_t node_count = 3;
  uint64_t seed = 1;
  Micros latency{500};
  Micros latency_spread{0};
  Micros disk_latency{1'000};
  bool serves_snapshots = false;            // Offers are made and taken; compaction is carried out.
  std::function<void(NodeConfig&)> adjust;  // Of every node's configuration.
};

Chain test_chain(Chain previous, const Entry& entry);

// One group's state on one node: what it was told, in order.
class TestMachine final : public StateMachine {
 public:
  void role_changed(const RoleChange& change) override { roles.push_back(change); }
  void config_changed(const ConfigChange& change) override { configs.push_back(change); }
  void apply(std::vector<ApplyEntry> entries) override;
  void install(const SnapshotMeta& meta) override;
  void read_ready(const ReadReady& read) override { reads.push_back(read); }
  void read_failed(ReadToken token) override { failed_reads.push_back(token); }

  std::vector<RoleChange> roles;
  std::vector<ConfigChange> configs;
  std::vector<std::string> texts;  // Payloads of bundles.
  std::vector<SnapshotMeta> installs;
  std::vector<ReadReady> reads;
  std::vector<ReadToken> failed_reads;
  LogIndex to_apply;
  LogIndex to_install;
  bool hangs = false;  // Does not say that it applied.
  GroupId group;
  NodeId node;
  class NodeCluster* cluster = nullptr;
  std::set<GroupId>* owing = nullptr;  // Of its node: who has to say that it applied.
};

// The bundles of a group by their place in its log.
struct Bundle {
  size_t position = 0;  // 1 is the group's first.
  std::string text;
};
using History = std::map<LogIndex, Bundle>;

// What survives a restart.
struct DurableReplica {
  ReplicaId replica;
  HardState hard;
  LogBoundary boundary;
  std::vector<Entry> entries;
};

class NodeCluster;

// One process: dies as a whole, its disk stays.
class TestNode final : public LogPort, public MessagePort, public SnapshotPort, public NodePort {
 public:
  TestNode(NodeCluster& cluster, NodeId id) : cluster_(cluster), id_(id) {}

  RaftNode& raft() { return *raft_; }
  bool is_up() const { return raft_ != nullptr; }
  TestMachine& machine(GroupId group) { return machines_[group]; }

  // LogPort
  void write(GroupId group, ReplicaId replica, PersistJob job) override;
  void fetch(GroupId group, const FetchRequest& request) override;
  void compact(GroupId group, LogIndex to) override;
  void create(GroupId group, ReplicaId replica, const LogBoundary& boundary) override;
  void destroy(GroupId group, ReplicaId lowest_allowed) override;
  void quarantine(GroupId group, ReplicaId replica, const std::string& why) override;
  // MessagePort
  void send(Envelope message) override;
  void send_node(NodeId to, NodeMessage message) override;
  // SnapshotPort
  void offered(GroupId group, const SnapshotMeta& meta) override;
  void send(GroupId group, ReplicaId to) override;
  void cancel(GroupId, ReplicaId) override {}
  // NodePort
  void fatal(GroupId, const Fatal& fatal) override { fatals.push_back(fatal); }
  void report(const NodeReport& report) override { reports.push_back(report); }
  void verify_gone(GroupId group, ReplicaId replica, GoneReason) override;
  void noted(GroupId, const Note&) override {}

  std::vector<SnapshotMeta> offers;
  std::vector<ReplicaId> snapshots_to;
  std::vector<Fatal> fatals;
  std::vector<NodeReport> reports;
  std::vector<GroupId> verify;
  std::map<GroupId, GroupTombstone> tombstones;
  std::map<GroupId, DurableReplica> disk;
  Micros disk_latency{1'000};
  bool disk_hangs = false;
  Micros wall_offset{0};    // Of its wall clock.
  bool is_stopped = false;  // SIGSTOP: time passes, nothing runs.
  uint64_t incarnation = 0;

 private:
  friend class NodeCluster;
  struct Slow {
    GroupId group;
    ReplicaId replica;
    PersistJob job;
  };
  void make_stable(GroupId group, ReplicaId replica, const PersistJob& job, uint64_t life);
  void offer(GroupId group, ReplicaId to, int tries);
  // In this life only, and only while the replica is there.
  void later(Micros delay, GroupId group, std::function<void(GroupReplica&)> action);

  NodeCluster& cluster_;
  const NodeId id_;
  std::unique_ptr<RaftNode> raft_;
  TestMachine& fresh_machine(GroupId group);

  std::map<GroupId, TestMachine> machines_;
  std::set<GroupId> owing_;
  std::vector<Slow> hanging_;
  std::vector<std::function<void()>> kept_;  // Arrived while it was stopped.
};

class NodeCluster {
 public:
  explicit NodeCluster(ClusterOptions options);

  // --- Building ---------------------------------------------------------------------------------
  // A group with one voter on each of `nodes` (all by default). Replica ids: group * 100 + node.
  void add_group(GroupId group, std::vector<NodeId> nodes = {});
  static ReplicaId replica_on(GroupId group, NodeId node) {
    return ReplicaId{group.value * 100 + node.value};
  }
  Membership members(GroupId group, const std::vector<NodeId>& nodes) const;
  // A replica without state, which waits for a snapshot.
  Status add_empty_replica(GroupId group, ReplicaId replica, NodeId where);

  // --- Time -------------------------------------------------------------------------------------
  BootTime now() const { return now_; }
  void run_for(Micros time);
  // False: not within `limit`.
  bool run_until(const std::function<bool()>& holds, Micros limit = 20s);
  void post(Micros delay, std::function<void()> action);

  // --- Faults -----------------------------------------------------------------------------------
  void crash(NodeId node, StreamLoss how = StreamLoss::kBroken);
  void restart(NodeId node);
  void cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void isolate(NodeId node);
  void free_disk(NodeId node);  // What its disk hung on is written now.
  void heal() { cuts_.clear(); }
  // Messages for which this returns true are lost.
  std::function<bool(const Envelope&)> loses;
  std::function<bool(NodeId from, NodeId to, const NodeMessage&)> loses_node;

  // --- Looking ----------------------------------------------------------------------------------
  const History& history(GroupId group) { return histories_[group]; }
  // How many bundles of the group lie at `index` or before.
  size_t length_at(GroupId group, LogIndex index);
  // After each application of a bundle, on each node.
  std::function<void(const TestMachine&, LogIndex, const std::string&)> on_applied;
  TestNode& node(NodeId id) { return *nodes_.at(id); }
  TestNode& node(uint64_t id) { return node(NodeId{id}); }
  GroupReplica& replica(GroupId group, NodeId id);
  std::vector<NodeId> node_ids() const;
  NodeId leader_of(GroupId group);  // 0: none, or two in one term.
  bool has_leader(GroupId group) { return leader_of(group).value != 0; }
  bool propose(GroupId group, const std::string& text);
  // Messages sent between nodes since the last call.
  std::vector<Envelope> take_sent() { return std::exchange(sent_, {}); }
  uint64_t node_messages_sent() const { return node_messages_sent_; }
  void check();  // Invariants of every node; one leader per group and term.

 private:
  friend class TestNode;
  friend class TestMachine;
  struct Event {
    BootTime at;
    uint64_t seq;
    std::function<void()> action;
  };
  void start(NodeId node);
  void settle(TestNode& node);
  void run_node_time(TestNode& node);
  void note_applied(const TestMachine& machine, LogIndex index, const std::string& text);
  std::vector<std::string> image_at(GroupId group, LogIndex index);
  Micros latency();
  bool is_cut(NodeId from, NodeId to) const { return cuts_.contains({from, to}); }
  void transmit(NodeId from, Envelope message);
  void receive(TestNode& target, const Inbound& inbound);
  void transmit_node(NodeId from, NodeId to, NodeMessage message);
  struct Sent {
    uint64_t life = 0;  // Of the sender.
    BootTime received_at;
  };
  void keep(TestNode& target, std::function<void()> arrival);
  void look_at_kept(TestNode& target);
  void deliver_node(NodeId from, NodeId to, const Sent& sent, const NodeMessage& message);

  const ClusterOptions options_;
  Prng prng_;
  BootTime now_{1s};
  uint64_t seq_ = 0;
  std::map<std::pair<BootTime, uint64_t>, std::function<void()>> events_;
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
  std::map<std::pair<NodeId, NodeId>, BootTime> link_busy_;  // Keeps each link's order.
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::map<GroupId, Membership> groups_;
  std::map<GroupId, History> histories_;
  uint64_t last_snapshot_ = 0;
  std::vector<Envelope> sent_;
  uint64_t node_messages_sent_ = 0;
};

}  // namespace worldline::replication
