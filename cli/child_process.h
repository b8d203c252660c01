// cli/child_process.h
//
// Runs a tool (esbuild, tsc) in a directory and waits for it. What it prints goes to our standard
// error, because standard output holds results only.
//
// Thread: one; blocks. Errors: kIoError if the program cannot be started or ended by a signal.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace worldline::cli {

// `arguments[0]` is the program: a path, or a name looked up in PATH. Returns its exit code.
Result<int> run_child(const std::vector<std::string>& arguments, const std::string& directory);

// Path of an executable in one of the directories of `path` (like $PATH), or empty.
std::string find_in_path(const std::string& name, const std::string& path);

}  // namespace worldline::cli
