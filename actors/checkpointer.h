// actors/checkpointer.h
//
// Checkpointer writes checkpoints of all databases of a node, one after the other, on its own
// thread: pages to the checkpoint database, the switch through the log writer, then the old
// checkpoint goes and the group's core decides about the log before it [S 08/4.9].
//
// Invariants: the boundary moves only after the pages are synced; the group is told to let go of
// its log only after the boundary is stable. A failed or abandoned checkpoint changes nothing and
// is told by `done`: the database asks again later, and that attempt removes what this one left
// [S 08/3.12]. Ownership: the checkpoint writers are owned by the databases and lent per job.
// Thread: submit() from any; the work on the checkpointer's thread and, between, the log writer's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "storage/log/checkpoint_writer.h"
#include "storage/log/log_writer_queue.h"
#include "storage/snapshot.h"

namespace worldline::actors {

struct CheckpointJob {
  GroupId group;
  std::shared_ptr<storage::CheckpointWriter> writer;  // Used by one job at a time.
  storage::SnapshotPtr snapshot;
  storage::CheckpointCut cut;
  std::function<void(const Status&)> done;
};

class Checkpointer {
 public:
  // Called when the boundary was switched: the log up to the place is needed by followers at most.
  // Must only post.
  using Covered = std::function<void(GroupId, const storage::LogPlace&)>;
  // Life cycle lines for the server's log: failures, and that they are over.
  using Note = std::function<void(const std::string&)>;
  // Told of each change: a group's checkpoints fail, kCheckpointFailuresMax in a row, or one was
  // written again. Must only post.
  using Failing = std::function<void(bool)>;
  // `log` is borrowed and outlives this.
  Checkpointer(storage::LogWriterQueue& log, Covered covered, Note note, Failing failing);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  void submit(CheckpointJob job);
  // Runs `task` on this thread after everything submitted before it; at once when stopped.
  void run_after(std::function<void()> task);
  void stop();  // Finishes what was submitted, then ends the thread.
  // The same, but begins nothing after `deadline`: jobs that are left are told kUnavailable, tasks
  // are dropped. False: a job is still being stored. It will not be switched to, so it changes
  // nothing; the destructor waits for it.
  bool stop_by(std::chrono::steady_clock::time_point deadline);

 private:
  // A job, or a task if `task` is set.
  struct Item {
    CheckpointJob job;
    std::function<void()> task;
  };

  bool take(Item& item);  // False: stopped and nothing is left.
  bool is_abandoned();
  void run();
  void perform(CheckpointJob& job);
  Status write(CheckpointJob& job);
  void tell(const CheckpointJob& job, uint32_t failures_before, const Status& outcome) const;
  void judge(uint32_t failures, const Status& outcome);
  Status switch_boundary(const CheckpointJob& job, storage::Boundary boundary);

  bool push(Item item);  // False: stopping, nothing was taken.

  storage::LogWriterQueue& log_;
  const Covered covered_;
  const Note note_;
  const Failing failing_;
  bool is_failing_ = false;  // The thread's alone.
  std::mutex mutex_;
  std::condition_variable wake_;  // The thread: work or the end.
  std::condition_variable finished_changed_;
  std::deque<Item> jobs_;   // Guarded by mutex_.
  bool stopping_ = false;   // Guarded by mutex_.
  bool abandoned_ = false;  // Guarded by mutex_: the deadline of stop_by() is over.
  bool finished_ = false;   // Guarded by mutex_: the thread does nothing any more.
  std::thread thread_;      // Last: it uses everything above.
};

}  // namespace worldline::actors
