// tests/replication/raft_runtime_invariant_test.cc: a core with a bug in it finds the broken
// invariant by itself, without anybody who looks from outside, and tells its number and scope
// [S 08/2]. Built against the core with the mutants.
#include <gtest/gtest.h>

#include "replication/mutants.h"
#include "tests/replication/raft_bare.h"

namespace worldline::replication::testing {
namespace {

using Life = void (*)(BareReplica&);

void lead_and_replicate(BareReplica& replica) {
  replica.lead({2});
  replica.acknowledge(2, 11);
  if (replica.core().is_stopped()) return;
  EXPECT_TRUE(replica.propose(8).ok());
  replica.acknowledge(2, 12);
  replica.tick(1);
}

// A config is stored, then replaced by an entry of the next leader.
void lose_a_config(BareReplica& replica) {
  replica.receive(2, 2, append_config(1, 4));
  EXPECT_EQ(replica.core().log().config_index(), LogIndex{11});
  replica.receive(3, 3, append_from_boundary({3}, 10));
}

void be_asked_for_a_vote(BareReplica& replica) {
  replica.receive(2, 3, VoteReq{{Term{2}, LogIndex{20}}});
}

void wait(BareReplica& replica) {
  replica.tick(2);
}

struct BugCase {
  const char* name;
  int mutant;
  int invariant;
  bool is_uninit;
  Life life;
};
const BugCase kBugCases[] = {
    {"NextRunsAheadOfTheLog", 111, 11, false, &lead_and_replicate},
    {"CommitIsForgotten", 114, 14, false, &lead_and_replicate},
    {"TruncationLeavesTheConfig", 115, 15, false, &lose_a_config},
    {"VotesWithoutState", 116, 16, true, &be_asked_for_a_vote},
    {"AFollowerAppendsByItself", 117, 17, false, &wait},
    {"UncommittedBytesStay", 128, 28, false, &lead_and_replicate},
};
class RaftRuntimeInvariantTest : public ::testing::TestWithParam<BugCase> {
 protected:
  static BareReplica make(const BugCase& c) {
    return {config_of(1), c.is_uninit ? RestoredState{} : bare_state({}, 10)};
  }
  ~RaftRuntimeInvariantTest() override { active_mutant = 0; }
};

TEST_P(RaftRuntimeInvariantTest, IsFoundWithoutAnObserver) {
  const BugCase& c = GetParam();
  active_mutant = c.mutant;
  BareReplica replica = make(c);
  c.life(replica);
  ASSERT_EQ(replica.fatals.size(), 1u);
  EXPECT_EQ(replica.fatals[0].invariant, c.invariant) << replica.fatals[0].text;
  EXPECT_EQ(replica.fatals[0].scope, FatalScope::kReplica);
  EXPECT_EQ(replica.fatals[0].replica, ReplicaId{1});
  EXPECT_TRUE(replica.core().is_stopped());
}

// What breaks nothing is reported by nobody.
TEST_P(RaftRuntimeInvariantTest, IsSilentWithoutTheBug) {
  BareReplica replica = make(GetParam());
  GetParam().life(replica);
  EXPECT_TRUE(replica.fatals.empty());
}
INSTANTIATE_TEST_SUITE_P(S08, RaftRuntimeInvariantTest, ::testing::ValuesIn(kBugCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication::testing
