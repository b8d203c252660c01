// Bugs of other systems, put back one by one: each must be found within a bounded number of runs,
// by the simulator or by a short script [S 08/6.4, 8 step 2]. Here is what random schedules find
// soon; raft_mutant_script_test finds them and the rest with scripts.
//
// WL_MUTANT_RUNS raises the bound; the seeds that found a mutant are printed.
#include <cstdlib>

#include <gtest/gtest.h>

#include "replication/log_adapter.h"
#include "replication/mutants.h"
#include "replication/raft_core.h"
#include "tests/simulation/isolated_run.h"
#include "tests/simulation/shrinker.h"
#include "tests/simulation/sim_disk.h"

namespace worldline::replication {

int active_mutant = 0;

}  // namespace worldline::replication

namespace worldline::simulation {
namespace {

using replication::active_mutant;

struct MutantCase {
  int number;  // That of the table in [S 08/6.4] where it is below 100.
  const char* name;
  const char* source;
  std::optional<FaultClass> only = std::nullopt;  // Where to look; none = everywhere.
  uint64_t runs = 1500;                           // Found within so many.
};
const MutantCase kMutantCases[] = {
    {1, "CompactedLogCountsAsTermZero", "eBay/NuRaft #668", std::nullopt, 6000},
    {7, "OneVoterCommitsUnsavedEntries", "etcd #14370"},
    {14, "ProbeIsNeverResumed", "hashicorp/raft #612"},
    {18, "AcknowledgesBeforeItIsDurable", "tikv #994"},
    {20, "CommitMovesOverAStaleTailByHeartbeat", "scylladb #10578"},
    {23, "ConflictRollsBackToTheCommit", "vesoft-inc/nebula #2483"},
    {24, "ResendCutsOffEqualEntries", "nebula #5881"},
    {28, "VoteIsReplacedWithinATerm", "camunda #5356, akka-raft #56"},
    {32, "CompletionOfAnOverwrittenWriteCounts", "redpanda #15201, #3531"},
    {102, "LeadsBeforeItsOwnVoteIsDurable", "[S 08/2] I-13"},
    {103, "JointConfigIsLeftToOneHalf", "[S 08/1.17] S10"},
    {104, "VoteLeavesBeforeItIsDurable", "[S 08/1.17] S1"},
    {107, "SecondConfigChangeBeforeTheFirstCommits", "raft-rs #221 and its kin"},
};

class MutantTest : public testing::TestWithParam<MutantCase> {
 protected:
  void SetUp() override { active_mutant = GetParam().number; }
  void TearDown() override { active_mutant = 0; }
};

TEST_P(MutantTest, IsFound) {
  const MutantCase& mutant = GetParam();
  RunOptions options;
  options.only = mutant.only;
  const char* more = std::getenv("WL_MUTANT_RUNS");
  const uint64_t runs = more != nullptr ? std::strtoull(more, nullptr, 10) : mutant.runs;
  const Hunt found = hunt(options, 1, runs);
  EXPECT_NE(found.failing_seed, 0u) << mutant.source << ": not found in " << runs << " runs";
  std::printf("mutant %d (%s): run %llu: %.160s\n", mutant.number, mutant.source,
              static_cast<unsigned long long>(found.runs), found.failure.c_str());
}
INSTANTIATE_TEST_SUITE_P(S08, MutantTest, testing::ValuesIn(kMutantCases),
                         [](const auto& test) { return test.param.name; });

// The build of the mutants is not to blame for what they do.
TEST(NoMutantTest, TheSameBuildPassesWithoutOne) {
  active_mutant = 0;
  const Hunt found = hunt({}, 1, 100);
  EXPECT_EQ(found.failing_seed, 0u) << found.failure;
}

// Bug 2 needs a leader that breaks the rules, so a script forges its message.
bool tolerates_a_second_leader() {
  replication::Membership members;
  for (uint64_t id = 1; id <= 3; ++id) {
    members.voters.push_back(ReplicaId{id});
    members.members.push_back({ReplicaId{id}, NodeId{id}, "zone"});
  }
  replication::RestoredState state;
  state.hard.term = Term{5};
  state.boundary = replication::genesis_boundary(kGroup, members);
  state.applied = state.boundary.id.index;
  replication::RaftConfig config;
  config.group = kGroup;
  config.self = {NodeId{1}, 1, ReplicaId{1}};
  config.chain = replication::log_chain;
  replication::RaftCore core(config, state);
  for (const uint64_t leader : {uint64_t{2}, uint64_t{3}}) {
    replication::Append append;
    append.prev = state.boundary.id;
    append.prev_chain = state.boundary.chain;
    append.seq = 1;
    core.recv({kGroup,
               {NodeId{leader}, 1, ReplicaId{leader}},
               config.self,
               Term{5},
               LogIndex{1},
               append});
  }
  const replication::Ready ready = core.take_ready();
  return ready.fatal.empty() || ready.fatal.front().invariant != 1;
}

TEST(SecondLeaderMutantTest, IsFoundByAForgedAppend) {
  active_mutant = 0;
  EXPECT_FALSE(tolerates_a_second_leader());
  active_mutant = 2;  // eBay/NuRaft #531.
  EXPECT_TRUE(tolerates_a_second_leader()) << "the mutant changes nothing";
  active_mutant = 0;
}

TEST(ShrinkerTest, LeavesLessThatFailsInTheSameWay) {
  active_mutant = 28;
  const Hunt found = hunt({}, 1, 500);
  ASSERT_NE(found.failing_seed, 0u);
  RunOptions options;
  options.seed = found.failing_seed;
  const std::string failure = run_isolated(options);
  const Shrunk shrunk = shrink(options, 150);
  active_mutant = 28;
  EXPECT_EQ(failure_kind(run_isolated(shrunk.options)), failure_kind(failure));
  const Scenario before = draw_scenario(options);
  const Scenario after = draw_scenario(shrunk.options);
  EXPECT_LE(after.duration, before.duration);
  EXPECT_LE(after.voters, before.voters);
  EXPECT_EQ(after.classes & ~before.classes, 0u);
  EXPECT_LE(shrunk.runs, 150u);
  std::printf("%s\n", repro_line(shrunk.options).substr(0, 200).c_str());
  active_mutant = 0;
}

}  // namespace
}  // namespace worldline::simulation
