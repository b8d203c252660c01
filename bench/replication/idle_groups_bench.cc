// What idle groups cost a node: 10,000 groups of three replicas on three nodes, in one thread, with
// disks and links that take no time. One iteration is a second of virtual time in which nobody has
// anything to do; its processor time divided by three is a node's share [S 08/3.1, 3.2].
//
// Counters: us_per_node (processor time a node needs for an idle second), bytes_per_group (heap of
// one replica, from malloc's own books), batches and light_bytes (heartbeats of all nodes).
// Run on an idle machine: idle_groups_bench
#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "replication/node/raft_node.h"

namespace worldline::replication {
namespace {

constexpr uint64_t kNodes = 3;
constexpr Micros kSettle{30'000'000};

Chain mix_chain(Chain previous, const Entry& entry) {
  return Chain{(previous.value ^ entry.index.value) * 0x9E3779B97F4A7C15u + entry.term.value};
}

size_t heap_bytes() {
  return mallinfo2().uordblks;
}

ReplicaId replica_on(GroupId group, uint64_t node) {
  return ReplicaId{group.value * 10 + node};
}

// Says that everything was applied, once the node is not on the stack any more.
class IdleMachine final : public StateMachine {
 public:
  void role_changed(const RoleChange&) override {}
  void config_changed(const ConfigChange&) override {}
  void apply(std::vector<ApplyEntry> entries) override { to_apply = entries.back().entry.index; }
  void install(const SnapshotMeta&) override {}
  void read_ready(const ReadReady&) override {}
  void read_failed(ReadToken) override {}

  LogIndex to_apply;
};

class World;

class IdleNode final : public LogPort, public MessagePort, public SnapshotPort, public NodePort {
 public:
  IdleNode(World& world, uint64_t id) : world_(world), id_(id) {}

  void write(GroupId group, ReplicaId, PersistJob job) override;
  void fetch(GroupId, const FetchRequest&) override {}  // Nobody is behind.
  void compact(GroupId, LogIndex) override {}
  void create(GroupId group, ReplicaId, const LogBoundary&) override;
  void destroy(GroupId, ReplicaId) override {}
  void quarantine(GroupId, ReplicaId, const std::string&) override {}
  void send(Envelope message) override;
  void send_node(NodeId to, NodeMessage message) override;
  void offered(GroupId, const SnapshotMeta&) override {}
  void send(GroupId, ReplicaId) override {}
  void cancel(GroupId, ReplicaId) override {}
  void fatal(GroupId, const Fatal& fatal) override;
  void report(const NodeReport&) override {}
  void verify_gone(GroupId, ReplicaId, GoneReason) override {}
  void noted(GroupId, const Note&) override {}

  std::unique_ptr<RaftNode> raft;
  std::vector<IdleMachine> machines;  // By group, from 1.

 private:
  World& world_;
  const uint64_t id_;
};

class World {
 public:
  World(uint64_t groups, bool may_sleep) {
    for (uint64_t id = 1; id <= kNodes; ++id)
      nodes_.push_back(std::make_unique<IdleNode>(*this, id));
    for (uint64_t id = 1; id <= kNodes; ++id) start(id, groups, may_sleep);
    const size_t before = heap_bytes();
    for (uint64_t group = 1; group <= groups; ++group) add_group(GroupId{group});
    run_for(kSettle);
    bytes_per_replica =
        static_cast<double>(heap_bytes() - before) / static_cast<double>(groups * kNodes);
  }

  IdleNode& node(uint64_t id) { return *nodes_[id - 1]; }
  void post(std::function<void()> action) { actions_.push_back(std::move(action)); }
  BootTime now() const { return now_; }

  void run_for(Micros time) {
    const BootTime end = now_ + time;
    while (now_ < end) {
      BootTime next = end;
      for (const auto& node : nodes_) next = std::min(next, node->raft->next_deadline());
      now_ = std::max(now_ + Micros{1}, next);
      for (const auto& node : nodes_) {
        node->raft->set_wall_clock(Timestamp{now_.time_since_epoch().count()});
        node->raft->on_time(now_);
      }
      settle();
    }
  }

  size_t active_groups() const {
    size_t count = 0;
    for (const auto& node : nodes_) count += node->raft->active_groups();
    return count;
  }
  uint64_t batches() const {
    uint64_t count = 0;
    for (const auto& node : nodes_) count += node->raft->counters().batches_sent;
    return count;
  }

  double bytes_per_replica = 0;
  uint64_t light_bytes = 0;

 private:
  void start(uint64_t id, uint64_t groups, bool may_sleep) {
    IdleNode& node = *nodes_[id - 1];
    NodeConfig config;
    config.self.node = NodeId{id};
    config.self.incarnation = 1;
    config.seed = id;
    config.chain = mix_chain;
    config.quiesce_after_intervals = may_sleep ? 10 : 1'000'000;
    node.machines.resize(groups + 1);
    node.raft = std::make_unique<RaftNode>(config, NodePorts{&node, &node, &node, &node}, now_);
    for (uint64_t peer = 1; peer <= kNodes; ++peer)
      if (peer != id) WL_CHECK(node.raft->add_peer(NodeId{peer}, now_).ok());
  }

  void add_group(GroupId group) {
    LogBoundary boundary;
    boundary.id = {Term{1}, LogIndex{1}};
    boundary.config_index = LogIndex{1};
    for (uint64_t id = 1; id <= kNodes; ++id) {
      boundary.config.voters.push_back(replica_on(group, id));
      boundary.config.members.push_back({replica_on(group, id), NodeId{id}, {}});
    }
    for (uint64_t id = 1; id <= kNodes; ++id) {
      IdleNode& node = *nodes_[id - 1];
      const Status status =
          node.raft->create({group, replica_on(group, id), boundary, &node.machines[group.value]});
      WL_CHECK(status.ok());
    }
  }

  void settle() {
    while (!actions_.empty()) {
      const auto action = std::move(actions_.front());
      actions_.pop_front();
      action();
    }
  }

  std::vector<std::unique_ptr<IdleNode>> nodes_;
  std::deque<std::function<void()>> actions_;
  BootTime now_{std::chrono::seconds{1}};
};

void IdleNode::write(GroupId group, ReplicaId, PersistJob job) {
  world_.post([this, group, done = job.job] {
    GroupReplica& replica = *raft->find(group);
    replica.persisted(done);
    const LogIndex last = machines[group.value].to_apply;
    if (last > replica.core().applied_index()) replica.applied(last);
  });
}

void IdleNode::create(GroupId group, ReplicaId, const LogBoundary&) {
  world_.post([this, group] { raft->created(group); });
}

void IdleNode::send(Envelope message) {
  world_.post([this, message = std::move(message)] {
    if (std::holds_alternative<Append>(message.body))
      raft->on_appends_sent(message.to.node, message_bytes(message));
    IdleNode& target = world_.node(message.to.node.value);
    WL_CHECK(target.raft->recv({message, world_.now()}, world_.now()).ok());
    GroupReplica& replica = *target.raft->find(message.group);
    const LogIndex last = target.machines[message.group.value].to_apply;
    if (last > replica.core().applied_index()) replica.applied(last);
  });
}

void IdleNode::send_node(NodeId to, NodeMessage message) {
  world_.post([this, to, message = std::move(message)] {
    RaftNode& target = *world_.node(to.value).raft;
    if (const auto* batch = std::get_if<HeartbeatBatch>(&message); batch != nullptr) {
      world_.light_bytes += batch->light.size();
      WL_CHECK(target.recv_batch(NodeId{id_}, *batch, {world_.now(), world_.now()}).ok());
    } else if (const auto* reply = std::get_if<HeartbeatReply>(&message); reply != nullptr) {
      target.recv_reply(NodeId{id_}, *reply, {world_.now(), world_.now()});
    }
  });
}

void IdleNode::fatal(GroupId, const Fatal&) {
  WL_CHECK(false);  // Nothing goes wrong here.
}

void idle_second(benchmark::State& state, bool may_sleep) {
  World world(static_cast<uint64_t>(state.range(0)), may_sleep);
  if (world.active_groups() != 0) state.SkipWithError("some groups did not come to rest");
  const uint64_t batches = world.batches();
  world.light_bytes = 0;
  for (auto _ : state) world.run_for(Micros{1'000'000});
  const auto per_second = benchmark::Counter::kAvgIterations;
  state.counters["us_per_node"] =
      benchmark::Counter(static_cast<double>(kNodes * state.iterations()) / 1e6,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_group"] = world.bytes_per_replica;
  state.counters["batches"] =
      benchmark::Counter(static_cast<double>(world.batches() - batches), per_second);
  state.counters["light_bytes"] =
      benchmark::Counter(static_cast<double>(world.light_bytes), per_second);
}

// Vouched for by a bit in each heartbeat; and asleep, by not even that.
BENCHMARK_CAPTURE(idle_second, awake, false)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(idle_second, asleep, true)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace worldline::replication
