// cli/last_resort.h
//
// LastResort ends the process at its deadline whatever hangs, so that a stop never needs a SIGKILL
// behind it; a second stop signal ends it at once. Until everything_is_safe() the exit code is 12:
// somebody may be unanswered. From then on only tearing down is left, which the kernel can do too,
// and the code is 0.
//
// Ownership: one per process, alive from the first stop signal until everything else is destroyed.
// Thread: its own, which takes no lock and touches nothing of the node.
// Units: milliseconds. Sources: [S 09/1.9, 1.10].
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

namespace worldline::cli {

class LastResort {
 public:
  // REQUIRES: all threads block `signals`, which has SIGTERM.
  LastResort(const sigset_t& signals, std::chrono::milliseconds limit);
  ~LastResort();  // In time: the process lives on.
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

  void everything_is_safe() { exit_code_ = 0; }

 private:
  void run();
  [[noreturn]] void end_process(const char* why) const;

  const sigset_t signals_;
  const std::chrono::steady_clock::time_point deadline_;
  std::atomic<int> exit_code_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace worldline::cli
