// Planning, leaving and reverting changes of members [S 08/1.14, 6.1.2 U-30 .. U-37, U-60].
#include "replication/membership.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using Kind = MembershipPlan::Kind;
using testing::changes;
using testing::membership;
using testing::print_roles;

// --- What a request leads to ---------------------------------------------------------------------

struct PlanCase {
  const char* name;
  const char* base;
  const char* changes;
  Kind kind;
  const char* next;
  const char* after;  // Leaving, if joint.
};
constexpr PlanCase kPlanCases[] = {
    // U-31: the last change of a replica wins, strangers are removed for nothing.
    {"IdempotentJoint", "1", "r1 r2 r9 v1 v1 l2 l2 r1 r1 l1 v3 v3 l3 v3", Kind::kJoint,
     "3 & 1 learners 2 next 1", "3 learners 1 2"},
    {"AddThenRemove", "1", "v2 r2", Kind::kNone, "1", ""},
    {"RemoveThenAdd", "1 2", "r2 v2", Kind::kNone, "1 2", ""},
    {"DemoteThenPromote", "1 2", "l2 v2", Kind::kNone, "1 2", ""},
    {"PromoteThenDemoteLearner", "1 learners 2", "v2 l2", Kind::kNone, "1 learners 2", ""},
    {"AddLearnerThenRemoveThenAddVoter", "1", "l2 r2 v2", Kind::kJoint, "1 2 & 1", "1 2"},
    {"NothingAsked", "1 2 learners 3", "", Kind::kNone, "1 2 learners 3", ""},
    // U-32: a demoted voter counts in its old half until the joint phase is over.
    {"DemotedStaysOutgoingVoter", "1", "v2 l1", Kind::kJoint, "2 & 1 next 1", "2 learners 1"},
    {"DemotedOfThree", "1 2 3", "l3", Kind::kJoint, "1 2 & 1 2 3 next 3", "1 2 learners 3"},
    {"DemotedBesideLearners", "1 2 learners 3 5", "l2 l4 r5", Kind::kJoint,
     "1 & 1 2 learners 3 4 next 2", "1 learners 2 3 4"},
    // U-34: repetitions.
    {"AddVoterAgain", "1 2", "v2", Kind::kNone, "1 2", ""},
    {"AddLearnerAgain", "1 learners 2", "l2", Kind::kNone, "1 learners 2", ""},
    {"RemoveAbsent", "1 2", "r3", Kind::kNone, "1 2", ""},
    {"RemoveAbsentAmongLearners", "1 learners 3", "r2 r4", Kind::kNone, "1 learners 3", ""},
    // U-35: promotion and demotion, alone and together.
    {"PromoteAlone", "1 2 learners 3", "v3", Kind::kJoint, "1 2 3 & 1 2", "1 2 3"},
    {"PromoteAndDemote", "1 2 learners 3", "v3 l2", Kind::kJoint, "1 3 & 1 2 next 2",
     "1 3 learners 2"},
    {"SwapAllRoles", "1 learners 2", "l1 v2", Kind::kJoint, "2 & 1 next 1", "2 learners 1"},
    // U-36: two voters at once go joint, as does one.
    {"OneVoter", "1", "v2", Kind::kJoint, "1 2 & 1", "1 2"},
    {"TwoVoters", "1", "v2 v3", Kind::kJoint, "1 2 3 & 1", "1 2 3"},
    {"ReplaceAll", "1 2 3", "r1 r2 r3 v4 v5 v6", Kind::kJoint, "4 5 6 & 1 2 3", "4 5 6"},
    {"RemoveVoter", "1 2 3", "r2", Kind::kJoint, "1 3 & 1 2 3", "1 3"},
    {"RemoveVoterOfTwo", "1 2", "r1", Kind::kJoint, "2 & 1 2", "2"},
    // Learners alone need no joint phase (C1).
    {"AddLearner", "1", "l2", Kind::kSimple, "1 learners 2", ""},
    {"RemoveLearner", "1 learners 2 3", "r2", Kind::kSimple, "1 learners 3", ""},
    {"ReplaceLearner", "1 learners 2", "r2 l3", Kind::kSimple, "1 learners 3", ""},
    {"LearnersBesideVoters", "1 2", "l3 v4", Kind::kJoint, "1 2 4 & 1 2 learners 3",
     "1 2 4 learners 3"},
    {"OrderDoesNotMatterForSorting", "5", "v3 v1 l4 l2", Kind::kJoint, "1 3 5 & 5 learners 2 4",
     "1 3 5 learners 2 4"},
};
class MembershipPlanTest : public ::testing::TestWithParam<PlanCase> {};

TEST_P(MembershipPlanTest, GivesTheNetEffect) {
  const PlanCase& c = GetParam();
  const auto plan = plan_change(membership(c.base), changes(c.changes));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->kind, c.kind);
  EXPECT_EQ(plan->next, membership(c.next)) << "infos are those of every replica in any set";
  EXPECT_TRUE(plan->next.validate().ok()) << plan->next.validate().message();
  EXPECT_EQ(plan->next.is_joint(), c.kind == Kind::kJoint);
  if (c.kind != Kind::kJoint) return;
  const auto after = leave_joint(plan->next);
  ASSERT_TRUE(after.ok()) << after.status().message();
  EXPECT_EQ(*after, membership(c.after));
}
INSTANTIATE_TEST_SUITE_P(S08, MembershipPlanTest, ::testing::ValuesIn(kPlanCases),
                         [](const auto& test) { return test.param.name; });

// --- Infos ---------------------------------------------------------------------------------------

TEST(MembershipInfo, ChangesAloneNeedAnEntryButNoJointPhase) {  // U-37
  const auto moved = plan_change(membership("1 2 learners 3"), changes("v1@7 l3@8"));
  ASSERT_TRUE(moved.ok()) << moved.status().message();
  EXPECT_EQ(moved->kind, Kind::kSimple);
  EXPECT_EQ(print_roles(moved->next), "1 2 learners 3");
  EXPECT_EQ(moved->next.find(ReplicaId{1})->node, NodeId{7});
  EXPECT_EQ(moved->next.find(ReplicaId{2})->node, NodeId{102});
  EXPECT_EQ(moved->next.find(ReplicaId{3})->node, NodeId{8});
  const auto again = plan_change(moved->next, changes("v1@7 l3@8"));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->kind, Kind::kNone);
}

TEST(MembershipInfo, OfAnotherFailureDomainIsAChange) {
  auto request = changes("v1");
  request[0].member.failure_domain = "elsewhere";
  const auto plan = plan_change(membership("1"), request);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->kind, Kind::kSimple);
  EXPECT_EQ(plan->next.find(ReplicaId{1})->failure_domain, "elsewhere");
}

TEST(MembershipInfo, OfOverriddenChangesIsForgotten) {
  const auto plan = plan_change(membership("1 2"), changes("v2@7 r2 v3@8 v3"));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->next, membership("1 3 & 1 2"));
}

TEST(MembershipInfo, OfARemovalIsNotRead) {
  auto request = changes("r2");
  request[0].member = {ReplicaId{2}, NodeId{}, std::string(1000, 'x')};
  const auto plan = plan_change(membership("1 2"), request);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->next, membership("1 & 1 2"));
}

TEST(MembershipInfo, OfARemovedVoterStaysUntilTheJointPhaseIsOver) {
  const auto plan = plan_change(membership("1 2 learners 3"), changes("r2 r3 v1@7"));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  ASSERT_NE(plan->next.find(ReplicaId{2}), nullptr);
  EXPECT_EQ(plan->next.find(ReplicaId{3}), nullptr);
  EXPECT_EQ(plan->next.find(ReplicaId{1})->node, NodeId{7});
  const auto after = leave_joint(plan->next);
  ASSERT_TRUE(after.ok()) << after.status().message();
  EXPECT_EQ(after->find(ReplicaId{2}), nullptr);
  EXPECT_EQ(after->find(ReplicaId{1})->node, NodeId{7});
}

// --- Refusals ------------------------------------------------------------------------------------

struct RefusalCase {
  const char* name;
  const char* base;
  const char* changes;
  StatusCode code;
  const char* text;
};
constexpr RefusalCase kRefusalCases[] = {
    // U-30, U-33: nothing is changed while joint, not even learners or nothing at all.
    {"NestedJoint", "1 2 & 1", "v3", StatusCode::kFailedPrecondition, "configuration is joint"},
    {"SimpleWhileJoint", "1 2 & 1", "l3", StatusCode::kFailedPrecondition,
     "configuration is joint"},
    {"NothingWhileJoint", "1 2 & 1", "", StatusCode::kFailedPrecondition, "configuration is joint"},
    // U-33, U-36.
    {"RemoveLastVoter", "1", "r1", StatusCode::kFailedPrecondition, "no voters left"},
    {"DemoteLastVoter", "1", "l1", StatusCode::kFailedPrecondition, "no voters left"},
    {"RemoveAllVoters", "1 2 3 learners 4", "r1 r2 l3", StatusCode::kFailedPrecondition,
     "no voters left"},
    // U-37.
    {"AddVoterZero", "1", "v0", StatusCode::kInvalidArgument, "replica id 0"},
    {"AddLearnerZero", "1", "l0", StatusCode::kInvalidArgument, "replica id 0"},
    {"RemoveZero", "1", "r0", StatusCode::kInvalidArgument, "replica id 0"},
    {"ZeroAmongOthers", "1", "v2 v0 v3", StatusCode::kInvalidArgument, "replica id 0"},
    {"NodeZero", "1", "v2@0", StatusCode::kInvalidArgument, "replica 2 has no node"},
    {"NodeZeroThoughOverridden", "1", "v2@0 v2", StatusCode::kInvalidArgument,
     "replica 2 has no node"},
    // Limits.
    {"EightVoters", "1 2 3 4 5 6 7", "v8", StatusCode::kFailedPrecondition,
     "leads to 8 voters, the limit is 7"},
    {"SeventeenLearners", "1",
     "l11 l12 l13 l14 l15 l16 l17 l18 l19 l20 l21 l22 l23 l24 l25 l26 l27",
     StatusCode::kFailedPrecondition, "leads to 17 learners, the limit is 16"},
    {"SeventeenLearnersByDemotion", "1 2 learners 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26",
     "l2", StatusCode::kFailedPrecondition, "leads to 17 learners, the limit is 16"},
};
class MembershipRefusalTest : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(MembershipRefusalTest, SaysWhy) {
  const RefusalCase& c = GetParam();
  const auto plan = plan_change(membership(c.base), changes(c.changes));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), c.code);
  EXPECT_NE(plan.status().message().find(c.text), std::string::npos) << plan.status().message();
}
INSTANTIATE_TEST_SUITE_P(S08, MembershipRefusalTest, ::testing::ValuesIn(kRefusalCases),
                         [](const auto& test) { return test.param.name; });

TEST(MembershipRefusal, OfEachKindHasItsOwnText) {  // U-33
  std::set<std::string> texts;
  texts.insert(plan_change(membership("1 2 & 1"), changes("v3")).status().message());
  texts.insert(plan_change(membership("1"), changes("r1")).status().message());
  texts.insert(plan_change(membership("1"), changes("v0")).status().message());
  texts.insert(plan_change(membership("1 2 3 4 5 6 7"), changes("v8")).status().message());
  texts.insert(leave_joint(membership("1")).status().message());
  texts.insert(revert_joint(membership("1")).status().message());
  EXPECT_EQ(texts.size(), 6U);
  EXPECT_EQ(texts.count(""), 0U);
}

TEST(MembershipRefusal, OfTooManyChangesAndTooLongADomain) {
  const std::vector<MemberChange> many(kMemberChangesMax + 1, changes("v2")[0]);
  const std::vector<MemberChange> enough(kMemberChangesMax, changes("v2")[0]);
  EXPECT_EQ(plan_change(membership("1"), many).status().message(),
            "membership: 65 changes in one request, the limit is 64");
  EXPECT_TRUE(plan_change(membership("1"), enough).ok());

  auto request = changes("l2");
  request[0].member.failure_domain.assign(kFailureDomainBytesMax, 'x');
  EXPECT_TRUE(plan_change(membership("1"), request).ok());
  request[0].member.failure_domain.push_back('x');
  const Status status = plan_change(membership("1"), request).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "membership: failure domain of replica 2 has 256 B, the limit is 255 B");
}

TEST(MembershipRefusal, SparesWhatJustFits) {
  const auto voters = plan_change(membership("1 2 3 4 5 6"), changes("v7"));
  EXPECT_TRUE(voters.ok());
  const auto replaced = plan_change(membership("1 2 3 4 5 6 7"),
                                    changes("r1 r2 r3 r4 r5 r6 r7 v8 v9 v10 v11 v12 v13 v14"));
  ASSERT_TRUE(replaced.ok()) << replaced.status().message();
  EXPECT_EQ(replaced->next.members.size(), 14U);
  const auto learners =
      plan_change(membership("1 2 learners 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26"),
                  changes("r26 l2"));
  ASSERT_TRUE(learners.ok()) << learners.status().message();
  EXPECT_TRUE(leave_joint(learners->next)->validate().ok());
}

TEST(MembershipLeave, IsRefusedUnlessJoint) {  // U-33
  const auto left = leave_joint(membership("1 2 learners 3"));
  EXPECT_EQ(left.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(left.status().message().find("not joint"), std::string::npos);
}

// --- Undoing -------------------------------------------------------------------------------------

struct RevertCase {
  const char* name;
  const char* joint;
  const char* reverted;
  const char* after;
};
constexpr RevertCase kRevertCases[] = {
    {"AddedVoterBecomesLearner", "1 2 & 1", "1 & 1 2 next 2", "1 learners 2"},
    {"RemovedVoterIsBack", "1 2 & 1 2 3", "1 2 3 & 1 2", "1 2 3"},
    {"DemotedVoterIsBack", "2 & 1 next 1", "1 & 2 next 2", "1 learners 2"},
    {"LearnersStay", "3 & 1 learners 2 next 1", "1 & 3 learners 2 next 3", "1 learners 2 3"},
    {"SameHalves", "1 2 & 1 2", "1 2 & 1 2", "1 2"},
};
class MembershipRevertTest : public ::testing::TestWithParam<RevertCase> {};

TEST_P(MembershipRevertTest, GoesBackThroughAJointMembership) {  // U-60
  const RevertCase& c = GetParam();
  const auto reverted = revert_joint(membership(c.joint));
  ASSERT_TRUE(reverted.ok()) << reverted.status().message();
  EXPECT_EQ(*reverted, membership(c.reverted));
  const auto after = leave_joint(*reverted);
  ASSERT_TRUE(after.ok()) << after.status().message();
  EXPECT_EQ(*after, membership(c.after));
}
INSTANTIATE_TEST_SUITE_P(S08, MembershipRevertTest, ::testing::ValuesIn(kRevertCases),
                         [](const auto& test) { return test.param.name; });

TEST(MembershipRevert, IsRefusedUnlessJointOrWithTooManyLearners) {
  const auto plain = revert_joint(membership("1 2"));
  EXPECT_EQ(plain.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(plain.status().message().find("not joint"), std::string::npos);
  const auto full =
      revert_joint(membership("1 2 & 1 learners 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26"));
  EXPECT_EQ(full.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(full.status().message().find("17 learners"), std::string::npos);
}

// --- Observers and validation --------------------------------------------------------------------

TEST(Membership, KnowsTheRoleOfEachReplica) {
  const Membership joint = membership("3 4 & 1 3 learners 2 next 1");
  struct {
    uint64_t replica;
    bool voter, incoming, learner, member;
  } const rows[] = {
      {1, true, false, false, true}, {2, false, false, true, true},   {3, true, true, false, true},
      {4, true, true, false, true},  {5, false, false, false, false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.replica);
    const ReplicaId replica{row.replica};
    EXPECT_EQ(joint.is_voter(replica), row.voter);
    EXPECT_EQ(joint.is_incoming_voter(replica), row.incoming);
    EXPECT_EQ(joint.is_learner(replica), row.learner);
    EXPECT_EQ(joint.contains(replica), row.member);
    EXPECT_EQ(joint.find(replica) != nullptr, row.member);
  }
  EXPECT_EQ(joint.all_voters(), (ReplicaSet{ReplicaId{1}, ReplicaId{3}, ReplicaId{4}}));
  EXPECT_EQ(joint.replicas(), (ReplicaSet{ReplicaId{1}, ReplicaId{2}, ReplicaId{3}, ReplicaId{4}}));
  EXPECT_TRUE(joint.is_joint());
  EXPECT_FALSE(membership("1 2").is_joint());
}

struct FaultCase {
  const char* name;
  const char* base;
  void (*break_it)(Membership&);
  const char* text;
};
const FaultCase kFaultCases[] = {
    {"NoVoters", "1", [](Membership& m) { m = {}; }, "no voters"},
    {"NoIncomingVoters", "1 & 2", [](Membership& m) { m.voters.clear(); }, "no voters"},
    {"VoterZero", "1 2", [](Membership& m) { m.voters[0] = {}; }, "replica id 0 in voters"},
    {"OutgoingZero", "1 & 2", [](Membership& m) { m.voters_outgoing[0] = {}; },
     "replica id 0 in outgoing voters"},
    {"LearnerZero", "1 learners 2", [](Membership& m) { m.learners[0] = {}; },
     "replica id 0 in learners"},
    {"NextLearnerZero", "1 & 2 next 2", [](Membership& m) { m.learners_next[0] = {}; },
     "replica id 0 in next learners"},
    {"TwiceAVoter", "1 2", [](Membership& m) { m.voters[1] = ReplicaId{1}; },
     "voters are not ascending at replica 1"},
    {"UnsortedLearners", "1 learners 2 3",
     [](Membership& m) { std::swap(m.learners[0], m.learners[1]); },
     "learners are not ascending at replica 2"},
    {"EightVoters", "1 2 3 4 5 6 7 8", [](Membership&) {}, "8 voters exceed the limit of 7"},
    {"EightOutgoing", "1 & 1 2 3 4 5 6 7 8", [](Membership&) {},
     "8 outgoing voters exceed the limit of 7"},
    {"SeventeenLearners", "1 learners 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
     [](Membership&) {}, "17 learners exceed the limit of 16"},
    {"SeventeenLearnersAfterwards",
     "1 & 1 2 learners 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 next 2", [](Membership&) {},
     "17 learners after the joint phase exceed the limit of 16"},
    {"VoterAndLearner", "1 2 learners 2", [](Membership&) {},
     "replica 2 is in both learners and voters"},
    {"OutgoingAndLearner", "1 & 2 learners 2", [](Membership&) {},
     "replica 2 is in both learners and outgoing voters"},
    {"NextLearnerVotes", "1 2 & 2 next 2", [](Membership&) {},
     "replica 2 is in both next learners and voters"},
    {"NextLearnerIsNoVoter", "1 & 2", [](Membership& m) { m.learners_next = {ReplicaId{3}}; },
     "replica 3 is a next learner but no outgoing voter"},
    {"NextLearnerUnlessJoint", "1", [](Membership& m) { m.learners_next = {ReplicaId{3}}; },
     "replica 3 is a next learner but no outgoing voter"},
    {"UnknownMember", "1 2", [](Membership& m) { m.members.pop_back(); },
     "nothing is known of replica 2"},
    {"MemberWithoutRole", "1",
     [](Membership& m) { m.members.push_back(testing::info_of(ReplicaId{2})); },
     "replica 2 is listed without a role"},
    {"MemberZero", "1",
     [](Membership& m) { m.members.insert(m.members.begin(), testing::info_of(ReplicaId{})); },
     "replica id 0 is no member"},
    {"MemberTwice", "1 2", [](Membership& m) { m.members[1] = m.members[0]; },
     "members are not ascending at replica 1"},
    {"NodeZero", "1 2", [](Membership& m) { m.members[1].node = {}; }, "replica 2 has no node"},
    {"LongDomain", "1", [](Membership& m) { m.members[0].failure_domain.assign(256, 'x'); },
     "has 256 B, the limit is 255 B"},
};
class MembershipFaultTest : public ::testing::TestWithParam<FaultCase> {};

TEST_P(MembershipFaultTest, IsNamed) {
  Membership broken = membership(GetParam().base);
  GetParam().break_it(broken);
  const Status status = broken.validate();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(GetParam().text), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(I15, MembershipFaultTest, ::testing::ValuesIn(kFaultCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
