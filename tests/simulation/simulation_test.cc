// A fixed batch of schedules, and the proof that a run repeats exactly [S 08/6.2].
//
// A failure names its seed and the command that repeats it; WL_FIRST and WL_RUNS choose another
// batch.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/simulation/runner.h"

namespace worldline::simulation {
namespace {

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(SimulationTest, EqualSeedsGiveEqualRuns) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RunOptions options;
    options.seed = seed;
    const Outcome first = run_simulation(options);
    const Outcome second = run_simulation(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << repro_line(options);
    EXPECT_EQ(first.events, second.events) << repro_line(options);
    EXPECT_GT(first.events, 0u);
  }
}

// Runs the batch and counts what happened in it.
Tally run_batch(uint64_t first, uint64_t runs, bool with_liveness) {
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + runs - 1));
  Tally tally;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.with_liveness = with_liveness;
    announce_run(options);
    const Outcome outcome = run_simulation(options);
    tally.add(outcome);
    EXPECT_TRUE(outcome.ok()) << outcome.failure << "\n  " << repro_line(options);
  }
  std::printf("%s\n", print_tally(tally).c_str());
  return tally;
}

TEST(SimulationTest, NoScheduleBreaksAPromise) {
  const uint64_t runs = number_from("WL_RUNS", 2000);
  const Tally tally = run_batch(number_from("WL_FIRST", 1), runs, false);
  EXPECT_GT(tally.leaders, runs);
  EXPECT_GT(tally.calls_done, 10 * runs) << "the clients were hardly served";
}

TEST(SimulationTest, AHealedMajorityServesAgain) {
  run_batch(number_from("WL_FIRST", 1), number_from("WL_LIVENESS_RUNS", 600), true);
}

}  // namespace
}  // namespace worldline::simulation
