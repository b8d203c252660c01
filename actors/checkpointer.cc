#include "actors/checkpointer.h"

#include <future>
#include <utility>

namespace worldline::actors {

Checkpointer::Checkpointer(storage::LogWriterQueue& log, Covered covered)
    : log_(log), covered_(std::move(covered)), thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  stop();
}

bool Checkpointer::push(Item item) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return false;
  jobs_.push_back(std::move(item));
  wake_.notify_one();
  return true;
}

void Checkpointer::submit(CheckpointJob job) {
  const auto done = job.done;
  if (!push({std::move(job), {}})) done(Status::unavailable("the node is stopping"));
}

void Checkpointer::run_after(std::function<void()> task) {
  if (!push({{}, task})) task();
}

void Checkpointer::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

bool Checkpointer::stop_by(std::chrono::steady_clock::time_point deadline) {
  std::deque<Item> left;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
    abandoned_ = !finished_changed_.wait_until(lock, deadline, [this] { return finished_; });
    left.swap(jobs_);
    if (!abandoned_) {
      lock.unlock();
      thread_.join();
      return true;
    }
  }
  for (const Item& item : left)
    if (!item.task) item.job.done(Status::unavailable("the node is stopping"));
  return false;
}

bool Checkpointer::is_abandoned() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return abandoned_;
}

bool Checkpointer::take(Item& item) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
  if (jobs_.empty()) {
    finished_ = true;
    finished_changed_.notify_one();
    return false;
  }
  item = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

void Checkpointer::run() {
  for (Item item; take(item); item = {}) {
    if (item.task)
      item.task();
    else
      perform(item.job);
  }
}

// Puts the boundary behind everything queued and waits until it is stable.
Status Checkpointer::switch_boundary(const CheckpointJob& job, storage::Boundary boundary) {
  storage::LogJob row;
  row.group = job.group;
  row.boundary = std::move(boundary);
  WL_RETURN_IF_ERROR(log_.push(std::move(row)).status());
  std::promise<Status> written;
  std::future<Status> outcome = written.get_future();
  WL_RETURN_IF_ERROR(
      log_.push_task([&written](storage::LogStore& store) { written.set_value(store.failure()); })
          .status());
  return outcome.get();
}

void Checkpointer::perform(CheckpointJob& job) {
  Status outcome;
  auto boundary = job.writer->store(*job.snapshot, job.cut);
  job.snapshot.reset();  // The writer of the database need not clone pages for us any longer.
  if (boundary.ok() && is_abandoned())
    outcome = Status::unavailable("the node is stopping");
  else
    outcome = boundary.ok() ? switch_boundary(job, std::move(boundary).value()) : boundary.status();
  if (outcome.ok()) {
    const auto first_needed = job.writer->activate();
    outcome = first_needed.status();
    if (first_needed.ok()) covered_(job.group, *first_needed);
  }
  job.done(outcome);
}

}  // namespace worldline::actors
