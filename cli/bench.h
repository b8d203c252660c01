// cli/bench.h
//
// Hands `worldline bench ...` to the load harness in bench/load.
#pragma once

#include <string>
#include <vector>

namespace worldline::cli {

// `words`: everything after `bench`. Returns the exit code [S 09/5.5].
int run_bench(const std::vector<std::string>& words);

}  // namespace worldline::cli
