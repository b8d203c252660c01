// actors/log_router.h
//
// LogRouter tells each group's actors when their log entries are stable. On a node alone stable is
// committed; a Raft group will put its quorum in between.
//
// Invariants: notices of a group ascend. A failed write is fatal: nothing written before it may be
// lost and nothing after it acknowledged, so `on_failure` must not return to normal work.
// Thread: on_written on the log writer's thread; add and remove from any. The mutex guards the
// map; callbacks only post messages. Sources: [S 08/3.12], architecture 9.6.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "storage/log/log_writer_queue.h"

namespace worldline::actors {

class LogRouter final : public storage::LogCompletions {
 public:
  using Listener = std::function<void(LogIndex)>;

  explicit LogRouter(std::function<void(const Status&)> on_failure)
      : on_failure_(std::move(on_failure)) {}

  void add(GroupId group, Listener listener);
  void remove(GroupId group);

  void on_written(std::span<const storage::QueuedJob> jobs, const Status& status) override;

 private:
  const std::function<void(const Status&)> on_failure_;
  std::mutex mutex_;
  std::map<GroupId, Listener> listeners_;  // Guarded by mutex_.
};

}  // namespace worldline::actors
