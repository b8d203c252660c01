// bench/load/keynote_scenario.h
//
// The keynote benchmark: accounts that pay each other, in a closed loop of connections times calls
// in flight, confirmed, against a node or against nothing (the generator alone).
//
// Thread: blocks its caller. Errors: kUnavailable (no node), kFailedPrecondition (the node refused
// a step of the set-up). Sources: [S 09/5.1, 5.2].
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/status.h"
#include "bench/load/load_generator.h"
#include "bench/load/process_cpu.h"

namespace worldline::bench {

struct KeynoteOptions {
  std::string uri;       // Empty: start a node of our own.
  std::string database;  // Empty: publish under a fresh name.
  pid_t node_pid = 0;    // Of the node at `uri`, if it runs on this machine; 0 = unknown.
  double seconds = 10;
  double warmup_seconds = -1;   // Before the measured time; negative = 10 % of that.
  double timeout_seconds = 15;  // Of one call.
  bool verifies = true;         // Adds the balances up at the end.
  double null_seconds = 2;      // Of the run against nothing; 0 = leave it out.
  uint32_t connections = 64;
  uint32_t in_flight = 40;
  uint32_t threads = 1;
  uint32_t accounts = 100'000;
  int64_t initial = 1'000'000'000;
  double alpha = 0;
  uint64_t seed = 1;
  bool is_null_only = false;  // Measure the generator and nothing else.
};

// One measured run.
struct RunFigures {
  CallTally tally;
  double generator_cpu_seconds = 0;
  double connect_seconds = 0;

  double generator_cpu_us_per_call() const;
  double generator_utilisation(uint32_t threads) const;  // Share of its threads' time.
};

struct Verification {
  int64_t expected_sum = 0;
  int64_t sum = 0;
  uint64_t accounts = 0;
  uint64_t changed = 0;  // Accounts whose balance is not the initial one.
  double seconds = 0;
  bool passed() const { return sum == expected_sum && changed > 0; }
};

struct KeynoteFigures {
  std::optional<RunFigures> run;   // Absent with is_null_only.
  std::optional<RunFigures> null;  // Against nothing.
  std::optional<double> node_cpu_seconds;
  std::optional<uint64_t> node_resident_bytes;
  std::optional<Verification> verification;
  double start_seconds = 0;  // Of our own node; 0 with --uri.
  double publish_seconds = 0;
  double seed_seconds = 0;
  MachineInfo machine;
};

Result<KeynoteFigures> run_keynote(const KeynoteOptions& options);

}  // namespace worldline::bench
