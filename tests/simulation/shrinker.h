// tests/simulation/shrinker.h
//
// Makes a failing run smaller: less virtual time, fewer fault classes, fewer nodes and clients,
// then fewer decisions of the nemesis (delta debugging, Zeller and Hildebrandt 2002). Whatever
// still fails in the same way is kept. The script of what is left is script_emitter.h's.
#pragma once

#include <functional>
#include <string>

#include "tests/simulation/scenario.h"

namespace worldline::simulation {

struct Shrunk {
  RunOptions options;
  std::string failure;
  size_t decisions = 0;  // Of the nemesis that are left.
  size_t runs = 0;
};

// REQUIRES: the run of `options` fails. `runs_max` bounds the search.
Shrunk shrink(const RunOptions& options, size_t runs_max);

}  // namespace worldline::simulation
