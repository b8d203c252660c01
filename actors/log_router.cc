#include "actors/log_router.h"

#include <utility>

namespace worldline::actors {

void LogRouter::on_written(std::span<const storage::QueuedJob> jobs, const Status& status) {
  if (!status.ok()) {
    on_failure_(status);
    return;
  }
  auto written = std::make_shared<std::vector<WrittenJob>>();
  for (const auto& queued : jobs) {
    if (queued.job.job != 0)
      written->push_back({queued.job.group, replication::JobId{queued.job.job}});
  }
  if (!written->empty()) listener_(std::move(written));
}

}  // namespace worldline::actors
