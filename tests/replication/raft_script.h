// tests/replication/raft_script.h
//
// Sessions with a small cluster, written as text: tests/replication/scripts/*.script.
//
// A script is a list of blocks separated by blank lines. A block is one or more command lines; if
// they print anything, `----` and what they print follow. `#` begins a comment line. `expect`
// prints nothing when it holds; what it says cannot be rewritten away. README.md of this folder
// lists the commands.
//
// Ownership: values. Errors: a command that cannot be run, an expectation that does not hold and a
// problem of the cluster are failures of the run, whatever the recorded trace says.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/core_listener.h"

namespace worldline::replication::testing {

using ListenerMaker = std::function<simulation::CoreListener*()>;

struct ScriptBlock {
  std::vector<std::string> comments;
  std::vector<std::string> commands;
  std::vector<std::string> output;
};

std::vector<ScriptBlock> parse_script(const std::string& text);
std::string print_script(const std::vector<ScriptBlock>& blocks);

struct ScriptRun {
  std::vector<ScriptBlock> blocks;    // With the output of this run.
  std::vector<std::string> failures;  // Each with the command that failed.
};
// `listen` is asked once for each cluster of the script; what it returns is borrowed.
ScriptRun run_script(const std::vector<ScriptBlock>& blocks, const ListenerMaker& listen = {});

// The scripts of a folder by name, sorted, and one of them.
std::vector<std::string> script_names(const std::filesystem::path& folder);
std::vector<ScriptBlock> load_script(const std::filesystem::path& folder, const std::string& name);

// The scripts named by `--script FILE` are run and printed with what they print, each failure on
// standard error. The exit code of the process; none: there is no such argument.
std::optional<int> run_script_files(int argc, char** argv);

}  // namespace worldline::replication::testing
