// What a step of the Raft core costs: proposals of a group of one and of a group of three, whose
// disks complete at once and whose messages arrive at once. Items are entries that were committed
// on every replica; no I/O is in the figure [S 08/1, architecture 8: Raft + RocksDB 0.5 us].
//
// Run on an idle machine: raft_core_bench --benchmark_min_time=1
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "replication/raft_core.h"

namespace worldline::replication {
namespace {

// A cheap stand-in: hashing payloads is measured where it is implemented.
Chain mix_chain(Chain previous, const Entry& entry) {
  return Chain{(previous.value ^ entry.index.value) * 0x9E3779B97F4A7C15u + entry.term.value};
}

class Cluster {
 public:
  explicit Cluster(uint64_t replicas) {
    Membership members;
    for (uint64_t id = 1; id <= replicas; ++id) {
      members.voters.push_back(ReplicaId{id});
      members.members.push_back({ReplicaId{id}, NodeId{id}, {}});
    }
    for (uint64_t id = 1; id <= replicas; ++id) {
      RaftConfig config;
      config.group = GroupId{2};
      config.self = {NodeId{id}, 1, ReplicaId{id}};
      config.seed = id;
      config.chain = &mix_chain;
      RestoredState restored;
      restored.hard.term = Term{1};
      restored.boundary = {{Term{1}, LogIndex{1}}, Chain{7}, members, LogIndex{1}};
      restored.applied = LogIndex{1};
      cores_.push_back(std::make_unique<RaftCore>(config, std::move(restored)));
    }
    WL_CHECK(leader().campaign(CampaignReason::kOperator).ok());
    settle();
    WL_CHECK(leader().barrier_committed());
  }

  RaftCore& leader() { return *cores_.front(); }

  // Until nothing moves. The log is cut as a checkpoint would, so that it does not grow for ever.
  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& core : cores_) moved |= drain(*core);
    }
  }

 private:
  bool drain(RaftCore& core) {
    const Ready ready = core.take_ready();
    if (ready.empty()) return false;
    if (ready.persist) core.persisted(ready.persist->job);
    if (!ready.apply.empty()) {
      const LogIndex applied = ready.apply.back().entry.index;
      core.applied(applied);
      if (applied.value % 16384 == 0)
        core.checkpointed(ready.apply.back().entry.id(), ready.apply.back().entry.chain);
    }
    for (const Envelope& message : ready.send_now)
      cores_[message.to.replica.value - 1]->recv(message);
    return true;
  }

  std::vector<std::unique_ptr<RaftCore>> cores_;
};

// range(0) replicas, range(1) entries per proposal.
void commit_entries(benchmark::State& state) {
  Cluster cluster(static_cast<uint64_t>(state.range(0)));
  const auto payload = std::make_shared<const ByteBuffer>(100, Byte{7});
  const std::vector<Proposal> proposals(static_cast<size_t>(state.range(1)),
                                        Proposal{EntryKind::kBundle, payload});
  for (auto _ : state) {
    const ProposeResult result = cluster.leader().propose(cluster.leader().term(), proposals);
    WL_CHECK(result.ok());
    cluster.settle();
    WL_CHECK(cluster.leader().commit() == result.last);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(1));
}
BENCHMARK(commit_entries)->Args({1, 1})->Args({1, 64})->Args({3, 1})->Args({3, 64})->Args({5, 64});

// A tick of an idle leader of three, heartbeats and their answers included.
void idle_tick(benchmark::State& state) {
  Cluster cluster(3);
  for (auto _ : state) {
    cluster.leader().tick();
    cluster.settle();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(idle_tick);

}  // namespace
}  // namespace worldline::replication
