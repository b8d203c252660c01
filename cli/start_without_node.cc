// run_start() and run_recover_group() of a binary that was built without the rooms of a node
// (WORLDLINE_ROOMS).
#include <cstdio>

#include "cli/recover_group.h"
#include "cli/start.h"

namespace worldline::cli {

int run_start(const StartOptions&) {
  std::fputs("Error: this binary was built without the rooms of a node\n", stderr);
  return 1;
}

int run_recover_group(const RecoverGroupOptions&, Console& console) {
  console.err("Error: this binary was built without the rooms of a node\n");
  return 1;
}

}  // namespace worldline::cli
