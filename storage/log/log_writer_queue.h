// storage/log/log_writer_queue.h
//
// Group commit: everything queued while the previous sync ran goes into the next write. No timer:
// back to back under load, at once when idle [S 08/3.6].
//
// Thread: push*() and close() from any; take_batch() and perform() from the one writer thread.
//   The mutex guards the hand-over only; it is never held during a write.
// Invariants: jobs complete in the order of their tickets; after a failed write every job, queued
//   or new, is completed or refused with that failure. What is in flight can be asked at any time:
//   asking never waits for the disk [S 08/3.12].
// Units: bytes of entries. Errors: kOverloaded at the byte limit, kUnavailable after close().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "storage/log/log_store.h"
#include "storage/log/stall_detector.h"

namespace worldline::storage {

// Told by the writer thread when jobs are stable, in order. Must not block.
class LogCompletions {
 public:
  virtual ~LogCompletions() = default;
  // `status` holds for all of them: OK = stable; else the node must stop acknowledging. No jobs: a
  // task's write failed.
  virtual void on_written(std::span<const QueuedJob> jobs, const Status& status) = 0;
};

struct LogWriterLimits {
  size_t queued_bytes_max = 256 * limits::MiB;  // Four databases at their uncommitted limit.
  size_t batch_bytes_target = kLogBatchBytesTarget;
  size_t batch_jobs_max = kLogBatchJobsMax;
};

// Cold work on the store that must run on the writer thread: creating groups, truncation.
using LogTask = std::function<void(LogStore&)>;

// What one turn of the writer does: one write of many jobs, or one task.
struct LogWork {
  std::vector<QueuedJob> jobs;
  LogTask task;  // Set only if `jobs` is empty.
};

class LogWriterQueue {
 public:
  // `store`, `completions` and `clock` are borrowed; they outlive this. Without a clock nothing is
  // timed.
  LogWriterQueue(LogStore& store, LogCompletions& completions, LogWriterLimits limits_in = {},
                 const Clock* clock = nullptr);

  Result<LogTicket> push(LogJob job);
  // Runs `task` on the writer thread after everything pushed before it and before what follows.
  // It reports by itself; after a failed write tasks still run and see store.failure().
  Result<LogTicket> push_task(LogTask task);
  void close();  // What is queued is still done; then take_batch() returns false.

  // Waits for work and takes as much as fits one write. False: closed and drained.
  bool take_batch(LogWork& work);
  // One synchronous write, then the completions; or the task.
  void perform(LogWork& work);
  // take_batch + perform until closed: the body of the writer's thread.
  void run();

  size_t queued_bytes() const;
  // For the StallDetector: when the write or task that runs began; nullopt if none does.
  std::optional<SteadyTime> in_flight_since() const;
  // Waits for a write or task to run. False: closed. REQUIRES: a clock; not the writer thread.
  bool wait_until_in_flight();
  // For the SlowDiskDetector: how long the writes since the last call took. Beyond kTimesKept the
  // oldest are forgotten.
  static constexpr size_t kTimesKept = 4096;
  std::vector<SteadyTime::duration> take_write_times();
  // Blocks until queued_bytes() < `bytes`, or nothing more will be written (closed, failed).
  // REQUIRES: bytes > 0; not the writer thread.
  void wait_until_below(size_t bytes);

 private:
  enum class Work : uint8_t { kWrite, kTask };
  void begin_work();
  void end_work(Work work);

  LogStore& store_;              // Borrowed; outlives this.
  LogCompletions& completions_;  // Borrowed; outlives this.
  const LogWriterLimits limits_;
  const Clock* const clock_;  // Borrowed; outlives this. May be null.

  mutable std::mutex mutex_;
  std::condition_variable wake_;     // The writer: work or close().
  std::condition_variable drained_;  // wait_until_below(): a batch was done.
  std::condition_variable started_;  // wait_until_in_flight(): work began.
  size_t start_waiters_ = 0;         // Guarded by mutex_; else no write notifies anybody.
  struct Item {
    QueuedJob queued;
    LogTask task;  // Set: `queued` has the ticket only.
  };

  std::deque<Item> queue_;    // Guarded by mutex_.
  size_t queued_bytes_ = 0;   // Guarded by mutex_; of queue_ and the batch being written.
  uint64_t last_ticket_ = 0;  // Guarded by mutex_.
  bool closed_ = false;       // Guarded by mutex_.
  Status failure_;            // Guarded by mutex_; sticky.
  std::optional<SteadyTime> in_flight_since_;     // Guarded by mutex_.
  std::deque<SteadyTime::duration> write_times_;  // Guarded by mutex_.
};

}  // namespace worldline::storage
