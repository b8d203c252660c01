// Counting in halves against brute force [S 08/6.1.2 U-40, U-41]: all small cases, larger random
// ones, and rows that show the meaning.
#include "replication/quorum.h"

#include <array>
#include <map>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/base/random_seeds.h"
#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using testing::membership;

constexpr uint64_t kUnlimited = UINT64_MAX;

// --- Brute force ---------------------------------------------------------------------------------

template <typename Has>
bool half_has(const ReplicaSet& voters, const Has& has) {
  size_t found = 0;
  for (const ReplicaId voter : voters) found += has(voter) ? 1 : 0;
  return voters.empty() || 2 * found > voters.size();
}

template <typename Has>
bool both_have(const Membership& config, const Has& has) {
  return half_has(config.voters, has) && half_has(config.voters_outgoing, has);
}

using Matches = std::array<uint64_t, 16>;  // By replica; 0 = unknown.

// The largest index that enough replicas have, tried one by one.
uint64_t naive_index(const Membership& config, const Matches& matches, uint64_t index_max) {
  if (config.voters.empty() && config.voters_outgoing.empty()) return kUnlimited;
  uint64_t best = 0;
  for (uint64_t index = 1; index <= index_max; ++index) {
    const auto has = [&](ReplicaId replica) { return matches[replica.value] >= index; };
    if (both_have(config, has)) best = index;
  }
  return best;
}

using Ballots = std::array<Ballot, 16>;

// Won if it is won however the missing ballots turn out, lost if it is lost however they do.
VoteState naive_vote(const Membership& config, const Ballots& ballots, uint64_t replicas) {
  ReplicaSet missing;
  for (uint64_t id = 1; id <= replicas; ++id)
    if (ballots[id] == Ballot::kMissing) missing.push_back(ReplicaId{id});
  bool can_win = false;
  bool can_lose = false;
  for (uint64_t outcome = 0; outcome < (1ULL << missing.size()); ++outcome) {
    std::array<bool, 16> granted{};
    for (uint64_t id = 1; id <= replicas; ++id) granted[id] = ballots[id] == Ballot::kGranted;
    for (size_t i = 0; i < missing.size(); ++i) granted[missing[i].value] = (outcome >> i) & 1;
    const bool won = both_have(config, [&](ReplicaId replica) { return granted[replica.value]; });
    (won ? can_win : can_lose) = true;
  }
  if (!can_lose) return VoteState::kWon;
  return can_win ? VoteState::kPending : VoteState::kLost;
}

// --- Cases ---------------------------------------------------------------------------------------

// Calls `visit` with each digit vector [1..digits] of the base; places beyond are 0.
template <typename Visit>
void for_each_digits(uint64_t digits, uint64_t base, const Visit& visit) {
  uint64_t end = 1;
  for (uint64_t i = 0; i < digits; ++i) end *= base;
  for (uint64_t number = 0; number < end; ++number) {
    Matches values{};
    for (uint64_t rest = number, i = 1; i <= digits; ++i, rest /= base) values[i] = rest % base;
    visit(values);
  }
}

// Each replica is in neither half, the incoming, the outgoing, or both: disjoint, overlapping and
// identical halves, empty ones too.
template <typename Visit>
void for_each_halves(uint64_t replicas, const Visit& visit) {
  for_each_digits(replicas, 4, [&](const Matches& roles) {
    Membership config;
    for (uint64_t id = 1; id <= replicas; ++id) {
      if (roles[id] & 1) config.voters.push_back(ReplicaId{id});
      if (roles[id] & 2) config.voters_outgoing.push_back(ReplicaId{id});
    }
    visit(config);
  });
}

uint64_t computed_index(const Membership& config, const Matches& matches) {
  return joint_committed_index(config,
                               [&](ReplicaId replica) { return LogIndex{matches[replica.value]}; })
      .value;
}

VoteState computed_vote(const Membership& config, const Ballots& ballots) {
  return joint_vote(config, [&](ReplicaId replica) { return ballots[replica.value]; });
}

// Compares all assignments of match values below `base`.
size_t compare_indexes(const Membership& config, uint64_t replicas, uint64_t base) {
  size_t wrong = 0;
  for_each_digits(replicas, base, [&](const Matches& matches) {
    if (computed_index(config, matches) != naive_index(config, matches, base)) ++wrong;
  });
  return wrong;
}

size_t compare_votes(const Membership& config, uint64_t replicas) {
  size_t wrong = 0;
  for_each_digits(replicas, 3, [&](const Matches& values) {
    Ballots ballots{};
    for (size_t i = 0; i < values.size(); ++i) ballots[i] = static_cast<Ballot>(values[i]);
    if (computed_vote(config, ballots) != naive_vote(config, ballots, replicas)) ++wrong;
  });
  return wrong;
}

Membership one_half(uint64_t voters) {
  Membership config;
  for (uint64_t id = 1; id <= voters; ++id) config.voters.push_back(ReplicaId{id});
  return config;
}

TEST(QuorumIndex, EqualsBruteForceInOneHalf) {  // U-40 majority_commit
  for (uint64_t voters = 0; voters <= 6; ++voters)
    EXPECT_EQ(compare_indexes(one_half(voters), voters, 5), 0U) << voters << " voters";
  EXPECT_EQ(compare_indexes(one_half(7), 7, 4), 0U);
}

TEST(QuorumIndex, EqualsBruteForceInAllPairsOfHalves) {  // U-40 joint_commit
  for_each_halves(5, [](const Membership& config) {
    EXPECT_EQ(compare_indexes(config, 5, 3), 0U) << testing::print_roles(config);
  });
  for_each_halves(6, [](const Membership& config) {
    EXPECT_EQ(compare_indexes(config, 6, 2), 0U) << testing::print_roles(config);
  });
}

TEST(QuorumVote, EqualsBruteForceInOneHalf) {  // U-41 majority_vote
  for (uint64_t voters = 0; voters <= 7; ++voters)
    EXPECT_EQ(compare_votes(one_half(voters), voters), 0U) << voters << " voters";
}

TEST(QuorumVote, EqualsBruteForceInAllPairsOfHalves) {  // U-41 joint_vote
  for_each_halves(5, [](const Membership& config) {
    EXPECT_EQ(compare_votes(config, 5), 0U) << testing::print_roles(config);
  });
}

TEST(QuorumVote, MajorityIsAVoteWithoutMissingBallots) {
  for_each_halves(5, [](const Membership& config) {
    for_each_digits(5, 2, [&](const Matches& holders) {
      const auto has = [&](ReplicaId replica) { return holders[replica.value] == 1; };
      EXPECT_EQ(joint_majority(config, has), both_have(config, has));
    });
  });
}

TEST(Quorum, EqualsBruteForceInTheLargestHalves) {
  for (const uint64_t seed : random_seeds(400)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Prng prng(seed);
    Membership config;
    for (uint64_t id = 1; id <= 14; ++id) {
      if (prng.chance(2) && config.voters.size() < kVotersMax)
        config.voters.push_back(ReplicaId{id});
      if (prng.chance(2) && config.voters_outgoing.size() < kVotersMax)
        config.voters_outgoing.push_back(ReplicaId{id});
    }
    Matches matches{};
    Ballots ballots{};
    for (uint64_t id = 1; id <= 14; ++id) matches[id] = prng.below(20);
    for (uint64_t id = 1; id <= 14; ++id) ballots[id] = static_cast<Ballot>(prng.below(3));
    ASSERT_EQ(computed_index(config, matches), naive_index(config, matches, 20));
    ASSERT_EQ(computed_vote(config, ballots), naive_vote(config, ballots, 14));
  }
}

// --- Rows ----------------------------------------------------------------------------------------

struct IndexCase {
  const char* name;
  const char* config;
  std::map<uint64_t, uint64_t> matches;  // Others are unknown.
  uint64_t index;
};
const IndexCase kIndexCases[] = {
    {"NoVoters", "", {}, kUnlimited},
    {"OneVoter", "1", {{1, 12}}, 12},
    {"OneUnknownVoter", "1", {}, 0},
    {"TwoNeedBoth", "1 2", {{1, 12}, {2, 5}}, 5},
    {"MedianOfThree", "1 2 3", {{1, 12}, {2, 5}, {3, 6}}, 6},
    {"OneOfThreeUnknown", "1 2 3", {{1, 12}, {3, 6}}, 6},
    {"TwoOfThreeUnknown", "1 2 3", {{1, 12}}, 0},
    {"LowerMedianOfFour", "1 2 3 4", {{1, 1}, {2, 2}, {3, 3}, {4, 4}}, 2},
    {"MedianOfFive", "1 2 3 4 5", {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}}, 3},
    {"MedianOfSeven", "1 2 3 4 5 6 7", {{1, 9}, {2, 8}, {3, 7}, {4, 6}, {5, 1}}, 6},
    {"LearnersDoNotCount", "1 2 3 learners 4 5", {{1, 9}, {4, 9}, {5, 9}}, 0},
    {"SlowerHalfDecides", "1 2 3 & 4 5 6", {{1, 9}, {2, 9}, {4, 3}, {5, 4}}, 3},
    {"Overlapping", "1 2 3 & 3 4 5", {{1, 9}, {2, 8}, {3, 7}, {4, 2}}, 2},
    {"Identical", "1 2 3 & 1 2 3", {{1, 9}, {2, 8}, {3, 7}}, 8},
    {"DemotedVoterCountsInItsHalf", "1 2 & 1 2 3 next 3", {{1, 9}, {2, 9}, {3, 1}}, 9},
    {"StrangersDoNotCount", "1 2 3", {{1, 4}, {8, 9}, {9, 9}}, 0},
};
class QuorumIndexTest : public ::testing::TestWithParam<IndexCase> {};

TEST_P(QuorumIndexTest, IsWhatAMajorityOfEveryHalfReached) {
  const auto& matches = GetParam().matches;
  const auto match_of = [&matches](ReplicaId replica) {
    const auto found = matches.find(replica.value);
    return LogIndex{found == matches.end() ? 0 : found->second};
  };
  EXPECT_EQ(joint_committed_index(membership(GetParam().config), match_of).value, GetParam().index);
}
INSTANTIATE_TEST_SUITE_P(S08, QuorumIndexTest, ::testing::ValuesIn(kIndexCases),
                         [](const auto& test) { return test.param.name; });

struct VoteCase {
  const char* name;
  const char* config;
  const char* ballots;  // Of replica 1, 2, ..: y, n or _ (missing).
  VoteState state;
};
constexpr VoteCase kVoteCases[] = {
    {"NoVoters", "", "", VoteState::kWon},
    {"OwnVoteIsEnough", "1", "y", VoteState::kWon},
    {"OwnVoteMissing", "1", "_", VoteState::kPending},
    {"TwoNeedBoth", "1 2", "y_", VoteState::kPending},
    {"OneOfTwoRefuses", "1 2", "yn", VoteState::kLost},
    {"TwoOfThree", "1 2 3", "yy_", VoteState::kWon},
    {"OneEach", "1 2 3", "yn_", VoteState::kPending},
    {"TwoOfThreeRefuse", "1 2 3", "ynn", VoteState::kLost},
    {"HalfOfFourIsNone", "1 2 3 4", "yynn", VoteState::kLost},
    {"HalfOfFourMayBecomeOne", "1 2 3 4", "yyn_", VoteState::kPending},
    {"BothHalves", "1 2 3 & 4 5 6", "yy_yy_", VoteState::kWon},
    {"OneHalfMissing", "1 2 3 & 4 5 6", "yyy___", VoteState::kPending},
    {"EitherHalfLost", "1 2 3 & 4 5 6", "yyynn_", VoteState::kLost},
    {"OtherHalfLost", "1 2 3 & 4 5 6", "nn____", VoteState::kLost},
    {"SharedVoterCountsTwice", "1 & 1 2 3", "yy_", VoteState::kWon},
    {"LearnersDoNotVote", "1 2 3 learners 4 5", "y__yy", VoteState::kPending},
};
class QuorumVoteTest : public ::testing::TestWithParam<VoteCase> {};

TEST_P(QuorumVoteTest, NeedsAMajorityOfEveryHalf) {
  const std::string ballots = GetParam().ballots;
  const auto ballot_of = [&ballots](ReplicaId replica) {
    const char letter = ballots.at(replica.value - 1);
    if (letter == '_') return Ballot::kMissing;
    return letter == 'y' ? Ballot::kGranted : Ballot::kRefused;
  };
  EXPECT_EQ(joint_vote(membership(GetParam().config), ballot_of), GetParam().state);
}
INSTANTIATE_TEST_SUITE_P(S08, QuorumVoteTest, ::testing::ValuesIn(kVoteCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
