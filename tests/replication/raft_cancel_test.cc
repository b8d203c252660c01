// A joint change that is taken back before it commits [S 08/6.1.3 U-60].
#include <gtest/gtest.h>

#include "replication/raft_core.h"

namespace worldline::replication {
namespace {

Chain index_chain(Chain previous, const Entry& entry) {
  return Chain{previous.value * 31 + entry.index.value + entry.term.value};
}

Membership members_of(std::vector<uint64_t> voters, std::vector<uint64_t> learners) {
  Membership members;
  for (const uint64_t id : voters) members.voters.push_back(ReplicaId{id});
  for (const uint64_t id : learners) members.learners.push_back(ReplicaId{id});
  for (uint64_t id = 1; id <= voters.size() + learners.size(); ++id)
    members.members.push_back({ReplicaId{id}, NodeId{id}, {}});
  return members;
}

// Replica 1 leads, 2 is a learner; everything is delivered at once.
class RaftCancelTest : public ::testing::Test {
 protected:
  RaftCancelTest() {
    for (uint64_t id = 1; id <= 2; ++id) {
      RaftConfig config;
      config.group = GroupId{9};
      config.self = {NodeId{id}, 1, ReplicaId{id}};
      config.seed = id;
      config.chain = &index_chain;
      RestoredState restored;
      restored.hard.term = Term{1};
      restored.boundary = {{Term{1}, LogIndex{1}}, Chain{1}, members_of({1}, {2}), LogIndex{1}};
      restored.applied = LogIndex{1};
      cores_.push_back(std::make_unique<RaftCore>(config, std::move(restored)));
    }
    EXPECT_TRUE(leader().campaign(CampaignReason::kOperator).ok());
    settle();
  }

  RaftCore& leader() { return *cores_[0]; }
  const Membership& config() { return leader().log().config(); }
  LogIndex promote() {
    const MemberChange change{MemberChange::Kind::kAddVoter, {ReplicaId{2}, NodeId{2}, {}}};
    const auto index = leader().change_config({change}, leader().log().config_index());
    EXPECT_TRUE(index.ok()) << index.status().message();
    return index.ok() ? *index : LogIndex{};
  }
  void settle() {
    for (int round = 0; round < 100; ++round) {
      for (const auto& core : cores_) {
        Ready ready = core->take_ready();
        if (ready.persist) core->persisted(ready.persist->job);
        if (!ready.apply.empty()) core->applied(ready.apply.back().entry.index);
        EXPECT_TRUE(ready.fatal.empty());
        for (const auto& message : ready.send_now)
          cores_[message.to.replica.value - 1]->recv(message);
      }
    }
    for (const auto& core : cores_) EXPECT_TRUE(core->check_invariants().ok());
  }

  std::vector<std::unique_ptr<RaftCore>> cores_;
};

TEST_F(RaftCancelTest, AnUndisturbedChangeEndsInTheNewConfig) {
  promote();
  settle();
  EXPECT_EQ(config(), members_of({1, 2}, {}));
}

TEST_F(RaftCancelTest, ACancelledChangeLeadsBackToTheOldConfig) {
  const LogIndex joint = promote();
  ASSERT_TRUE(leader().cancel_config_change(joint).ok());
  settle();
  EXPECT_EQ(config(), members_of({1}, {2}));
  EXPECT_EQ(leader().commit(), leader().log().last());
  EXPECT_EQ(cores_[1]->log().config(), members_of({1}, {2}));
}

TEST_F(RaftCancelTest, OnlyAChangeUnderWayCanBeCancelled) {
  EXPECT_FALSE(leader().cancel_config_change(leader().log().config_index()).ok());
  const LogIndex joint = promote();
  EXPECT_FALSE(leader().cancel_config_change(joint.next()).ok());
  settle();
  EXPECT_FALSE(leader().cancel_config_change(joint).ok()) << "it is committed";
  EXPECT_FALSE(cores_[1]->cancel_config_change(joint).ok()) << "not the leader";
}

}  // namespace
}  // namespace worldline::replication
