// A node's replication as a whole: groups elect, replicate, rest and come back [S 08/3.1, 3.2].
#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

const GroupId kSomeGroup{7};

TEST(NodeBasics, ElectsReplicatesAndFallsAsleepEverywhere) {
  NodeCluster cluster({});
  cluster.add_group(kSomeGroup);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.has_leader(kSomeGroup); }));
  ASSERT_TRUE(cluster.propose(kSomeGroup, "first"));
  cluster.run_for(300ms);
  for (const NodeId id : cluster.node_ids())
    EXPECT_EQ(cluster.node(id).machine(kSomeGroup).texts, std::vector<std::string>{"first"});
  cluster.check();
  ASSERT_TRUE(cluster.run_until([&] {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).raft().rest_of(kSomeGroup) != RestKind::kQuiesced) return false;
    return true;
  }));
  cluster.check();
  for (const NodeId id : cluster.node_ids()) EXPECT_EQ(cluster.node(id).raft().active_groups(), 0u);
  const Term term = cluster.replica(kSomeGroup, NodeId{1}).core().term();
  cluster.run_for(30s);
  EXPECT_EQ(cluster.replica(kSomeGroup, NodeId{1}).core().term(), term);
  ASSERT_TRUE(cluster.propose(kSomeGroup, "second"));
  cluster.run_for(100ms);
  for (const NodeId id : cluster.node_ids())
    EXPECT_EQ(cluster.node(id).machine(kSomeGroup).texts.size(), 2u);
  cluster.check();
}

TEST(NodeBasics, ElectsAgainWhenTheLeadersNodeVanishes) {
  NodeCluster cluster({});
  cluster.add_group(kSomeGroup);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.has_leader(kSomeGroup); }));
  cluster.run_for(100ms);
  const NodeId old = cluster.leader_of(kSomeGroup);
  cluster.crash(old);
  ASSERT_TRUE(cluster.run_until(
      [&] { return cluster.has_leader(kSomeGroup) && cluster.leader_of(kSomeGroup) != old; }, 2s));
  ASSERT_TRUE(cluster.propose(kSomeGroup, "after"));
  cluster.run_for(200ms);
  cluster.restart(old);
  cluster.run_for(1s);
  EXPECT_EQ(cluster.node(old).machine(kSomeGroup).texts, std::vector<std::string>{"after"});
  cluster.check();
}

}  // namespace
}  // namespace worldline::replication
