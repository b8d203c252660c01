// A run written as a script, and the script replayed: the cores must do the same again, step by
// step [S 08/6.2, "emit a U script"].
//
// WL_RUNS raises the number of runs.
#include <cstdlib>

#include <gtest/gtest.h>

#include "replication/mutants.h"
#include "tests/simulation/script_replay.h"

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
