#include "actors/log_router.h"

#include <utility>

namespace worldline::actors {

void LogRouter::add(GroupId group, Listener listener) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listeners_.insert_or_assign(group, std::move(listener));
}

void LogRouter::remove(GroupId group) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listeners_.erase(group);
}

void LogRouter::on_written(std::span<const storage::QueuedJob> jobs, const Status& status) {
  if (!status.ok()) {
    on_failure_(status);
    return;
  }
  std::map<GroupId, LogIndex> stable;
  for (const auto& queued : jobs)
    if (!queued.job.entries.empty()) stable[queued.job.group] = queued.job.entries.back().index();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [group, index] : stable) {
    const auto found = listeners_.find(group);
    if (found != listeners_.end()) found->second(index);
  }
}

}  // namespace worldline::actors
