// A fixed batch of schedules, seeds that once failed, and the proof that a run repeats exactly
// [S 08/6.2].
//
// A failure names its seed and the command that repeats it; WL_FIRST and WL_RUNS choose another
// batch.
#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/simulation/runner.h"

namespace worldline::simulation {
namespace {

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What no schedule of this simulator reaches, and why that is right.
const char* const kUnreachableMarks[] = {
    "drop-malformed",  // The network corrupts nothing; scripts forge such messages.
    "drop-uninit",     // Only leaders speak to a replica without state.
};

void check(const RunOptions& options, Tally& tally) {
  announce_run(options);
  const Outcome outcome = run_simulation(options);
  tally.add(outcome);
  EXPECT_TRUE(outcome.ok()) << outcome.failure << "\n  " << repro_line(options);
}

TEST(SimulationTest, NoScheduleBreaksAPromise) {
  const uint64_t first = number_from("WL_FIRST", 1);
  const uint64_t runs = number_from("WL_RUNS", 2000);
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + runs - 1));
  Tally tally;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    RunOptions options;
    options.seed = seed;
    check(options, tally);
  }
  std::printf("%s\n", print_tally(tally).c_str());
  // Faults must not be so many that nothing happens between them.
  EXPECT_GT(tally.leaders, runs);
  EXPECT_GT(tally.calls_done, 10 * runs) << "the clients were hardly served";
  EXPECT_LT(tally.unrecoverable, runs / 20) << "too much is lost to demand anything";
  EXPECT_LT(tally.gave_up, runs / 100) << "histories are too long to be judged";
  if (runs < 2000) return;
  for (const std::string& mark : tally.unreached())
    EXPECT_NE(std::find(std::begin(kUnreachableMarks), std::end(kUnreachableMarks), mark),
              std::end(kUnreachableMarks))
        << "mark not reached: " << mark;
}

TEST(SimulationTest, EachFaultClassAloneBreaksNoPromise) {
  Tally tally;
  for (size_t i = 0; i < kFaultClassCount; ++i) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      RunOptions options;
      options.seed = seed;
      options.only = static_cast<FaultClass>(i);
      check(options, tally);
    }
  }
}

// Each found a bug of the core or of the simulator once.
const uint64_t kRegressionSeeds[] = {9,    10,   96,    116,   119,   376,   587,   1157,  1319,
                                     1718, 3449, 52470, 19297, 20986, 22688, 27471, 55114, 57094};

TEST(SimulationTest, WhatOnceFailedPasses) {
  Tally tally;
  for (const uint64_t seed : kRegressionSeeds) {
    RunOptions options;
    options.seed = seed;
    options.edition = 1;
    check(options, tally);
  }
}

// One seed in a hundred of the batch runs twice.
TEST(SimulationTest, EqualSeedsGiveEqualRuns) {
  for (uint64_t seed = 1; seed <= 2000; seed += 100) {
    RunOptions options;
    options.seed = seed;
    const Outcome first = run_simulation(options);
    const Outcome second = run_simulation(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << repro_line(options);
    EXPECT_EQ(first.events, second.events) << repro_line(options);
    EXPECT_EQ(first.decisions, second.decisions) << repro_line(options);
    EXPECT_GT(first.events, 0u);
  }
}

TEST(SimulationTest, DifferentSeedsGiveDifferentRuns) {
  RunOptions options;
  const Outcome first = run_simulation(options);
  options.seed = 2;
  EXPECT_NE(first.trace_hash, run_simulation(options).trace_hash);
}

// What shrinking lives on: what is taken away shifts nothing else.
TEST(ScenarioTest, TakingAClassAwayChangesNoOther) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    RunOptions options;
    options.seed = seed;
    const Scenario whole = draw_scenario(options);
    for (size_t i = 0; i < kFaultClassCount; ++i) {
      const auto gone = static_cast<FaultClass>(i);
      options.without = {gone};
      const Scenario rest = draw_scenario(options);
      EXPECT_FALSE(rest.has(gone));
      EXPECT_EQ(rest.classes, whole.classes & ~(1u << i));
      EXPECT_EQ(rest.voters, whole.voters);
      EXPECT_EQ(rest.duration, whole.duration);
      EXPECT_EQ(rest.election_ticks, whole.election_ticks);
      EXPECT_EQ(rest.workload.weights, whole.workload.weights);
      for (size_t other = 0; other < kFaultClassCount; ++other) {
        if (other == i) continue;
        EXPECT_EQ(rest.rates[other].interval_mean, whole.rates[other].interval_mean);
        EXPECT_EQ(rest.rates[other].duration_max, whole.rates[other].duration_max);
      }
    }
  }
}

TEST(ScenarioTest, TheSwarmIsMixed) {
  constexpr uint64_t kSeeds = 4000;
  const uint32_t checkpoint = 1u << static_cast<uint32_t>(FaultClass::kCheckpoint);
  uint64_t single = 0;
  uint64_t crash_only = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RunOptions options;
    options.seed = seed;
    const Scenario scenario = draw_scenario(options);
    const uint32_t faults = scenario.classes & ~checkpoint;
    const bool is_crash = faults == 1u << static_cast<uint32_t>(FaultClass::kCrash);
    crash_only += is_crash ? 1 : 0;
    single += !is_crash && std::popcount(faults) == 1 ? 1 : 0;
    EXPECT_GE(scenario.election_ticks, 4 * scenario.heartbeat_ticks);
    EXPECT_GE(scenario.limits.inflight_bytes_max, scenario.limits.message_bytes_max);
  }
  EXPECT_NEAR(static_cast<double>(crash_only) / kSeeds, 0.27, 0.05);
  EXPECT_NEAR(static_cast<double>(single) / kSeeds, 0.25, 0.05);
}

}  // namespace
}  // namespace worldline::simulation
