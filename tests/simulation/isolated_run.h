// tests/simulation/isolated_run.h
//
// Runs a simulation in a process of its own, so that a failed WL_CHECK is a finding like any other
// and not the end of the search.
#pragma once

#include <string>

#include "tests/simulation/simulation.h"

namespace worldline::simulation {

// The failure, empty if there is none. A process that ended by a signal failed with its name.
std::string run_isolated(const RunOptions& options);

// Runs seeds from `first` until one fails, in one process; 0 = none of `count` did.
struct Hunt {
  uint64_t failing_seed = 0;
  uint64_t runs = 0;
  std::string failure;
};
Hunt hunt(const RunOptions& options, uint64_t first, uint64_t count);

// What comes before the first colon or digit of a text: failures of one kind agree in it.
std::string failure_kind(const std::string& failure);

}  // namespace worldline::simulation
