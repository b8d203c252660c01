// bench/load/load_generator.h
//
// Runs the sessions of a load: one event loop per thread, sessions spread over the threads, one
// clock read per readable socket, nothing locked or allocated on the way.
//
// Thread: run_load() blocks its caller and owns the threads it starts.
// Errors: the first failure of any session ends the run.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/status.h"
#include "bench/load/call_session.h"
#include "bench/load/call_tally.h"

namespace worldline::bench {

struct LoadOptions {
  SessionOptions session;  // first_pair is set per session.
  uint32_t connections = 64;
  uint32_t threads = 1;
  std::chrono::milliseconds warmup{1000};
  std::chrono::milliseconds duration{10'000};
  std::chrono::milliseconds call_timeout{
      15'000};  // Then a call is an error, and waited for no more.
  // Called at the begin and the end of the window, from the caller's thread.
  std::function<void()> on_window_begin;
  std::function<void()> on_window_end;
};

struct LoadResult {
  CallTally tally;
  double generator_cpu_seconds = 0;  // Of all generator threads within the window.
  double connect_seconds = 0;        // To open all sessions.
};

uint64_t monotonic_us();
Result<LoadResult> run_load(const LoadOptions& options);

}  // namespace worldline::bench
