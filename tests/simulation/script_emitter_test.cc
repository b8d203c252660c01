// The last step of the shrinker: a bug in the core, found by a schedule, becomes a short script
// that breaks the same invariant, and breaks nothing without the bug [S 08/6.2].
#include "tests/simulation/script_emitter.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replication/mutants.h"
#include "tests/replication/raft_script.h"
#include "tests/simulation/runner.h"
#include "tests/simulation/shrinker.h"

namespace worldline::simulation {
namespace {

using replication::active_mutant;

std::vector<ScriptLine> lines_of(const EmittedScript& script) {
  std::vector<ScriptLine> lines;
  for (const auto& block : replication::testing::parse_script(script.text))
    for (const std::string& command : block.commands) lines.push_back({command, ReplicaId{}, ""});
  return lines;
}

struct EmittedCase {
  int mutant;
  const char* name;
  uint64_t seed;         // Finds it; see mutant_test.cc.
  const char* broken;    // One of the invariants of the run.
  size_t lines_at_most;  // Twice what was reached.
};
const EmittedCase kEmittedCases[] = {
    {1, "CompactedLogCountsAsTermZero", 454, "I-5", 32},
    {7, "OneVoterCommitsUnsavedEntries", 5, "I-7", 6},
    {18, "AcknowledgesBeforeItIsDurable", 1, "S1", 14},
    {20, "CommitMovesOverAStaleTailByHeartbeat", 17, "I-6", 42},
    {24, "ResendCutsOffEqualEntries", 9, "I-7", 150},
    {28, "VoteIsReplacedWithinATerm", 10, "I-9", 24},
    {102, "LeadsBeforeItsOwnVoteIsDurable", 2, "I-13", 20},
    {103, "JointConfigIsLeftToOneHalf", 41, "I-7", 40},
    {104, "VoteLeavesBeforeItIsDurable", 1, "S1", 10},
    {107, "SecondConfigChangeBeforeTheFirstCommits", 18, "I-15", 20},
};

class ScriptEmitterTest : public testing::TestWithParam<EmittedCase> {
 protected:
  void SetUp() override { active_mutant = GetParam().mutant; }
  void TearDown() override { active_mutant = 0; }
};

TEST_P(ScriptEmitterTest, WritesAShortScriptThatBreaksTheSameInvariant) {
  RunOptions options;
  options.seed = GetParam().seed;
  const Shrunk shrunk = shrink(options, 60);
  ASSERT_NE(shrunk.failure, "");
  const EmittedScript script = emit_script(shrunk.options);
  EXPECT_TRUE(script.breaks) << script.verdict;
  EXPECT_TRUE(invariants_in(script.failure).contains(GetParam().broken)) << script.failure;
  EXPECT_LE(script.lines_left, GetParam().lines_at_most) << script.text;
  EXPECT_LT(script.lines_left, script.lines_written);
  const std::vector<ScriptLine> lines = lines_of(script);
  const std::set<std::string> wanted = invariants_in(script.failure);
  EXPECT_NE(replay_lines(lines, wanted, ReplayMode::kStrict).broken, "") << script.text;
  active_mutant = 0;
  EXPECT_EQ(replay_lines(lines, wanted, ReplayMode::kStrict).broken, "") << script.text;
  std::printf("mutant %d: %zu of %zu lines, %zu replays\n", GetParam().mutant, script.lines_left,
              script.lines_written, script.replays);
}
INSTANTIATE_TEST_SUITE_P(S08, ScriptEmitterTest, testing::ValuesIn(kEmittedCases),
                         [](const auto& test) { return test.param.name; });

TEST(RepeatedScriptTest, EqualOptionsGiveEqualFiles) {
  active_mutant = 28;
  RunOptions options;
  options.seed = 10;
  const EmittedScript first = emit_script(options);
  EXPECT_TRUE(first.breaks);
  EXPECT_EQ(emit_script(options).text, first.text);
  active_mutant = 0;
}

// A search that may not replay anything writes all that the run had.
TEST(RepeatedScriptTest, TheSearchIsBounded) {
  active_mutant = 28;
  RunOptions options;
  options.seed = 10;
  const EmittedScript script = emit_script(options, 0);
  EXPECT_TRUE(script.breaks);
  EXPECT_EQ(script.replays, 1u);
  EXPECT_EQ(script.lines_left, script.lines_written);
  EXPECT_LE(emit_script(options, 20).replays, 21u);
  active_mutant = 0;
}

// What fails by time, not by a step, is written in full, and the script says why it breaks nothing.
TEST(UnbrokenScriptTest, SaysWhyItBreaksNothing) {
  active_mutant = 14;  // A probe is never resumed: the run ends with a member that serves nobody.
  RunOptions options;
  options.seed = 3;
  const EmittedScript script = emit_script(shrink(options, 60).options);
  EXPECT_TRUE(invariants_in(script.failure).contains("I-27")) << script.failure;
  EXPECT_FALSE(script.breaks);
  EXPECT_TRUE(
      script.verdict.starts_with("it breaks no invariant: the run failed by what did not "
                                 "happen in time"))
      << script.verdict;
  EXPECT_EQ(script.lines_left, script.lines_written);
  EXPECT_NE(script.text.find(script.verdict.substr(0, 22)), std::string::npos);
  active_mutant = 0;
}

TEST(UnbrokenScriptTest, OfARunThatDoesNotFailThereIsNone) {
  active_mutant = 0;
  RunOptions options;
  options.duration = kSecond;
  const EmittedScript script = emit_script(options);
  EXPECT_EQ(script.text, "");
  EXPECT_EQ(script.failure, "");
  EXPECT_FALSE(script.breaks);
}

// What a user does: one command, one file, one command that replays it.
TEST(ShrinkCommandTest, WritesTheFileAndSaysHowToReplayIt) {
  active_mutant = 28;
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / fmt::format("shrunk-{}.script", getpid());
  std::vector<std::string> words = {"simulation", "--seed", "10", "--shrink", "--script", path};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  const int code = run_command(static_cast<int>(arguments.size()), arguments.data());
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_EQ(code, 1);
  EXPECT_NE(said.find("it breaks I-9 again"), std::string::npos) << said;
  EXPECT_NE(said.find("raft_core_test --script " + path.string()), std::string::npos) << said;
  const auto blocks = replication::testing::load_script(path.parent_path(), path.stem());
  EXPECT_FALSE(blocks.empty());
  EXPECT_FALSE(replication::testing::run_script(blocks).failures.empty());
  active_mutant = 0;
  EXPECT_EQ(replication::testing::run_script(blocks).failures, std::vector<std::string>());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace worldline::simulation
