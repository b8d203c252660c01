// tests/simulation/simulation.h
//
// One run: a cluster under faults for some virtual seconds, then the liveness phase, then the
// judgement of what the clients saw. Equal options give equal outcomes, byte for byte.
//
// Usage: const Outcome outcome = run_simulation(options); if (!outcome.ok()) ... outcome.failure.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/core_recording.h"
#include "tests/simulation/observer.h"
#include "tests/simulation/scenario.h"

namespace worldline::simulation {

struct Outcome {
  std::string failure;  // Empty: nothing was violated.
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t messages = 0;
  Micros virtual_time = 0;
  uint64_t calls = 0;
  uint64_t calls_done = 0;
  uint64_t calls_unknown = 0;
  uint64_t leaders = 0;
  uint64_t committed = 0;
  uint64_t model_actions = 0;   // That the abstract model allowed.
  bool was_recoverable = true;  // Else the liveness phase demanded nothing.
  bool search_gave_up = false;  // The linear order was not found, nor refuted, in time.
  Observer::Marks marks{};
  Observer::FaultMarks fault_marks{};
  std::vector<Decision> decisions;  // What the nemesis did.

  bool ok() const { return failure.empty(); }
};

// What the cores were given is written to `recording` if there is one.
Outcome run_simulation(const RunOptions& options, CoreRecording* recording = nullptr);

}  // namespace worldline::simulation
