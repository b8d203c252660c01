// actors/log_watchdog.h
//
// LogWatchdog looks at the log write in flight: it tells when one stalls, and ends the process when
// one hangs for good. LogWatch is its judgement, without the thread.
//
// Invariants: the thread does no I/O and waits for nobody who does; while nothing is written and
//   all is well it sleeps; both callbacks are called on it and must do no I/O either.
// Thread: its own; construction and destruction on the node's. Units: std::chrono.
// Sources: [S 08/3.12].
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "actors/disk_desk.h"
#include "base/clock.h"
#include "storage/log/log_writer_queue.h"

namespace worldline::actors {

struct LogWatchParts {
  storage::LogWriterQueue* log = nullptr;  // Borrowed, as is the clock; they outlive the watch.
  const Clock* clock = nullptr;
  std::function<void(const LogHealth&)> changed;  // Only posts.
  std::function<void()> hopeless;                 // Ends the process.
  storage::StallPolicy policy;
};

class LogWatch {
 public:
  explicit LogWatch(LogWatchParts parts);  // REQUIRES: parts.policy is valid.

  void look();
  // What is told bad now must be looked at until it is well again.
  bool is_well() const { return stalls_.level() == storage::StallLevel::kNone && !is_slow_; }

 private:
  const LogWatchParts parts_;
  storage::StallDetector stalls_;
  storage::SlowDiskDetector slowness_{{}};
  bool is_slow_ = false;
};

class LogWatchdog {
 public:
  explicit LogWatchdog(LogWatchParts parts);
  ~LogWatchdog();  // REQUIRES: the log is closed.
  LogWatchdog(const LogWatchdog&) = delete;
  LogWatchdog& operator=(const LogWatchdog&) = delete;

 private:
  void run();
  bool is_stopped_after_pause();

  storage::LogWriterQueue& log_;
  LogWatch watch_;  // Of the thread.
  std::mutex mutex_;
  std::condition_variable stopping_changed_;
  bool is_stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;        // Last: it uses everything above.
};

}  // namespace worldline::actors
