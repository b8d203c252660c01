// tests/simulation/runner.h
//
// The command line of the simulator: runs seeds, prints the failing one with the command that
// repeats it, and tells which coverage marks were reached.
//
//   simulation --seed 7 --trace           one run, told in full
//   simulation --first 1 --count 2000     a batch
//   simulation --seconds 600              as many as fit the time
//   simulation --seed 7 --shrink          the smallest run found that fails in the same way, and a
//                                         script of what its cores were given (--script FILE)
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/simulation.h"

namespace worldline::simulation {

// Sums over many runs.
struct Tally {
  uint64_t runs = 0;
  uint64_t events = 0;
  uint64_t calls = 0;
  uint64_t calls_done = 0;
  uint64_t calls_unknown = 0;
  uint64_t leaders = 0;
  uint64_t unrecoverable = 0;
  uint64_t gave_up = 0;
  Micros virtual_time = 0;
  Observer::Marks marks{};
  Observer::FaultMarks fault_marks{};

  void add(const Outcome& outcome);
  std::vector<std::string> unreached() const;  // Names of marks.
};
std::string print_tally(const Tally& tally);

// Remembers the run that is under way, so that a failed check can name it.
void announce_run(const RunOptions& options);

int run_command(int argc, char** argv);

}  // namespace worldline::simulation
