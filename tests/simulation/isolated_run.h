// tests/simulation/isolated_run.h
//
// Runs a simulation in a process of its own, so that a failed WL_CHECK is a finding like any other
// and not the end of the search.
#pragma once

#include <functional>
#include <string>

#include "tests/simulation/simulation.h"

namespace worldline::simulation {

// Runs `work` in a child; what it says comes back by a pipe, the manner of its end too.
using Say = std::function<void(const std::string&)>;
struct ChildText {
  std::string text;
  bool ended_normally = false;
};
ChildText text_of_child(const std::function<void(const Say&)>& work);

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
