// actors/checkpointer.h
//
// Checkpointer writes checkpoints of all databases of a node, one after the other, on its own
// thread: pages to the checkpoint database, the switch through the log writer, then the old
// checkpoint goes and the group's core decides about the log before it [S 08/4.9].
//
// Invariants: the boundary moves only after the pages are synced; the group is told to let go of
// its log only after the boundary is stable. A failed checkpoint changes nothing and is told by
// `done`. Ownership: the checkpoint writers are owned by the databases and lent per job. Thread:
// submit() from any; the work on the checkpointer's thread and, between, the log writer's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
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
  // Called when the boundary was switched: the log below the index is needed by followers at most.
  // Must only post.
  using Covered = std::function<void(GroupId, LogIndex)>;
  // `log` is borrowed and outlives this.
  Checkpointer(storage::LogWriterQueue& log, Covered covered);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  void submit(CheckpointJob job);
  // Runs `task` on this thread after everything submitted before it; at once when stopped.
  void run_after(std::function<void()> task);
  void stop();  // Finishes what was submitted, then ends the thread.

 private:
  void run();
  void perform(CheckpointJob& job);
  Status switch_boundary(const CheckpointJob& job, storage::Boundary boundary);

  storage::LogWriterQueue& log_;
  const Covered covered_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // A job, or a task if `task` is set.
  struct Item {
    CheckpointJob job;
    std::function<void()> task;
  };
  bool push(Item item);    // False: stopping, nothing was taken.
  std::deque<Item> jobs_;  // Guarded by mutex_.
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;     // Last: it uses everything above.
};

}  // namespace worldline::actors
