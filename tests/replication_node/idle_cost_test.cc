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

bool is_at_rest(NodeCluster& cluster) {
  for (const NodeId id : cluster.node_ids())
    if (cluster.node(id).raft().active_groups() != 0) return false;
  return true;
}

size_t groups_at(NodeCluster& cluster, RestKind rest) {
  size_t count = 0;
  for (const NodeId id : cluster.node_ids())
    for (uint64_t group = 1; group <= kGroups; ++group)
      count += cluster.node(id).raft().rest_of(GroupId{group}) == rest;
  return count;
}

// Ten seconds in which nobody has anything to do.
void expect_no_cost(NodeCluster& cluster, size_t light_bytes_max) {
  size_t bytes_max = 0;
  cluster.loses_node = [&](NodeId, NodeId, const NodeMessage& message) {
    if (const auto* batch = std::get_if<HeartbeatBatch>(&message); batch != nullptr)
      bytes_max = std::max(bytes_max, batch->light.size());
    return false;
  };
  const Cost before = cost_of(cluster);
  cluster.run_for(10s);
  const Cost after = cost_of(cluster);
  cluster.loses_node = nullptr;
  EXPECT_EQ(after.ticks, before.ticks);
  EXPECT_EQ(after.messages, before.messages);
  EXPECT_EQ(after.items, before.items);
  EXPECT_EQ(after.for_groups, before.for_groups);
  // Three nodes, two peers each, 13 intervals a second.
  EXPECT_NEAR(static_cast<double>(after.batches - before.batches), 800.0, 12.0);
  EXPECT_LE(bytes_max, light_bytes_max);
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
  cluster.run_for(500ms);
  ASSERT_TRUE(cluster.run_until([&] { return is_at_rest(cluster); }, 20s));
  EXPECT_EQ(groups_at(cluster, RestKind::kVouched), 3 * kGroups);
  cluster.run_for(300ms);
  expect_no_cost(cluster, kGroups / 3 / 8 + 2);  // A third is led by each node.
  cluster.check();
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

// Asleep not even that; and when a node dies, its groups elect at the paced rate [S 08/6.3 P-20].
TEST(IdleCost, NothingWithQuiescenceAndEveryGroupIsLedAgainAfterADeath) {
  NodeCluster cluster(options_of(10));
  add_groups(cluster);
  cluster.run_for(3s);
  ASSERT_TRUE(cluster.run_until([&] { return is_at_rest(cluster); }, 20s));
  EXPECT_EQ(groups_at(cluster, RestKind::kQuiesced), 3 * kGroups);
  expect_no_cost(cluster, 0);
  cluster.check();
  const NodeId dead = cluster.leader_of(kCatalogGroupId);
  cluster.crash(dead);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.has_leader(kCatalogGroupId); }, 1s));
  cluster.run_for(9s);
  size_t led = 0;
  for (uint64_t group = 1; group <= kGroups; ++group) led += cluster.has_leader(GroupId{group});
  EXPECT_EQ(led, kGroups);
}

}  // namespace
}  // namespace worldline::replication
