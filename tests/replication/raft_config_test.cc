// tests/replication/raft_config_test.cc: which changes of members a leader accepts, and what
// becomes of progress and quorums under them [S 08/1.14].
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/replication/raft_single.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

LogBoundary learners_boundary(const ReplicaSet& learners = ids({4, 5})) {
  return first_boundary(ids({1, 2, 3}), learners);
}

// A leader of {1, 2, 3} with learners whose barrier (index 2) is committed; learner 4 has
// everything, nobody heard of learner 5.
std::unique_ptr<SingleReplica> settled_leader() {
  auto leader =
      std::make_unique<SingleReplica>(kSelf, restored_of(learners_boundary(), {}, Term{1}));
  leader->lead({2});
  for (const uint64_t peer : {2u, 3u, 4u}) leader->acknowledge(peer, 2);
  EXPECT_EQ(leader->core().commit(), LogIndex{2});
  return leader;
}

Result<LogIndex> change(SingleReplica& leader, const std::vector<MemberChange>& changes,
                        uint64_t expected) {
  Result<LogIndex> result = Status::internal("not run");
  leader.feed([&](RaftCore& core) { result = core.change_config(changes, LogIndex{expected}); });
  return result;
}

// --- C1 to C3, C9: what is accepted
// -----------------------------------------------------------------

struct ChangeCase {
  const char* name;
  std::vector<MemberChange> changes;
  const char* error;   // Part of the message; null: accepted.
  const char* config;  // In force afterwards.
};
const ChangeCase kChangeCases[] = {
    {"AddLearner", {add_learner(6)}, nullptr, "(1,2,3)learners(4,5,6)"},
    {"RemoveLearner", {remove_member(5)}, nullptr, "(1,2,3)learners(4)"},
    {"PromoteLearner", {add_voter(4)}, nullptr, "(1,2,3,4)&(1,2,3)learners(5)"},
    {"RemoveVoter", {remove_member(3)}, nullptr, "(1,2)&(1,2,3)learners(4,5)"},
    {"RemoveItself", {remove_member(1)}, nullptr, "(2,3)&(1,2,3)learners(4,5)"},
    {"DemoteVoter", {add_learner(3)}, nullptr, "(1,2)&(1,2,3)learners(4,5)next(3)"},
    {"Replace", {add_voter(4), remove_member(2), remove_member(5)}, nullptr, "(1,3,4)&(1,2,3)"},
    {"LastOneWins", {remove_member(4), add_voter(4)}, nullptr, "(1,2,3,4)&(1,2,3)learners(5)"},
    {"NothingChanges", {add_voter(2), remove_member(9)}, nullptr, "(1,2,3)learners(4,5)"},
    {"PromoteWhoLags", {add_voter(5)}, "not_caught_up", "(1,2,3)learners(4,5)"},
    {"AddVoterDirectly", {add_voter(6)}, "not_caught_up", "(1,2,3)learners(4,5)"},
    {"RemoveAllVoters",
     {remove_member(1), remove_member(2), remove_member(3)},
     "voter",
     "(1,2,3)learners(4,5)"},
    {"DemoteAllVoters",
     {add_learner(1), add_learner(2), add_learner(3)},
     "voter",
     "(1,2,3)learners(4,5)"},
    {"IdZero", {add_learner(0)}, "0", "(1,2,3)learners(4,5)"},
};
class RaftChangeTest : public ::testing::TestWithParam<ChangeCase> {};

TEST_P(RaftChangeTest, IsAppendedOrRefusedWithAnError) {
  const ChangeCase& c = GetParam();
  const auto leader = settled_leader();
  const LogIndex last = leader->core().log().last();
  const auto result = change(*leader, c.changes, 1);
  EXPECT_EQ(result.ok(), c.error == nullptr) << result.status().message();
  if (c.error != nullptr) {
    EXPECT_NE(result.status().message().find(c.error), std::string::npos)
        << result.status().message();
  }
  EXPECT_EQ(print(leader->core().log().config()), c.config);
  // Row 37 (cockroach #106104): a refused change appends nothing at all.
  const bool changes = std::string(c.config) != "(1,2,3)learners(4,5)";
  EXPECT_EQ(leader->core().log().last().value, last.value + (changes ? 1 : 0));
  if (result.ok()) {
    EXPECT_EQ(*result, leader->core().log().config_index());
  }
}

INSTANTIATE_TEST_SUITE_P(S08, RaftChangeTest, ::testing::ValuesIn(kChangeCases),
                         [](const auto& test) { return test.param.name; });

// --- C2: when
// ---------------------------------------------------------------------------------------

struct MomentCase {
  const char* name;
  std::function<std::unique_ptr<SingleReplica>()> leader;
  uint64_t expected;
  const char* error;
};
std::unique_ptr<SingleReplica> fresh_leader() {
  auto leader =
      std::make_unique<SingleReplica>(kSelf, restored_of(learners_boundary(), {}, Term{1}));
  leader->lead({2});
  return leader;
}
std::unique_ptr<SingleReplica> with_uncommitted_change() {
  auto leader = settled_leader();
  EXPECT_TRUE(change(*leader, {add_learner(6)}, 1).ok());
  return leader;
}
std::unique_ptr<SingleReplica> joint() {
  auto leader = settled_leader();
  EXPECT_TRUE(change(*leader, {add_voter(4)}, 1).ok());
  return leader;
}
std::unique_ptr<SingleReplica> transferring() {
  auto leader = settled_leader();
  leader->feed([](RaftCore& core) { EXPECT_TRUE(core.transfer(ReplicaId{2}).ok()); });
  return leader;
}
std::unique_ptr<SingleReplica> follower() {
  return std::make_unique<SingleReplica>(kSelf, restored_of(learners_boundary(), {}, Term{1}));
}
const MomentCase kMomentCases[] = {
    {"BarrierNotCommitted", fresh_leader, 1, "first entry is not committed"},
    {"ChangeNotCommitted", with_uncommitted_change, 3, "change in progress"},
    {"Joint", joint, 3, "change in progress"},
    {"Transferring", transferring, 1, "being transferred"},
    {"Follower", follower, 1, "not the leader"},
    {"OtherConfigExpected", settled_leader, 2, "the config in force is of entry 1"},
};
class RaftMomentTest : public ::testing::TestWithParam<MomentCase> {};

TEST_P(RaftMomentTest, IsRefusedWithADefiniteError) {
  const auto leader = GetParam().leader();
  const LogIndex last = leader->core().log().last();
  const auto result = change(*leader, {add_learner(7)}, GetParam().expected);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(result.status().message().find(GetParam().error), std::string::npos)
      << result.status().message();
  EXPECT_EQ(leader->core().log().last(), last);
}

INSTANTIATE_TEST_SUITE_P(S08, RaftMomentTest, ::testing::ValuesIn(kMomentCases),
                         [](const auto& test) { return test.param.name; });

// --- C3: how far behind
// -----------------------------------------------------------------------------

TEST(RaftConfigChange, ALearnerMayBe1024EntriesBehind) {
  for (const uint64_t behind : {1024u, 1025u}) {
    SCOPED_TRACE(behind);
    const auto leader = settled_leader();
    leader->feed([behind](RaftCore& core) {
      const std::vector<Proposal> many(behind, {EntryKind::kBundle, payload_of("x")});
      EXPECT_TRUE(core.propose(core.term(), many).ok());
    });
    EXPECT_EQ(change(*leader, {add_voter(4)}, 1).ok(), behind == 1024);
  }
}

TEST(RaftConfigChange, AtMostSevenVotersAndSixteenLearners) {
  ReplicaSet learners;
  for (uint64_t id = 4; id <= 19; ++id) learners.push_back(ReplicaId{id});
  SingleReplica leader(kSelf, restored_of(learners_boundary(learners), {}, Term{1}));
  leader.lead({2});
  for (uint64_t peer = 2; peer <= 19; ++peer) leader.acknowledge(peer, 2);
  EXPECT_FALSE(change(leader, {add_learner(20)}, 1).ok());
  std::vector<MemberChange> promotions;
  for (uint64_t id = 4; id <= 8; ++id) promotions.push_back(add_voter(id));
  EXPECT_FALSE(change(leader, promotions, 1).ok()) << "eight voters";
  promotions.pop_back();
  EXPECT_TRUE(change(leader, promotions, 1).ok()) << "seven voters";
}

// --- C4, C7, C8: under way
// --------------------------------------------------------------------------

// C7: the config that follows J may raise the commit without a new acknowledgement.
TEST(RaftConfigChange, LeavingTheOldHalfRaisesTheCommit) {
  const auto leader = settled_leader();
  EXPECT_TRUE(change(*leader, {remove_member(2), remove_member(3)}, 1).ok());
  leader->propose("x");
  EXPECT_EQ(leader->core().commit(), LogIndex{2});
  leader->acknowledge(2, 3);
  // J (3) is committed by {1, 2} of {1, 2, 3}; N (5) makes 1 the only voter: 4 and 5 follow.
  EXPECT_EQ(leader->core().commit(), LogIndex{5});
  EXPECT_EQ(print(leader->core().log().config()), "(1)learners(4,5)");
}

// C8: progress, snapshot and transfer target go with the member.
TEST(RaftConfigChange, AMemberThatLeavesIsForgotten) {
  const auto leader = settled_leader();
  ASSERT_NE(leader->core().progress(ReplicaId{5}), nullptr);
  EXPECT_TRUE(change(*leader, {remove_member(5)}, 1).ok());
  EXPECT_EQ(leader->core().progress(ReplicaId{5}), nullptr);
  leader->acknowledge(2, 3);
  EXPECT_EQ(leader->core().commit(), LogIndex{3});
  // It is added again under the same id in one life: a stranger, from scratch.
  EXPECT_TRUE(change(*leader, {add_learner(5)}, 3).ok());
  ASSERT_NE(leader->core().progress(ReplicaId{5}), nullptr);
  EXPECT_EQ(leader->core().progress(ReplicaId{5})->match, LogIndex{});
  EXPECT_EQ(leader->core().progress(ReplicaId{5})->state, ProgressState::kProbe);
}

// Repeating, promoting and demoting do not reset what is known of a member (U-34, U-35).
TEST(RaftConfigChange, ProgressIsKeptThroughChangesOfRole) {
  const auto leader = settled_leader();
  EXPECT_TRUE(change(*leader, {add_voter(4), add_learner(3)}, 1).ok());
  for (const uint64_t peer : {3u, 4u})
    EXPECT_EQ(leader->core().progress(ReplicaId{peer})->match, LogIndex{2});
  for (const uint64_t peer : {2u, 3u, 4u}) leader->acknowledge(peer, 3);
  EXPECT_EQ(print(leader->core().log().config()), "(1,2,4)learners(3,5)");
  for (const uint64_t peer : {3u, 4u}) {
    EXPECT_EQ(leader->core().progress(ReplicaId{peer})->match, LogIndex{3});
    EXPECT_EQ(leader->core().progress(ReplicaId{peer})->state, ProgressState::kReplicate);
  }
}

// Check-quorum counts every half; who was just added counts as heard for one period.
TEST(RaftConfigChange, CheckQuorumCountsBothHalves) {
  const auto leader = settled_leader();
  EXPECT_TRUE(change(*leader, {add_voter(4), remove_member(2), remove_member(3)}, 1).ok());
  leader->tick(16);
  EXPECT_EQ(leader->core().role(), RoleKind::kLeader) << "all were heard in the first period";
  // 4 alone answers: a majority of {1, 4} with 1, none of {1, 2, 3}.
  leader->tick(8);
  leader->receive(4, 2, HeartbeatResp{});
  leader->tick(8);
  EXPECT_EQ(leader->core().role(), RoleKind::kFollower);
  EXPECT_EQ(leader->core().term(), Term{2});
}

}  // namespace
}  // namespace worldline::replication::testing
