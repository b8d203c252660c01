// Trace validation, the second mode of [S 08/6.2]: every step of every replica, in random schedules
// and in all scripts, must be an allowed action of the abstract model. The core is that of the
// mutants, with none of them switched on, so that the same program can show what the model refuses.
//
// WL_RUNS raises the number of schedules.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "replication/mutants.h"
#include "tests/replication/raft_script.h"
#include "tests/simulation/core_trace.h"
#include "tests/simulation/runner.h"

namespace worldline::replication {

int active_mutant = 0;

}  // namespace worldline::replication

namespace worldline::simulation {
namespace {

using replication::active_mutant;
namespace scripts = replication::testing;

constexpr uint64_t kRuns = 120;

uint64_t runs_wanted() {
  const char* const text = std::getenv("WL_RUNS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : kRuns;
}

RunOptions options_of(uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.duration = 4 * kSecond;
  options.with_model = true;
  return options;
}

bool is_refusal(const std::string& failure) {
  return failure.starts_with("the model refuses");
}

TEST(TraceValidationTest, EveryStepOfASimulationIsAllowed) {
  active_mutant = 0;
  uint64_t actions = 0;
  for (uint64_t seed = 1; seed <= runs_wanted(); ++seed) {
    const RunOptions options = options_of(seed);
    announce_run(options);
    const Outcome outcome = run_simulation(options);
    EXPECT_TRUE(outcome.ok()) << outcome.failure << "\n  " << repro_line(options);
    actions += outcome.model_actions;
  }
  std::printf("%llu actions allowed\n", static_cast<unsigned long long>(actions));
  EXPECT_GT(actions, 200 * runs_wanted()) << "the model saw hardly anything";
}

// Following a run changes nothing of it.
TEST(TraceValidationTest, TheModelOnlyLooksOn) {
  active_mutant = 0;
  for (const uint64_t seed : {1ULL, 9ULL, 96ULL}) {
    RunOptions options = options_of(seed);
    const Outcome watched = run_simulation(options);
    options.with_model = false;
    EXPECT_EQ(run_simulation(options).trace_hash, watched.trace_hash) << repro_line(options);
  }
}

// --- Scripts -------------------------------------------------------------------------------------

struct Judged {
  std::string refusal;  // Of the first cluster that was refused.
  uint64_t actions = 0;
};

Judged judge_script(const std::string& name) {
  struct Follower {
    AbstractModel model;
    CoreTrace trace{model};
  };
  std::vector<std::unique_ptr<Follower>> followers;
  const auto folder = std::filesystem::path(WL_TEST_DATA) / "replication" / "scripts";
  scripts::run_script(scripts::load_script(folder, name), [&followers]() -> CoreListener* {
    followers.push_back(std::make_unique<Follower>());
    return &followers.back()->trace;
  });
  Judged judged;
  for (const auto& follower : followers) {
    if (judged.refusal.empty()) judged.refusal = follower->model.refusal();
    judged.actions += follower->model.actions();
  }
  return judged;
}

// Scripts that forge what no replica would send, or begin with a state no run leads to; and what
// the model has to say about it.
struct Forgery {
  const char* script;
  const char* refusal;  // Its beginning.
};
const Forgery kForgeries[] = {
    {"u50_old_self_vote", "QuorumLog"},  // Acknowledgements of what was never sent.
    {"u50_stale_messages", "QuorumLog"},
};

TEST(TraceValidationTest, EveryStepOfAScriptIsAllowed) {
  active_mutant = 0;
  uint64_t actions = 0;
  const auto folder = std::filesystem::path(WL_TEST_DATA) / "replication" / "scripts";
  for (const std::string& name : scripts::script_names(folder)) {
    const Judged judged = judge_script(name);
    actions += judged.actions;
    const auto* forgery = std::find_if(std::begin(kForgeries), std::end(kForgeries),
                                       [&name](const Forgery& f) { return name == f.script; });
    if (forgery == std::end(kForgeries)) {
      EXPECT_EQ(judged.refusal, "") << name;
    } else {
      EXPECT_EQ(judged.refusal.substr(0, std::strlen(forgery->refusal)), forgery->refusal) << name;
    }
  }
  EXPECT_GT(actions, 1000u);
}

// --- Mutants -------------------------------------------------------------------------------------

struct Refused {
  int mutant;
  const char* name;
  const char* rule;  // One of those that may refuse it.
};
const Refused kRefused[] = {
    {18, "AcknowledgesBeforeItIsDurable", "AppendEntries"},
    {20, "CommitMovesOverAStaleTailByHeartbeat", "LearnCommit"},
    {24, "ResendCutsOffEqualEntries", "AppendEntries"},
    {28, "VoteIsReplacedWithinATerm", "GrantVote"},
    {32, "CompletionOfAnOverwrittenWriteCounts", "Persisted"},
    {102, "LeadsBeforeItsOwnVoteIsDurable", "BecomeLeader"},
    {103, "JointConfigIsLeftToOneHalf", "AdvanceCommit"},
    {104, "VoteLeavesBeforeItIsDurable", "GrantVote"},
};

class RefusedTest : public testing::TestWithParam<Refused> {
 protected:
  void TearDown() override { active_mutant = 0; }
};

// By a script, or else by a schedule.
TEST_P(RefusedTest, IsRefused) {
  active_mutant = GetParam().mutant;
  const std::string wanted = GetParam().rule;
  const auto folder = std::filesystem::path(WL_TEST_DATA) / "replication" / "scripts";
  for (const std::string& name : scripts::script_names(folder)) {
    const std::string refusal = judge_script(name).refusal;
    if (!refusal.starts_with(wanted)) continue;
    std::printf("mutant %d: script %s: %s\n", active_mutant, name.c_str(), refusal.c_str());
    return;
  }
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const RunOptions options = options_of(seed);
    announce_run(options);
    const std::string failure = run_simulation(options).failure;
    if (!is_refusal(failure) || failure.find(wanted) == std::string::npos) continue;
    std::printf("mutant %d: seed %llu: %s\n", active_mutant, static_cast<unsigned long long>(seed),
                failure.c_str());
    return;
  }
  FAIL() << "the model allows " << GetParam().name;
}
INSTANTIATE_TEST_SUITE_P(S08, RefusedTest, testing::ValuesIn(kRefused),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::simulation
