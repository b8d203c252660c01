#include "storage/log/log_writer_queue.h"

#include <utility>

namespace worldline::storage {

LogWriterQueue::LogWriterQueue(LogStore& store, LogCompletions& completions,
                               LogWriterLimits limits_in, const Clock* clock)
    : store_(store), completions_(completions), limits_(limits_in), clock_(clock) {}

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
  queue_.push_back({{ticket, std::move(job)}, nullptr});
  if (queue_.size() == 1) wake_.notify_one();
  return ticket;
}

Result<LogTicket> LogWriterQueue::push_task(LogTask task) {
  WL_CHECK(task != nullptr);
  const std::lock_guard lock(mutex_);
  if (closed_) return Status::unavailable("the log writer is closed");
  const LogTicket ticket{++last_ticket_};
  queue_.push_back({{ticket, {}}, std::move(task)});
  if (queue_.size() == 1) wake_.notify_one();
  return ticket;
}

void LogWriterQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wake_.notify_one();
  drained_.notify_all();
  started_.notify_all();
}

bool LogWriterQueue::take_batch(LogWork& work) {
  work.jobs.clear();
  work.task = nullptr;
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
  if (queue_.empty()) return false;
  if (queue_.front().task) {
    work.task = std::move(queue_.front().task);
    queue_.pop_front();
    return true;
  }
  size_t bytes = 0;
  while (!queue_.empty() && !queue_.front().task && work.jobs.size() < limits_.batch_jobs_max) {
    const size_t next_bytes = queue_.front().queued.job.bytes();
    if (!work.jobs.empty() && bytes + next_bytes > limits_.batch_bytes_target) break;
    bytes += next_bytes;
    work.jobs.push_back(std::move(queue_.front().queued));
    queue_.pop_front();
  }
  return true;
}

void LogWriterQueue::perform(LogWork& work) {
  begin_work();
  if (work.task) {
    work.task(store_);
    work.task = nullptr;
    end_work(Work::kTask);
    if (store_.failure().ok()) return;
    bool is_first = false;
    {
      const std::lock_guard lock(mutex_);
      is_first = failure_.ok();
      failure_ = store_.failure();
    }
    drained_.notify_all();
    if (is_first) completions_.on_written({}, store_.failure());
    return;
  }
  const Status status = store_.write(work.jobs);
  end_work(Work::kWrite);
  {
    const std::lock_guard lock(mutex_);
    for (const QueuedJob& queued : work.jobs) queued_bytes_ -= queued.job.bytes();
    if (!status.ok()) failure_ = status;
  }
  drained_.notify_all();
  completions_.on_written(work.jobs, status);
}

void LogWriterQueue::begin_work() {
  if (clock_ == nullptr) return;
  const SteadyTime now = clock_->steady();
  const std::lock_guard lock(mutex_);
  in_flight_since_ = now;
  if (start_waiters_ > 0) started_.notify_all();
}

void LogWriterQueue::end_work(Work work) {
  if (clock_ == nullptr) return;
  const SteadyTime now = clock_->steady();
  const std::lock_guard lock(mutex_);
  if (work == Work::kWrite) write_times_.push_back(now - *in_flight_since_);
  if (write_times_.size() > kTimesKept) write_times_.pop_front();
  in_flight_since_.reset();
}

std::optional<SteadyTime> LogWriterQueue::in_flight_since() const {
  const std::lock_guard lock(mutex_);
  return in_flight_since_;
}

bool LogWriterQueue::wait_until_in_flight() {
  WL_CHECK(clock_ != nullptr);
  std::unique_lock lock(mutex_);
  ++start_waiters_;
  started_.wait(lock, [this] { return closed_ || in_flight_since_; });
  --start_waiters_;
  return !closed_;
}

std::vector<SteadyTime::duration> LogWriterQueue::take_write_times() {
  const std::lock_guard lock(mutex_);
  std::vector<SteadyTime::duration> times(write_times_.begin(), write_times_.end());
  write_times_.clear();
  return times;
}

void LogWriterQueue::run() {
  LogWork work;
  while (take_batch(work)) perform(work);
}

size_t LogWriterQueue::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

void LogWriterQueue::wait_until_below(size_t bytes) {
  WL_CHECK(bytes > 0);
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [this, bytes] { return closed_ || !failure_.ok() || queued_bytes_ < bytes; });
}

}  // namespace worldline::storage
