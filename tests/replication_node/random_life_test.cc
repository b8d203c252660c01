// Loss, cuts, crashes and pauses at random over several groups; then quiet, and everybody agrees
// and comes to rest [S 08/2 I-26, I-27].
#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

constexpr uint64_t kGroups = 5;
const NodeId kNobody{};

class RandomLife {
 public:
  explicit RandomLife(uint64_t seed) : prng_(seed * 7919), cluster_(options_of(seed)) {
    for (uint64_t group = 1; group <= kGroups; ++group) cluster_.add_group(GroupId{group});
    cluster_.run_for(20ms);  // Their rows are on every disk.
    cluster_.loses = [this](const Envelope&) { return is_lost(); };
    cluster_.loses_node = [this](NodeId, NodeId, const NodeMessage&) { return is_lost(); };
  }

  void step() {
    switch (prng_.below(9)) {
      case 0:
        loss_one_in_ = prng_.chance(2) ? 0 : 3 + prng_.below(20);
        break;
      case 1:
        cluster_.isolate(some_node());
        break;
      case 2:
        cluster_.cut(some_node(), some_node());
        break;
      case 3:
      case 4:
        cluster_.heal();
        break;
      case 5:
        crash_or_restart();
        break;
      case 6:
        stop_or_continue();
        break;
      default:
        for (uint64_t group = 1; group <= kGroups; ++group)
          if (prng_.chance(2)) cluster_.propose(GroupId{group}, "x");
    }
    const uint64_t longest = prng_.chance(6) ? 3'000'000 : 200'000;
    cluster_.run_for(Micros{static_cast<Micros::rep>(prng_.below(longest))});
    cluster_.check();
  }

  void heal_everything() {
    loss_one_in_ = 0;
    cluster_.heal();
    if (down_ != kNobody) cluster_.restart(down_);
    if (stopped_ != kNobody) cluster_.node(stopped_).is_stopped = false;
    for (const NodeId a : cluster_.node_ids()) {
      for (const NodeId b : cluster_.node_ids()) {
        if (a == b) continue;
        cluster_.node(a).raft().on_connected(b, cluster_.node(b).incarnation, cluster_.now());
      }
    }
    cluster_.run_for(1s);
  }

  void expect_agreement() {
    for (uint64_t group = 1; group <= kGroups; ++group) {
      ASSERT_TRUE(cluster_.run_until([&] { return cluster_.propose(GroupId{group}, "last"); }, 10s))
          << "group " << group << " has no leader";
    }
    cluster_.run_for(2s);
    for (uint64_t group = 1; group <= kGroups; ++group) {
      const RaftCore& first = cluster_.replica(GroupId{group}, NodeId{1}).core();
      for (const NodeId id : cluster_.node_ids()) {
        const RaftCore& core = cluster_.replica(GroupId{group}, id).core();
        EXPECT_EQ(core.applied_index(), first.applied_index())
            << "group " << group << " node " << id.value;
        EXPECT_EQ(core.log().last_chain(), first.log().last_chain());
        EXPECT_TRUE(cluster_.node(id).fatals.empty());
        EXPECT_TRUE(cluster_.node(id).reports.empty());
      }
    }
    cluster_.check();
  }

  bool comes_to_rest() {
    return cluster_.run_until(
        [this] {
          for (const NodeId id : cluster_.node_ids())
            if (cluster_.node(id).raft().active_groups() != 0) return false;
          return true;
        },
        10s);
  }

 private:
  static ClusterOptions options_of(uint64_t seed) {
    ClusterOptions options;
    options.seed = seed;
    options.latency_spread = 4ms;
    return options;
  }
  bool is_lost() { return loss_one_in_ != 0 && prng_.chance(loss_one_in_); }
  NodeId some_node() { return NodeId{1 + prng_.below(3)}; }

  void crash_or_restart() {
    if (down_ != kNobody) {
      cluster_.restart(std::exchange(down_, kNobody));
    } else if (stopped_ == kNobody) {
      down_ = some_node();
      cluster_.crash(down_, prng_.chance(2) ? StreamLoss::kRefused : StreamLoss::kBroken);
    }
  }
  void stop_or_continue() {
    if (stopped_ != kNobody) {
      cluster_.node(std::exchange(stopped_, kNobody)).is_stopped = false;
    } else if (down_ == kNobody) {
      stopped_ = some_node();
      cluster_.node(stopped_).is_stopped = true;
    }
  }

  Prng prng_;
  uint64_t loss_one_in_ = 0;
  NodeId down_;
  NodeId stopped_;
  NodeCluster cluster_;
};

TEST(RandomLife, EndsInAgreementAndRest) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomLife life(seed);
    for (int step = 0; step < 150; ++step) {
      life.step();
      if (testing::Test::HasFailure()) return;
    }
    life.heal_everything();
    life.expect_agreement();
    EXPECT_TRUE(life.comes_to_rest());
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace worldline::replication
