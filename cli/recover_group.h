// cli/recover_group.h
//
// `worldline recover-group`: when a majority of a group's copies is gone for good, begins a new
// group from the copy that goes furthest, and marks all old copies as never to be used again
// [S 08/3.10]. Works on data directories of nodes that do not run.
//
// Invariants: nothing is written before the whole inventory was read and the operator has said that
//   it is complete and that data may be lost; a directory in use is refused. Old copies are marked
//   last: until then a run that was interrupted can be repeated.
// Thread: the command's one. Errors: the exit codes of cli/exit_codes.h; the reason on stderr.
// Sources: [S 08/3.7], [S 08/3.10].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/console.h"

namespace worldline::cli {

struct RecoverGroupOptions {
  std::vector<std::string> data_dirs;  // Of all nodes that survived with a copy.
  uint64_t group = 0;                  // 0: the one of `database`.
  std::string database;                // Name or identity, looked up in the directories' catalogs.
  bool all_survivors = false;          // The operator says that no other copy exists.
  std::string data_loss;               // What the operator knows to be lost; recorded.
  uint64_t new_group = 0;              // 0: the catalog of the chosen directory allocates it.
  bool dry_run = false;
};

// Returns the exit code of the process.
int run_recover_group(const RecoverGroupOptions& options, Console& console);

}  // namespace worldline::cli
