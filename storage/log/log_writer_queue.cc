#include "storage/log/log_writer_queue.h"

#include <utility>

namespace worldline::storage {

LogWriterQueue::LogWriterQueue(LogStore& store, LogCompletions& completions,
                               LogWriterLimits limits_in)
    : store_(store), completions_(completions), limits_(limits_in) {}

Result<LogTicket> LogWriterQueue::push(LogJob job) {
  const size_t bytes = job.bytes();
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  if (closed_) return Status::unavailable("the log writer is closed");
  // A job alone always fits, or an entry of the maximum size could never be written.
  if (queued_bytes_ > 0 && queued_bytes_ + bytes > limits_.queued_bytes_max)
    return Status::overloaded("log writer: {} B queued, limit queued_bytes_max is {} B",
                              queued_bytes_, limits_.queued_bytes_max);
  queued_bytes_ += bytes;
  const LogTicket ticket{++last_ticket_};
  queue_.push_back({ticket, std::move(job)});
  if (queue_.size() == 1) wake_.notify_one();
  return ticket;
}

void LogWriterQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wake_.notify_one();
}

bool LogWriterQueue::take_batch(std::vector<QueuedJob>& batch) {
  batch.clear();
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < limits_.batch_jobs_max) {
    const size_t next_bytes = queue_.front().job.bytes();
    if (!batch.empty() && bytes + next_bytes > limits_.batch_bytes_target) break;
    bytes += next_bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !batch.empty();
}

void LogWriterQueue::write_jobs(std::span<const QueuedJob> batch) {
  const Status status = store_.write(batch);
  {
    const std::lock_guard lock(mutex_);
    for (const QueuedJob& queued : batch) queued_bytes_ -= queued.job.bytes();
    if (!status.ok()) failure_ = status;
  }
  completions_.on_written(batch, status);
}

void LogWriterQueue::run() {
  std::vector<QueuedJob> batch;
  while (take_batch(batch)) write_jobs(batch);
}

size_t LogWriterQueue::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

}  // namespace worldline::storage
