// tests/simulation/script_emitter.h
//
// The last step of the shrinker [S 08/6.2]: a failing run becomes a script that one can read, run
// alone and keep. It is written from what the cores were given, replayed at once, and, if the same
// invariant breaks again, made smaller line by line and word by word (delta debugging). Whatever a
// smaller script breaks is a real bug too, for every line is something that may happen; but where
// lines destroy data, there may be fewer copies left than in the run, and the script warns of it.
//
// A failure that is none of the cores' steps (what clients saw, what did not happen in time) is
// written all the same, up to the end of the run, and the script says so.
//
// Limits: kReplaysMax replays, kLinesMax lines in all of them.
#pragma once

#include <string>

#include "tests/simulation/script_replay.h"

namespace worldline::simulation {

struct EmittedScript {
  std::string text;          // The file. Empty: the run does not fail.
  std::string failure;       // Of the run.
  std::string verdict;       // In one line: what a replay does.
  bool breaks = false;       // The same invariant as the run.
  size_t lines_written = 0;  // All of the run.
  size_t lines_left = 0;
  size_t replays = 0;
};

inline constexpr size_t kReplaysMax = 4000;
inline constexpr size_t kLinesMax = 3'000'000;

EmittedScript emit_script(const RunOptions& options, size_t replays_max = kReplaysMax);

}  // namespace worldline::simulation
