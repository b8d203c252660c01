// A run written as a script, and the script replayed: the cores must do the same again, step by
// step [S 08/6.2, "emit a U script"].
//
// WL_RUNS raises the number of runs.
#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/check.h"
#include "replication/mutants.h"
#include "tests/simulation/script_replay.h"
#include "tests/simulation/simulation.h"

namespace worldline::simulation {
namespace {

using replication::active_mutant;

uint64_t runs_wanted() {
  const char* const text = std::getenv("WL_RUNS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 60;
}

TEST(WrittenScriptTest, ReplaysEveryStepOfEveryReplica) {
  active_mutant = 0;
  size_t lines = 0;
  for (uint64_t seed = 1; seed <= runs_wanted(); ++seed) {
    RunOptions options;
    options.seed = seed;
    options.duration = 4 * kSecond;
    const RecordedRun run = record_run(options);
    EXPECT_EQ(run.failure, "") << repro_line(options);
    EXPECT_EQ(run.script.gaps, std::vector<std::string>()) << repro_line(options);
    const Replay replay = replay_lines(run.script.lines, {}, ReplayMode::kStrict);
    EXPECT_EQ(replay.deviation, "") << repro_line(options);
    EXPECT_EQ(replay.line, run.script.lines.size()) << repro_line(options);
    lines += run.script.lines.size();
  }
  std::printf("%zu lines replayed\n", lines);
  EXPECT_GT(lines, 200 * runs_wanted()) << "hardly anything was written";
}

// What random runs rarely show: reads of the log that find what was not reported, replicas that
// lose their disk before they have a log, offers of checkpoints that were not reported.
struct RareCase {
  uint64_t seed;
  std::optional<FaultClass> only;
  const char* has;  // In one of the lines.
};
const RareCase kRareCases[] = {
    {4, std::nullopt, "fetch "},
    {165, std::nullopt, "fetch "},
    {588, std::nullopt, "lose "},
    {719, std::nullopt, "lose "},
    {23, FaultClass::kVolumeLoss, "offer "},
    {22, FaultClass::kLeadership, "offer "},
    {3, FaultClass::kLostTail, " last="},
    {9, FaultClass::kDataLoss, "lose "},
};

TEST(WrittenScriptTest, ReplaysWhatRarelyHappens) {
  active_mutant = 0;
  for (const RareCase& rare : kRareCases) {
    RunOptions options;
    options.seed = rare.seed;
    options.only = rare.only;
    const RecordedRun run = record_run(options);
    EXPECT_EQ(run.script.gaps, std::vector<std::string>()) << repro_line(options);
    const Replay replay = replay_lines(run.script.lines, {}, ReplayMode::kStrict);
    EXPECT_EQ(replay.deviation, "") << repro_line(options);
    const auto& lines = run.script.lines;
    const auto is_meant = [&rare](const ScriptLine& l) {
      return l.command.find(rare.has) != std::string::npos;
    };
    EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), is_meant)) << repro_line(options);
  }
}

// A script that leaves out what moves a replica is found out.
TEST(WrittenScriptTest, AMissingLineIsNoticed) {
  active_mutant = 0;
  RunOptions options;
  options.duration = kSecond;
  const RecordedRun run = record_run(options);
  size_t left_out = 0;
  size_t noticed = 0;
  for (size_t i = 20; i < run.script.lines.size() && left_out < 40; ++i) {
    const std::string& command = run.script.lines[i].command;
    if (!command.starts_with("write") && !command.starts_with("apply")) continue;
    std::vector<ScriptLine> lines = run.script.lines;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    ++left_out;
    if (!replay_lines(lines, {}, ReplayMode::kStrict).deviation.empty()) ++noticed;
  }
  EXPECT_GT(left_out, 10u);
  EXPECT_EQ(noticed, left_out);
}

// A failed check ends the process of the run; what led to it is not lost.
TEST(WrittenScriptTest, ARunThatEndsItsProcessIsWrittenToo) {
  active_mutant = 0;
  const RecordedRun run = record([](CoreRecording& recording) {
    RunOptions options;
    options.duration = kSecond;
    run_simulation(options, &recording);
    recording.begin(ReplicaId{1}, CoreInput::kPaused);
    WL_CHECK(recording.steps().empty());
    return std::string("the check did not fail");
  });
  EXPECT_EQ(run.failure, "process ended: a check failed");
  EXPECT_EQ(run.script.gaps, std::vector<std::string>());
  ASSERT_GT(run.script.lines.size(), 20u);
  EXPECT_EQ(run.script.lines.back().command, "pause 1");
  EXPECT_EQ(replay_lines(run.script.lines, {}, ReplayMode::kStrict).deviation, "");
}

TEST(WrittenScriptTest, AReplayThatEndsItsProcessIsABreach) {
  const std::vector<ScriptLine> lines = {{"cluster voters=1 E=4 heartbeat=3", ReplicaId{}, ""}};
  const std::set<std::string> wanted = invariants_in("process ended: a check failed");
  EXPECT_NE(replay_lines(lines, wanted, ReplayMode::kLenient).broken, "");
  EXPECT_EQ(replay_lines(lines, {"I-7"}, ReplayMode::kLenient).broken, "");
}

TEST(InvariantsTest, AreFoundInTexts) {
  const std::set<std::string> two{"I-2", "I-4"};
  EXPECT_EQ(invariants_in("I-2, I-4: replica 3: entry 5 of term 2"), two);
  EXPECT_EQ(invariants_in("the core reports I-13 of replica 2"), std::set<std::string>{"I-13"});
  EXPECT_EQ(invariants_in("2: answers too early (S1)"), std::set<std::string>{"S1"});
  EXPECT_EQ(invariants_in("process ended: a check failed"),
            std::set<std::string>{"a failed check"});
  EXPECT_EQ(invariants_in("XI-3 S I- list: length 4"), std::set<std::string>());
}

}  // namespace
}  // namespace worldline::simulation
