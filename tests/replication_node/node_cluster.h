// tests/replication_node/node_cluster.h
//
// A cluster of RaftNodes in one thread under virtual time: links with latency and faults, disks
// that make jobs stable after a while, state machines that apply what they get.
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

struct ClusterOptions {
  size_t node_count = 3;
  uint64_t seed = 1;
  Micros latency{500};
  Micros latency_spread{0};
  Micros disk_latency{1'000};
  std::function<void(NodeConfig&)> adjust;  // Of every node's configuration.
};

Chain test_chain(Chain previous, const Entry& entry);

// One group's state on one node: what it was told, in order.
class TestMachine final : public StateMachine {
 public:
  void role_changed(const RoleChange& change) override { roles.push_back(change); }
  void config_changed(const ConfigChange& change) override { configs.push_back(change); }
  void apply(std::vector<ApplyEntry> entries) override;
  void install(const SnapshotMeta& meta) override { installs.push_back(meta); }
  void read_ready(const ReadReady& read) override { reads.push_back(read); }
  void read_failed(ReadToken token) override { failed_reads.push_back(token); }

  std::vector<RoleChange> roles;
  std::vector<ConfigChange> configs;
  std::vector<std::string> texts;  // Payloads of bundles.
  std::vector<SnapshotMeta> installs;
  std::vector<ReadReady> reads;
  std::vector<ReadToken> failed_reads;
  LogIndex to_apply;
  bool hangs = false;  // Does not say that it applied.
  GroupId group;
  std::set<GroupId>* owing = nullptr;  // Of its node: who has to say that it applied.
};

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
  void compact(GroupId, LogIndex) override {}
  void create(GroupId group, ReplicaId replica, const LogBoundary& boundary) override;
  void destroy(GroupId group, ReplicaId lowest_allowed) override;
  void quarantine(GroupId group, ReplicaId replica, const std::string& why) override;
  // MessagePort
  void send(Envelope message) override;
  void send_node(NodeId to, NodeMessage message) override;
  // SnapshotPort
  void offered(GroupId, const SnapshotMeta& meta) override { offers.push_back(meta); }
  void send(GroupId, ReplicaId to) override { snapshots_to.push_back(to); }
  void cancel(GroupId, ReplicaId) override {}
  // NodePort
  void fatal(GroupId, const Fatal& fatal) override { fatals.push_back(fatal); }
  void report(const NodeReport& report) override { reports.push_back(report); }
  void verify_gone(GroupId group, ReplicaId, GoneReason) override { verify.push_back(group); }
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

  NodeCluster& cluster_;
  const NodeId id_;
  std::unique_ptr<RaftNode> raft_;
  TestMachine& fresh_machine(GroupId group);

  std::map<GroupId, TestMachine> machines_;
  std::set<GroupId> owing_;
  std::vector<Slow> hanging_;
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
  void heal() { cuts_.clear(); }
  // Messages for which this returns true are lost.
  std::function<bool(const Envelope&)> loses;
  std::function<bool(NodeId from, NodeId to, const NodeMessage&)> loses_node;

  // --- Looking ----------------------------------------------------------------------------------
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
  struct Event {
    BootTime at;
    uint64_t seq;
    std::function<void()> action;
  };
  void start(NodeId node);
  void settle(TestNode& node);
  void run_node_time(TestNode& node);
  Micros latency();
  bool is_cut(NodeId from, NodeId to) const { return cuts_.contains({from, to}); }
  void transmit(NodeId from, Envelope message);
  void transmit_node(NodeId from, NodeId to, NodeMessage message);

  const ClusterOptions options_;
  Prng prng_;
  BootTime now_{1s};
  uint64_t seq_ = 0;
  std::map<std::pair<BootTime, uint64_t>, std::function<void()>> events_;
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
  std::map<std::pair<NodeId, NodeId>, BootTime> link_busy_;  // Keeps each link's order.
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::map<GroupId, Membership> groups_;
  std::vector<Envelope> sent_;
  uint64_t node_messages_sent_ = 0;
};

}  // namespace worldline::replication
