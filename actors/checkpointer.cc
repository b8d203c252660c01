#include "actors/checkpointer.h"

#include <future>
#include <utility>

namespace worldline::actors {

Checkpointer::Checkpointer(storage::LogWriterQueue& log, Covered covered, Note note,
                           Failing failing)
    : log_(log),
      covered_(std::move(covered)),
      note_(std::move(note)),
      failing_(std::move(failing)),
      thread_([this] { run(); }) {}

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

// Puts the boundary behind everything queued and waits until it is stable. The group may have been
// stopped and marked meanwhile: then nothing more is written to it.
Status Checkpointer::switch_boundary(const CheckpointJob& job, storage::Boundary boundary) {
  storage::LogJob row;
  row.group = job.group;
  row.boundary = std::move(boundary);
  std::promise<Status> written;
  std::future<Status> outcome = written.get_future();
  WL_RETURN_IF_ERROR(log_.push_task([&written, &row](storage::LogStore& store) {
                           written.set_value(
                               store.is_attached(row.group)
                                   ? store.write(row)
                                   : Status::unavailable("group {} was stopped", row.group.value));
                         })
                         .status());
  return outcome.get();
}

Status Checkpointer::write(CheckpointJob& job) {
  auto boundary = job.writer->store(*job.snapshot, job.cut);
  job.snapshot.reset();  // The writer of the database need not clone pages for us any longer.
  WL_RETURN_IF_ERROR(boundary.status());
  if (is_abandoned()) return Status::unavailable("the node is stopping");
  WL_RETURN_IF_ERROR(switch_boundary(job, std::move(boundary).value()));
  WL_ASSIGN_OR_RETURN(const storage::LogPlace covered, job.writer->activate());
  covered_(job.group, covered);
  return {};
}

void Checkpointer::perform(CheckpointJob& job) {
  const uint32_t failures_before = job.writer->failures_in_row();
  const Status outcome = write(job);
  tell(job, failures_before, outcome);
  judge(job.writer->failures_in_row(), outcome);
  job.done(outcome);
}

void Checkpointer::tell(const CheckpointJob& job, uint32_t failures_before,
                        const Status& outcome) const {
  const uint32_t failures = job.writer->failures_in_row();
  if (outcome.ok() && failures_before > 0)
    note_(fmt::format("checkpoint written again group={} after {} failures", job.group.value,
                      failures_before));
  if (outcome.ok() || failures == failures_before) return;
  note_(fmt::format("checkpoint failed group={} failures_in_row={}: {}", job.group.value, failures,
                    outcome.message()));
  if (failures == storage::kCheckpointFailuresMax)
    note_(
        fmt::format("checkpoints of group {} fail: this node leads nothing that another node can "
                    "lead, and its log grows, until they succeed again",
                    job.group.value));
}

// All groups share the database: one success says that it takes writes, and a group that still
// fails says so again.
void Checkpointer::judge(uint32_t failures, const Status& outcome) {
  const bool failed_before = is_failing_;
  if (outcome.ok())
    is_failing_ = false;
  else if (failures >= storage::kCheckpointFailuresMax)
    is_failing_ = true;
  if (is_failing_ != failed_before) failing_(is_failing_);
}

}  // namespace worldline::actors
