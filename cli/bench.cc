#include "cli/bench.h"

#ifdef WORLDLINE_HAVE_BENCH
#include "bench/load/bench_command.h"
#include "cli/version.h"
#else
#include <cstdio>
#endif

namespace worldline::cli {

#ifdef WORLDLINE_HAVE_BENCH
int run_bench(const std::vector<std::string>& words) {
  return bench::run_bench_command(words, {kVersion, kCommit, kCompiler});
}
#else
int run_bench(const std::vector<std::string>&) {
  std::fputs("Error: this binary was built without the load harness (bench/load)\n", stderr);
  return 1;
}
#endif

}  // namespace worldline::cli
