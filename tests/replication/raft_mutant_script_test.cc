// tests/replication/raft_mutant_script_test.cc: bugs of other systems, put back into the core one
// by one, each change what some script prints [S 08/6.4]. What the simulator finds by chance within
// a few hundred runs is in tests/simulation/mutant_test.cc; here is what a script finds every time.
//
// With `--mutant N --script FILE` that script alone is run, and what it prints is shown.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replication/mutants.h"
#include "tests/replication/raft_script.h"

namespace worldline::replication {

int active_mutant = 0;

namespace testing {
namespace {

const std::filesystem::path kScripts = std::filesystem::path(WL_TEST_DATA) / "replication/scripts";

bool prints_what_it_should(const std::vector<ScriptBlock>& blocks) {
  const ScriptRun run = run_script(blocks);
  return run.failures.empty() && print_script(run.blocks) == print_script(blocks);
}

// In a process of its own, because a mutant may break an assertion.
bool passes_with(int mutant, const std::vector<ScriptBlock>& blocks) {
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    active_mutant = mutant;
    _exit(prints_what_it_should(blocks) ? 0 : 1);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) std::abort();
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The first in the order of names; empty: all pass.
std::string script_that_fails_with(int mutant) {
  for (const std::string& name : script_names(kScripts))
    if (!passes_with(mutant, load_script(kScripts, name))) return name;
  return {};
}

struct MutantCase {
  int number;
  const char* name;
  const char* source;
};
const MutantCase kMutantCases[] = {
    {1, "CompactedLogCountsAsTermZero", "eBay/NuRaft #668"},
    {3, "PreVoteLooksAtLivenessOnly", "ClickHouse #121252"},
    {7, "OneVoterCommitsUnsavedEntries", "etcd #14370"},
    {12, "ReadIsAnsweredWithoutAQuorum", "etcd #20418"},
    {14, "ProbeIsNeverResumed", "hashicorp/raft #612"},
    {18, "AcknowledgesBeforeItIsDurable", "tikv #994"},
    {19, "CommitMovesOverAStaleTailByAppend", "scylladb #9965"},
    {20, "CommitMovesOverAStaleTailByHeartbeat", "scylladb #10578"},
    {21, "WholeLogCountsAsVerified", "CCF #8172, rabbitmq/ra #508"},
    {23, "ConflictRollsBackToTheCommit", "vesoft-inc/nebula #2483"},
    {24, "ResendCutsOffEqualEntries", "nebula #5881"},
    {28, "VoteIsReplacedWithinATerm", "camunda #5356, akka-raft #56"},
    {29, "SnapshotDeletesTheNewerSuffix", "camunda #6092"},
    {32, "CompletionOfAnOverwrittenWriteCounts", "redpanda #15201, #3531"},
    {101, "CommitsByCountingAnOlderTerm", "Raft paper, figure 8"},
    {102, "LeadsBeforeItsOwnVoteIsDurable", "[S 08/2] I-13"},
    {103, "JointConfigIsLeftToOneHalf", "[S 08/1.17] S10"},
    {104, "VoteLeavesBeforeItIsDurable", "[S 08/1.17] S1"},
    {107, "SecondConfigChangeBeforeTheFirstCommits", "raft-rs #221 and its kin"},
};

class RaftMutantScriptTest : public ::testing::TestWithParam<MutantCase> {};

TEST_P(RaftMutantScriptTest, IsFound) {
  const std::string found = script_that_fails_with(GetParam().number);
  EXPECT_NE(found, "") << GetParam().source << ": every script passes with it";
  RecordProperty("found_by", found);
}
INSTANTIATE_TEST_SUITE_P(S08, RaftMutantScriptTest, ::testing::ValuesIn(kMutantCases),
                         [](const auto& test) { return test.param.name; });

// The build of the mutants is not to blame for what they do.
TEST(NoMutantTest, EveryScriptPassesInTheSameBuild) {
  EXPECT_EQ(script_that_fails_with(0), "");
}

}  // namespace
}  // namespace testing
}  // namespace worldline::replication

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string_view(argv[i]) == "--mutant")
      worldline::replication::active_mutant = std::atoi(argv[i + 1]);
  if (const auto code = worldline::replication::testing::run_script_files(argc, argv); code)
    return *code;
  return RUN_ALL_TESTS();
}
