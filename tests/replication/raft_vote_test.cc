// tests/replication/raft_vote_test.cc: who may receive a vote or a pre-vote [S 08/1.6, T 3.6.1].
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/replication/raft_single.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

constexpr uint64_t kAsker = 1;
constexpr uint64_t kVoter = 2;
constexpr uint64_t kOther = 3;

EntryId place(uint64_t term, uint64_t index) {
  return {Term{term}, LogIndex{index}};
}

LogBoundary genesis() {
  return boundary_at(place(1, 1), membership_of(ids({1, 2, 3})));
}

// A log behind the boundary 1@1 whose last entry is at `last`.
RestoredState log_ending_at(EntryId last, uint64_t term) {
  std::vector<uint64_t> terms(last.index.value - 1, 1);
  if (!terms.empty()) terms.back() = last.term.value;
  return restored_of(genesis(), terms, Term{term});
}

VoteAnswer vote_answer(const std::vector<Envelope>& sent) {
  const auto answers = bodies_of<VoteResp>(sent);
  EXPECT_EQ(answers.size(), 1u);
  return answers.empty() ? VoteAnswer::kOldTerm : answers[0].why;
}

VoteAnswer pre_vote_answer(const std::vector<Envelope>& sent) {
  const auto answers = bodies_of<PreVoteResp>(sent);
  EXPECT_EQ(answers.size(), 1u);
  return answers.empty() ? VoteAnswer::kOldTerm : answers[0].why;
}

// --- Logs (S3, S4) ------------------------------------------------------------------------------

struct LogCase {
  const char* name;
  EntryId voter_last, candidate_last;
  bool granted;
};
const LogCase kLogCases[] = {
    {"EqualLogs", place(2, 5), place(2, 5), true},
    {"ShorterLogOfSameTerm", place(2, 5), place(2, 4), false},
    {"LongerLogOfSameTerm", place(2, 5), place(2, 6), true},
    {"ShorterLogOfNewerTerm", place(2, 5), place(3, 2), true},  // The term decides first.
    {"LongerLogOfOlderTerm", place(2, 5), place(1, 9), false},
    {"EmptyLogs", place(1, 1), place(1, 1), true},
    {"EmptyLogOfCandidate", place(1, 2), place(1, 1), false},
};
class RaftVoteLogTest : public ::testing::TestWithParam<LogCase> {};

TEST_P(RaftVoteLogTest, GoesOnlyToALogAtLeastAsCompleteAndIsStableBeforeItLeaves) {
  const LogCase& c = GetParam();
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica voter(kVoter, log_ending_at(c.voter_last, 3), options);
  const auto before = voter.receive(kAsker, 4, VoteReq{c.candidate_last, false});
  EXPECT_TRUE(before.empty()) << "term 4 must become stable first (S1)";
  ASSERT_EQ(voter.replica().jobs.size(), 1u);
  const HardState job = voter.replica().jobs.front().hard_state.value();
  EXPECT_EQ(job.term, Term{4});
  EXPECT_EQ(job.vote == ReplicaId{kAsker}, c.granted);
  EXPECT_EQ(vote_answer(voter.write()), c.granted ? VoteAnswer::kOk : VoteAnswer::kStaleLog);
}

TEST_P(RaftVoteLogTest, PreVoteAgreesAndPromisesNothing) {
  const LogCase& c = GetParam();
  SingleReplica voter(kVoter, log_ending_at(c.voter_last, 3));
  const auto sent = voter.receive(kAsker, 4, PreVoteReq{c.candidate_last, {}});
  EXPECT_EQ(pre_vote_answer(sent), c.granted ? VoteAnswer::kOk : VoteAnswer::kStaleLog);
  EXPECT_EQ(sent[0].term, Term{c.granted ? 4u : 3u});
  EXPECT_EQ(voter.core().term(), Term{3});
  EXPECT_EQ(voter.core().vote(), ReplicaId{});
  // Not recorded: the next one is granted too.
  const auto again = voter.receive(kOther, 4, PreVoteReq{c.candidate_last, {}});
  EXPECT_EQ(pre_vote_answer(again), c.granted ? VoteAnswer::kOk : VoteAnswer::kStaleLog);
}

INSTANTIATE_TEST_SUITE_P(S08, RaftVoteLogTest, ::testing::ValuesIn(kLogCases),
                         [](const auto& test) { return test.param.name; });

// --- U-61 (row 1, NuRaft #668): the last term of a compacted log is the boundary's --------------

enum class Kept { kWholeLog, kNothing, kOnlySnapshotAfterRestart, kSomeBehindSnapshot };

struct CompactedCase {
  const char* name;
  Kept kept;
};
const CompactedCase kCompactedCases[] = {
    {"LogRetained", Kept::kWholeLog},
    {"FullyCompacted", Kept::kNothing},
    {"RestartedWithSnapshotOnly", Kept::kOnlySnapshotAfterRestart},
    {"EntriesBehindSnapshot", Kept::kSomeBehindSnapshot},
};
class RaftCompactedVoteTest : public ::testing::TestWithParam<CompactedCase> {
 protected:
  // A voter whose last place is 9@3, in term 3, without a leader.
  static RestoredState state_of(Kept kept) {
    const Membership config = membership_of(ids({1, 2, 3}));
    switch (kept) {
      case Kept::kWholeLog:
        return restored_of(genesis(), {1, 1, 2, 2, 2, 2, 3, 3}, Term{3});
      case Kept::kNothing:
      case Kept::kOnlySnapshotAfterRestart:
        return restored_of(boundary_at(place(3, 9), config), {}, Term{3});
      case Kept::kSomeBehindSnapshot:
        return restored_of(boundary_at(place(2, 7), config), {3, 3}, Term{3});
    }
    return {};
  }
};

TEST_P(RaftCompactedVoteTest, GrantsExactlyWhenTheCandidateIsNotBehind) {
  struct {
    EntryId last;
    bool granted;
  } const candidates[] = {
      {place(3, 8), false}, {place(2, 9), false}, {place(2, 20), false}, {place(1, 1), false},
      {place(3, 9), true},  {place(3, 10), true}, {place(4, 4), true},
  };
  for (const auto& candidate : candidates) {
    SCOPED_TRACE(print(candidate.last));
    SingleReplica voter(kVoter, state_of(GetParam().kept));
    if (GetParam().kept == Kept::kOnlySnapshotAfterRestart) voter.restart();
    ASSERT_EQ(voter.core().log().last_id(), place(3, 9));
    const auto asked = voter.receive(kAsker, 5, PreVoteReq{candidate.last, {}});
    EXPECT_EQ(pre_vote_answer(asked) == VoteAnswer::kOk, candidate.granted);
    const auto voted = voter.receive(kAsker, 5, VoteReq{candidate.last, false});
    EXPECT_EQ(vote_answer(voted) == VoteAnswer::kOk, candidate.granted);
  }
}

INSTANTIATE_TEST_SUITE_P(S08, RaftCompactedVoteTest, ::testing::ValuesIn(kCompactedCases),
                         [](const auto& test) { return test.param.name; });

// --- One vote per term (S2) ---------------------------------------------------------------------

// U-62 (row 25, nebula #2419): the first answer may be lost.
TEST(RaftVote, IsGrantedAgainToTheSameCandidate) {
  SingleReplica voter(kVoter, log_ending_at(place(1, 3), 1));
  const VoteReq request{place(1, 3), false};
  EXPECT_EQ(vote_answer(voter.receive(kAsker, 2, request)), VoteAnswer::kOk);
  EXPECT_EQ(vote_answer(voter.receive(kAsker, 2, request)), VoteAnswer::kOk);
  EXPECT_EQ(voter.core().vote(), ReplicaId{kAsker});
  EXPECT_EQ(vote_answer(voter.receive(kOther, 2, request)), VoteAnswer::kVotedOther);
  EXPECT_EQ(vote_answer(voter.receive(kAsker, 2, request)), VoteAnswer::kOk);
}

// Row 28 (camunda #5356): neither forgotten nor replaced by a restart.
TEST(RaftVote, SurvivesARestart) {
  SingleReplica voter(kVoter, log_ending_at(place(1, 3), 1));
  const VoteReq request{place(1, 3), false};
  EXPECT_EQ(vote_answer(voter.receive(kAsker, 2, request)), VoteAnswer::kOk);
  voter.restart();
  EXPECT_EQ(voter.core().vote(), ReplicaId{kAsker});
  EXPECT_EQ(vote_answer(voter.receive(kOther, 2, request)), VoteAnswer::kVotedOther);
  EXPECT_EQ(vote_answer(voter.receive(kAsker, 2, request)), VoteAnswer::kOk);
}

TEST(RaftVote, ThatWasNotStableNeverLeft) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica voter(kVoter, log_ending_at(place(1, 3), 1), options);
  const VoteReq request{place(1, 3), false};
  EXPECT_TRUE(voter.receive(kAsker, 2, request).empty());
  EXPECT_TRUE(voter.receive(kAsker, 2, request).empty()) << "the repeated one waits as well";
  voter.restart();
  EXPECT_EQ(voter.core().term(), Term{1});
  EXPECT_TRUE(voter.receive(kOther, 2, request).empty());
  EXPECT_EQ(vote_answer(voter.write()), VoteAnswer::kOk);
}

// Also when the others' grants are enough, and when its own does not count: a crash could let it
// lead the same term twice (I-13).
TEST(RaftVote, OfItselfMustBeStableBeforeItLeads) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica candidate(kVoter, log_ending_at(place(1, 3), 1), options);
  candidate.receive(kAsker, 1, Heartbeat{LogIndex{1}, 0, false});
  candidate.receive(kAsker, 1, TimeoutNow{});
  candidate.receive(kAsker, 2, VoteResp{});
  candidate.receive(kOther, 2, VoteResp{});
  EXPECT_EQ(candidate.core().role(), RoleKind::kCandidate);
  candidate.write();
  EXPECT_EQ(candidate.core().role(), RoleKind::kLeader);
}

// Row 28 (akka-raft #56): the role may change between two requests of a term.
TEST(RaftVote, IsKeptThroughRolesOfOneTerm) {
  SingleReplica voter(kVoter, log_ending_at(place(1, 3), 1));
  voter.receive(kAsker, 2, VoteReq{place(1, 3), false});
  voter.receive(kAsker, 2, Heartbeat{LogIndex{1}, 0, false});
  voter.feed([](RaftCore& core) { core.forget_leader(); });
  voter.feed([](RaftCore& core) { EXPECT_TRUE(core.campaign(CampaignReason::kTimeout).ok()); });
  EXPECT_EQ(voter.core().role(), RoleKind::kPrecandidate);
  const auto sent = voter.receive(kOther, 2, VoteReq{place(1, 9), false});
  EXPECT_EQ(vote_answer(sent), VoteAnswer::kVotedOther);
  EXPECT_EQ(voter.core().vote(), ReplicaId{kAsker});
}

// --- Every role ---------------------------------------------------------------------------------

enum class State {
  kLeaderless,
  kFollowing,   // Within the lease of leader 3.
  kLeaseEnded,  // Leader 3 was not heard for E.
  kPrecandidate,
  kCandidate,
  kLeader,
  kLearner,
  kUninit,
  kQuarantined,
};

struct RoleCase {
  const char* name;
  State state;
  VoteAnswer higher, higher_by_order, equal;
  bool has_term;  // Answers requests of older terms with its own term.
};
using A = VoteAnswer;
const RoleCase kRoleCases[] = {
    {"Leaderless", State::kLeaderless, A::kOk, A::kOk, A::kOk, true},
    {"Following", State::kFollowing, A::kLeaderAlive, A::kOk, A::kLeaderAlive, true},
    {"LeaseEnded", State::kLeaseEnded, A::kOk, A::kOk, A::kLeaderAlive, true},
    {"Precandidate", State::kPrecandidate, A::kOk, A::kOk, A::kOk, true},
    {"Candidate", State::kCandidate, A::kOk, A::kOk, A::kVotedOther, true},
    {"Leader", State::kLeader, A::kLeaderAlive, A::kOk, A::kVotedOther, true},
    {"Learner", State::kLearner, A::kOk, A::kOk, A::kOk, true},
    {"Uninit", State::kUninit, A::kQuarantined, A::kQuarantined, A::kQuarantined, false},
    {"Quarantined", State::kQuarantined, A::kQuarantined, A::kQuarantined, A::kQuarantined, false},
};

constexpr uint64_t kVoteTerm = 5;  // Of every replica below.

std::unique_ptr<SingleReplica> replica_in(State state) {
  RestoredState restored = log_ending_at(place(2, 4), kVoteTerm);
  if (state == State::kLearner) restored.boundary.config = membership_of(ids({1, 3}), ids({2}));
  if (state == State::kUninit) restored = RestoredState{{Term{kVoteTerm}, {}, {}}, {}, {}, {}};
  if (state == State::kCandidate || state == State::kLeader)
    restored.hard.term = Term{kVoteTerm - 1};
  auto replica = std::make_unique<SingleReplica>(kVoter, std::move(restored));
  const auto campaign = [](RaftCore& core) {
    EXPECT_TRUE(core.campaign(CampaignReason::kTimeout).ok());
  };
  switch (state) {
    case State::kFollowing:
    case State::kLeaseEnded:
      replica->receive(kOther, kVoteTerm, Heartbeat{LogIndex{1}, 0, false});
      replica->feed([](RaftCore& core) { core.set_randomised_timeout(100); });
      if (state == State::kLeaseEnded) replica->tick(16);
      break;
    case State::kPrecandidate:
      replica->feed(campaign);
      break;
    case State::kCandidate:
      replica->feed(campaign);
      replica->receive(kOther, kVoteTerm, PreVoteResp{});
      EXPECT_EQ(replica->core().role(), RoleKind::kCandidate);
      break;
    case State::kLeader:
      replica->lead({kOther});
      break;
    case State::kQuarantined:
      replica->feed([](RaftCore& core) { core.quarantine(); });
      break;
    case State::kLeaderless:
    case State::kLearner:
    case State::kUninit:
      break;
  }
  EXPECT_EQ(replica->core().term(), Term{kVoteTerm});
  return replica;
}

class RaftVoteRoleTest : public ::testing::TestWithParam<RoleCase> {};

TEST_P(RaftVoteRoleTest, AnswersAsItsRoleDemands) {
  const RoleCase& c = GetParam();
  const EntryId last = place(9, 9);
  const auto ask = [&](uint64_t term, bool by_order) {
    return vote_answer(replica_in(c.state)->receive(kAsker, term, VoteReq{last, by_order}));
  };
  EXPECT_EQ(ask(kVoteTerm + 1, false), c.higher);
  EXPECT_EQ(ask(kVoteTerm + 1, true), c.higher_by_order);
  EXPECT_EQ(ask(kVoteTerm, false), c.equal);
  EXPECT_EQ(ask(kVoteTerm - 1, false),
            c.has_term ? VoteAnswer::kOldTerm : VoteAnswer::kQuarantined);
}

// G5a: who refuses because of a lease does not adopt the term either.
TEST_P(RaftVoteRoleTest, AdoptsTheTermUnlessTheLeaseForbids) {
  const RoleCase& c = GetParam();
  const auto replica = replica_in(c.state);
  replica->receive(kAsker, kVoteTerm + 1, VoteReq{place(0, 0), false});
  const bool adopts = c.higher == VoteAnswer::kOk;
  EXPECT_EQ(replica->core().term(), Term{kVoteTerm + (adopts ? 1 : 0)});
  EXPECT_EQ(replica->core().role() == RoleKind::kLeader, c.state == State::kLeader);
}

// S5: a pre-vote is at least as strict as the vote, and changes nothing.
TEST_P(RaftVoteRoleTest, PreVoteIsNeverMoreGenerousThanTheVote) {
  for (const uint64_t term : {kVoteTerm - 1, kVoteTerm, kVoteTerm + 1, kVoteTerm + 7}) {
    for (const EntryId last : {place(1, 9), place(2, 3), place(2, 4), place(3, 1)}) {
      SCOPED_TRACE(print(last) + " in term " + std::to_string(term));
      const auto asked = replica_in(GetParam().state);
      const uint32_t elapsed = asked->core().election_elapsed();
      const RoleKind role = asked->core().role();
      const VoteAnswer pre = pre_vote_answer(asked->receive(kAsker, term, PreVoteReq{last, {}}));
      EXPECT_EQ(asked->core().term(), Term{kVoteTerm});
      EXPECT_EQ(asked->core().role(), role);
      EXPECT_EQ(asked->core().election_elapsed(), elapsed);
      const auto voting = replica_in(GetParam().state);
      const VoteAnswer vote = vote_answer(voting->receive(kAsker, term, VoteReq{last, false}));
      if (pre == VoteAnswer::kOk) {
        EXPECT_EQ(vote, VoteAnswer::kOk);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(S08, RaftVoteRoleTest, ::testing::ValuesIn(kRoleCases),
                         [](const auto& test) { return test.param.name; });

// --- The timer ----------------------------------------------------------------------------------

TEST(RaftVote, OnlyAGrantedOneRestartsTheTimer) {
  SingleReplica voter(kVoter, log_ending_at(place(2, 5), 3));
  voter.feed([](RaftCore& core) { core.set_randomised_timeout(100); });
  voter.tick(7);
  voter.receive(kAsker, 4, PreVoteReq{place(2, 5), {}});
  EXPECT_EQ(voter.core().election_elapsed(), 7u);
  voter.receive(kAsker, 3, VoteReq{place(1, 9), false});
  EXPECT_EQ(voter.core().election_elapsed(), 7u);
  voter.receive(kAsker, 3, VoteReq{place(2, 5), false});
  EXPECT_EQ(voter.core().election_elapsed(), 0u);
}

// --- Counting -----------------------------------------------------------------------------------

struct CountCase {
  const char* name;
  std::vector<uint64_t> voters, outgoing;
  std::vector<uint64_t> granted, refused;
  RoleKind role;
};
const CountCase kCountCases[] = {
    {"OneOfThreeIsNotEnough", {1, 2, 3}, {}, {}, {1}, RoleKind::kCandidate},
    {"TwoOfThree", {1, 2, 3}, {}, {1}, {}, RoleKind::kLeader},
    {"TwoRefusalsOfThree", {1, 2, 3}, {}, {}, {1, 3}, RoleKind::kFollower},
    {"TwoOfFour", {1, 2, 3, 4}, {}, {1}, {3}, RoleKind::kCandidate},
    {"HalfOfFourRefused", {1, 2, 3, 4}, {}, {1}, {3, 4}, RoleKind::kFollower},
    {"ThreeOfFour", {1, 2, 3, 4}, {}, {1, 4}, {3}, RoleKind::kLeader},
    {"TwoOfFive", {1, 2, 3, 4, 5}, {}, {5}, {}, RoleKind::kCandidate},
    {"ThreeOfFive", {1, 2, 3, 4, 5}, {}, {5, 4}, {1, 3}, RoleKind::kLeader},
    {"StrangersDoNotCount", {1, 2, 3}, {}, {7, 8, 9}, {}, RoleKind::kCandidate},
    {"NewHalfMissing", {2, 4, 5}, {1, 2, 3}, {1, 3}, {}, RoleKind::kCandidate},
    {"OldHalfMissing", {2, 4, 5}, {1, 2, 3}, {4, 5}, {}, RoleKind::kCandidate},
    {"BothHalves", {2, 4, 5}, {1, 2, 3}, {3, 4}, {}, RoleKind::kLeader},
    {"OldHalfRefused", {2, 4, 5}, {1, 2, 3}, {4, 5}, {1, 3}, RoleKind::kFollower},
    {"NewHalfRefused", {2, 4, 5}, {1, 2, 3}, {1, 3}, {4, 5}, RoleKind::kFollower},
    {"NoVoterItself", {1, 3}, {}, {1, 3}, {}, RoleKind::kLeader},
    {"NoVoterItselfNeedsBoth", {1, 3}, {}, {1}, {}, RoleKind::kCandidate},
};
class RaftCountTest : public ::testing::TestWithParam<CountCase> {
 protected:
  static ReplicaSet set_of(const std::vector<uint64_t>& replicas) {
    ReplicaSet set;
    for (const uint64_t replica : replicas) set.push_back(ReplicaId{replica});
    return set;
  }

  // A candidate of term 3 whose config (voters, outgoing) is on top of its log, uncommitted.
  static std::unique_ptr<SingleReplica> candidate_of(const CountCase& c) {
    RestoredState state = restored_of(genesis(), {}, Term{2});
    const Membership config = membership_of(set_of(c.voters), {}, set_of(c.outgoing));
    state.entries = {chained(state.boundary.chain, place(2, 2), EntryKind::kConfig,
                             std::make_shared<const ByteBuffer>(encode_membership(config)))};
    auto candidate = std::make_unique<SingleReplica>(kVoter, std::move(state));
    candidate->receive(1, 2, Heartbeat{LogIndex{1}, 0, false});
    candidate->receive(1, 2, TimeoutNow{});
    EXPECT_EQ(candidate->core().role(), RoleKind::kCandidate);
    return candidate;
  }
};

TEST_P(RaftCountTest, TakesAMajorityOfEveryHalf) {
  const CountCase& c = GetParam();
  const auto candidate = candidate_of(c);
  for (const uint64_t voter : c.refused) candidate->receive(voter, 3, VoteResp{A::kVotedOther});
  for (const uint64_t voter : c.granted) candidate->receive(voter, 3, VoteResp{});
  EXPECT_EQ(candidate->core().role(), c.role);
}

// The first answer of each replica counts, later ones are ignored.
TEST_P(RaftCountTest, CountsEachVoterOnce) {
  const CountCase& c = GetParam();
  const auto candidate = candidate_of(c);
  for (int copy = 0; copy < 5; ++copy)
    for (const uint64_t voter : c.refused) candidate->receive(voter, 3, VoteResp{A::kVotedOther});
  for (const uint64_t voter : c.refused) candidate->receive(voter, 3, VoteResp{});
  for (const uint64_t voter : c.granted) candidate->receive(voter, 3, VoteResp{});
  for (const uint64_t voter : c.granted) candidate->receive(voter, 3, VoteResp{A::kVotedOther});
  EXPECT_EQ(candidate->core().role(), c.role);
}

INSTANTIATE_TEST_SUITE_P(S08, RaftCountTest, ::testing::ValuesIn(kCountCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication::testing
