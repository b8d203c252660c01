// What idle groups cost, counted in operations [S 08/3.2]: a node with 10 000 groups touches none
// of them because of time, and its batches grow by a bit per group; asleep by not even that.
#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

constexpr uint64_t kGroups = 10'000;

struct Cost {
  uint64_t ticks = 0;
  uint64_t messages = 0;
  uint64_t items = 0;
  uint64_t for_groups = 0;
  uint64_t batches = 0;
};

Cost cost_of(NodeCluster& cluster) {
  Cost cost;
  for (const NodeId id : cluster.node_ids()) {
    const NodeCounters& counters = cluster.node(id).raft().counters();
    cost.ticks += counters.group_ticks;
    cost.messages += counters.group_messages;
    cost.items += counters.items_sent;
    cost.for_groups += counters.items_for_groups;
    cost.batches += counters.batches_sent;
  }
  return cost;
}

// After everything came to rest: ten seconds of nothing.
void expect_no_cost(NodeCluster& cluster, size_t light_bytes_max) {
  const auto is_at_rest = [&cluster] {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).raft().active_groups() != 0) return false;
    return true;
  };
  ASSERT_TRUE(cluster.run_until(is_at_rest, 20s));
  cluster.run_for(500ms);
  size_t bytes_max = 0;
  cluster.loses_node = [&](NodeId, NodeId, const NodeMessage& message) {
    if (const auto* batch = std::get_if<HeartbeatBatch>(&message); batch != nullptr)
      bytes_max = std::max(bytes_max, batch->light.size());
    return false;
  };
  const Cost before = cost_of(cluster);
  cluster.run_for(10s);
  const Cost after = cost_of(cluster);
  EXPECT_EQ(after.ticks, before.ticks);
  EXPECT_EQ(after.messages, before.messages);
  EXPECT_EQ(after.items, before.items);
  EXPECT_EQ(after.for_groups, before.for_groups);
  // Three nodes, two peers each, 13 intervals a second.
  EXPECT_NEAR(static_cast<double>(after.batches - before.batches), 800.0, 12.0);
  EXPECT_LE(bytes_max, light_bytes_max);
  cluster.check();
}

ClusterOptions options_of(uint32_t quiesce_after_intervals) {
  ClusterOptions options;
  options.adjust = [quiesce_after_intervals](NodeConfig& config) {
    config.quiesce_after_intervals = quiesce_after_intervals;
  };
  return options;
}

void add_groups(NodeCluster& cluster) {
  for (uint64_t group = 1; group <= kGroups; ++group) cluster.add_group(GroupId{group});
}

TEST(IdleCost, ABitPerGroupAndBatchWithoutQuiescence) {
  NodeCluster cluster(options_of(1'000'000));
  add_groups(cluster);
  // A third is led by each node.
  expect_no_cost(cluster, kGroups / 3 / 8 + 2);
  // One busy group among them costs what one group costs.
  const Cost before = cost_of(cluster);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster.propose(GroupId{5000}, "x"));
    cluster.run_for(100ms);
  }
  const Cost after = cost_of(cluster);
  EXPECT_LE(after.ticks - before.ticks, 3u * 45u);
  EXPECT_LE(after.items - before.items, 2u * 15u);
}

TEST(IdleCost, NothingWithQuiescence) {
  NodeCluster cluster(options_of(10));
  add_groups(cluster);
  expect_no_cost(cluster, 0);
  for (const NodeId id : cluster.node_ids())
    EXPECT_GE(cluster.node(id).raft().counters().fell_asleep, kGroups);
}

// A node dies: the survivors' groups elect at the paced rate, and every group is led again.
TEST(IdleCost, ADeadNodesGroupsAreLedAgainWithinTenSeconds) {
  NodeCluster cluster(options_of(10));
  add_groups(cluster);
  const auto is_at_rest = [&cluster] {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).raft().active_groups() != 0) return false;
    return true;
  };
  ASSERT_TRUE(cluster.run_until(is_at_rest, 20s));
  const NodeId dead = cluster.leader_of(kCatalogGroupId);
  cluster.crash(dead);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.has_leader(kCatalogGroupId); }, 1s));
  const auto led = [&cluster] {
    size_t count = 0;
    for (uint64_t group = 1; group <= kGroups; ++group) count += cluster.has_leader(GroupId{group});
    return count;
  };
  cluster.run_for(9s);
  EXPECT_EQ(led(), kGroups);
}

}  // namespace
}  // namespace worldline::replication
