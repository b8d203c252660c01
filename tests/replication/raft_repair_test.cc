// tests/replication/raft_repair_test.cc: whatever logs replicas start with, all of them end with
// the leader's (U-58) [S 08/1.7, S 08/1.8], also if the network loses and repeats messages.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/replication/raft_cluster.h"
#include "tests/replication/raft_fixture.h"

namespace worldline::replication::testing {
namespace {

using Terms = std::vector<uint64_t>;

struct RepairCase {
  const char* name;
  Terms leader;
  Terms follower;      // Of 2; 3 has the leader's log.
  uint64_t compacted;  // The leader's log begins behind this many entries.
  uint64_t proposals;
};
const RepairCase kRepairCases[] = {
    {"EmptyLogs", {}, {}, 0, 0},
    {"EmptyLogsAndProposals", {}, {}, 0, 5},
    {"FollowerEmpty", {1, 1, 2, 3}, {}, 0, 2},
    {"FollowerShorter", {1, 1, 2, 3}, {1, 1}, 0, 2},
    {"FollowerLonger", {1, 2}, {1, 2, 2, 2}, 0, 0},
    {"FollowerLongerOlderTerm", {1, 4}, {1, 2, 2, 2, 2}, 0, 2},
    {"ConflictAtTheEnd", {1, 1, 3}, {1, 1, 2}, 0, 2},
    {"ConflictFromTheStart", {3, 3, 3}, {2, 2, 2, 2}, 0, 2},
    {"ConflictsOfManyTerms", {1, 3, 5, 7, 9}, {1, 2, 4, 6, 8, 8, 8}, 0, 1},
    {"LeaderEmptyFollowerNot", {}, {1, 1, 1}, 0, 3},
    {"CompactedFollowerEmpty", {1, 1, 2, 3}, {}, 3, 2},
    {"CompactedFollowerConflicts", {1, 1, 3, 3}, {1, 2, 2, 2, 2}, 3, 2},
    {"CompactedWholeLog", {1, 1, 3, 3}, {1}, 4, 2},
};

class RaftRepairTest : public ::testing::TestWithParam<RepairCase> {
 protected:
  static LogBoundary genesis() {
    return boundary_at({Term{1}, LogIndex{1}}, membership_of(ids({1, 2, 3})));
  }

  static ReplicaSpec spec_of(uint64_t replica, const Terms& terms) {
    ReplicaSpec spec;
    spec.config = config_of(replica);
    spec.config.limits.message_bytes_max = 8;  // Two entries a message.
    spec.config.limits.inflight_messages_max = 3;
    spec.config.limits.retained_entries = 0;
    spec.config.limits.retained_bytes = 0;
    spec.config.limits.follower_retained_bytes_max = 0;
    spec.state = restored_of(genesis(), terms, Term{20});
    return spec;
  }

  static void start(RaftCluster& cluster, const RepairCase& c) {
    cluster.set_tracing(false);
    for (const uint64_t replica : {1u, 3u}) {
      ReplicaSpec spec = spec_of(replica, c.leader);
      spec.state.hard.commit_hint = LogIndex{1 + c.compacted};
      cluster.add(spec);
    }
    cluster.add(spec_of(2, c.follower));
    if (c.compacted > 0) cluster.checkpoint(ReplicaId{1});
    // Whoever has the better log would win an ordinary election: 1 is ordered to lead.
    for (const uint64_t voter : {2u, 3u}) cluster.feed(ReplicaId{voter}, [](RaftCore&) {});
    cluster.inject(message_of(3, 1, 20, Heartbeat{LogIndex{1}, 0, false}));
    cluster.inject(message_of(3, 1, 20, TimeoutNow{}));
  }

  static void expect_equal(RaftCluster& cluster, uint64_t proposals) {
    const TestReplica& leader = *cluster.find(ReplicaId{1});
    ASSERT_EQ(leader.core->role(), RoleKind::kLeader);
    for (const uint64_t id : {2u, 3u}) {
      const TestReplica& follower = *cluster.find(ReplicaId{id});
      EXPECT_EQ(follower.core->log().last_id(), leader.core->log().last_id());
      EXPECT_EQ(follower.core->log().last_chain(), leader.core->log().last_chain());
      EXPECT_EQ(follower.core->commit(), leader.core->commit());
      EXPECT_EQ(follower.core->applied_index(), leader.core->applied_index());
    }
    EXPECT_EQ(leader.core->commit(), leader.core->log().last());
    EXPECT_GE(leader.state.texts.size(), proposals);
    for (const std::string& problem : cluster.problems()) ADD_FAILURE() << problem;
  }

  static void propose(RaftCluster& cluster, uint64_t number) {
    cluster.feed(ReplicaId{1}, [number](RaftCore& core) {
      const SharedBytes payload = payload_of("p" + std::to_string(number));
      EXPECT_TRUE(core.propose(core.term(), {{EntryKind::kBundle, payload}}).ok());
    });
  }
};

TEST_P(RaftRepairTest, AllLogsBecomeTheLeaders) {
  RaftCluster cluster;
  start(cluster, GetParam());
  cluster.stabilise({});
  for (uint64_t i = 0; i < GetParam().proposals; ++i) propose(cluster, i);
  cluster.stabilise({});
  expect_equal(cluster, GetParam().proposals);
}

// A third of the messages is lost, a third is repeated, the order is turned round now and then;
// heartbeats mend what is broken.
TEST_P(RaftRepairTest, AlsoOverABadNetwork) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    RaftCluster cluster;
    start(cluster, GetParam());
    MessageFilter votes;
    votes.types = {"VoteReq", "VoteResp"};
    while (cluster.deliver(votes) != 0) {
    }
    for (uint64_t step = 0; step < 60; ++step) {
      if (step < GetParam().proposals) propose(cluster, step);
      MessageFilter any;
      any.skip = prng.below(3);
      any.count = 1 + prng.below(2);
      const uint64_t fate = prng.below(6);
      if (fate < 2) cluster.drop(any);
      if (fate == 2) cluster.duplicate(any);
      if (fate == 3) cluster.reverse({});
      if (fate > 3) cluster.deliver(any);
      if (step % 10 == 0)
        for (int i = 0; i < 3; ++i) cluster.feed(ReplicaId{1}, [](RaftCore& core) { core.tick(); });
    }
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 3; ++i) cluster.feed(ReplicaId{1}, [](RaftCore& core) { core.tick(); });
      cluster.stabilise({});
    }
    expect_equal(cluster, GetParam().proposals);
  }
}

INSTANTIATE_TEST_SUITE_P(S08, RaftRepairTest, ::testing::ValuesIn(kRepairCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication::testing
