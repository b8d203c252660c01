// cli/stop_sequence.h
//
// The order in which a node stops, how much of the time each part gets, and how the process must
// end. The parts themselves are functions, so that tests own them and the time.
//
// Invariants: clients are answered before the node is told to stop; the node's part begins also
// after clients were left unanswered, if time is left; the exit code is 0 only if both parts said
// OK, so never with an accepted request unanswered.
// Thread: one. Units: milliseconds. Sources: [S 04/R36], [S 09/1.9, 1.10].
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace worldline::cli {

// How the time of a stop is shared [S 09/1.9]: nothing is as good as an answer, then what makes the
// next start quick; the rest is for closing what is open.
struct StopShares {
  explicit StopShares(std::chrono::milliseconds total)
      : answers(total * 6 / 10), all_parts(total * 9 / 10) {}

  // The last quarter of the clients' time belongs to answers alone, and what hangs may not take
  // more than half: behind it others wait.
  std::chrono::milliseconds shorten_calls() const { return answers / 2; }
  std::chrono::milliseconds refuse_calls() const { return answers * 3 / 4; }

  std::chrono::milliseconds answers;    // For the clients.
  std::chrono::milliseconds all_parts;  // When the node must have stopped, from the beginning.
};

struct StopParts {
  // Answers what was accepted within StopShares::answers.
  std::function<Status()> answer_clients;
  std::function<Status(std::chrono::milliseconds limit)> stop_node;
  std::function<void(const std::string&)> complain;  // A line for the server's log.
};

// The exit code of the process.
int stop_in_order(const StopParts& parts, const Clock& clock, std::chrono::milliseconds total);

}  // namespace worldline::cli
