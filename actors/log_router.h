// actors/log_router.h
//
// LogRouter tells the replication actor which jobs the log writer has made stable: one batch per
// synchronous write, over all groups.
//
// Invariants: jobs of a group are told in order. A failed write is fatal: nothing written before it
// may be lost and nothing after it acknowledged, so `on_failure` must not return to normal work.
// Thread: on_written on the log writer's; both callbacks only post. Sources: [S 08/3.12],
// architecture 9.6.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "replication/ready.h"
#include "storage/log/log_writer_queue.h"

namespace worldline::actors {

struct WrittenJob {
  GroupId group;
  replication::JobId job;
};
using WrittenJobsPtr = std::shared_ptr<const std::vector<WrittenJob>>;

class LogRouter final : public storage::LogCompletions {
 public:
  explicit LogRouter(std::function<void(const Status&)> on_failure)
      : on_failure_(std::move(on_failure)) {}

  // Set once, before the log writer runs.
  void set_listener(std::function<void(WrittenJobsPtr)> listener) {
    listener_ = std::move(listener);
  }

  void on_written(std::span<const storage::QueuedJob> jobs, const Status& status) override;

 private:
  const std::function<void(const Status&)> on_failure_;
  std::function<void(WrittenJobsPtr)> listener_;
};

}  // namespace worldline::actors
