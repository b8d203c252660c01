// tests/simulation/script_replay.h
//
// Runs the lines of a written script in a process of its own and says whether the invariant that a
// simulated run broke breaks again.
//
// Thread: forks; call from the only one. Errors: a replay that ends its process reproduces a run
// that did.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/scenario.h"
#include "tests/simulation/script_writer.h"

namespace worldline::simulation {

// A run again, with what its cores were given; also of one that ends in a failed check.
struct RecordedRun {
  std::string failure;
  WrittenScript script;
};
RecordedRun record_run(const RunOptions& options);
// The same of any `run`, which returns its failure.
RecordedRun record(const std::function<std::string(CoreRecording&)>& run);

// The invariants a text names: "I-7", "S1"; or "a failed check" for a process that ended.
std::set<std::string> invariants_in(const std::string& text);

// kStrict: what a line asks for must be there, and each replica must look as it did in the run.
enum class ReplayMode : uint8_t { kStrict, kLenient };
struct Replay {
  std::string broken;     // The first breach of what was looked for; "" = it held.
  size_t line = 0;        // Behind so many lines.
  std::string deviation;  // kStrict: the first difference from the run; "" = none.
  bool ok() const { return broken.empty(); }
};
Replay replay_lines(const std::vector<ScriptLine>& lines, const std::set<std::string>& wanted,
                    ReplayMode mode);

}  // namespace worldline::simulation
