// bench/load/bench_command.h
//
// `worldline bench ...`: the one door of the load harness, called by cli/bench.cc.
//
// Thread: blocks its caller. Exit codes [S 09/5.5]: 0 ok, 1 error, 2 usage, 21 verification failed,
// 22 target unreachable.
#pragma once

#include <string>
#include <vector>

#include "bench/load/bench_report.h"

namespace worldline::bench {

// `words`: everything after `bench`. `build` stands in the report.
int run_bench_command(const std::vector<std::string>& words, const BuildInfo& build);

}  // namespace worldline::bench
