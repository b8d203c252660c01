#include "replication/transport/grpc_lane.h"

#include <utility>

#include <grpc/support/time.h>

#include "base/check.h"

namespace worldline::replication {

GrpcLane::GrpcLane(TrafficClass cls, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : cls_(cls), queue_(std::move(queue)) {}

GrpcLane::~GrpcLane() {
  WL_CHECK(!thread_.joinable());
}

void GrpcLane::start() {
  thread_ = std::thread([this] { run(); });
}

void GrpcLane::run() {
  void* tag = nullptr;
  for (bool ok = false; queue_->Next(&tag, &ok);) static_cast<LaneEvent*>(tag)->on_event(ok);
}

bool GrpcLane::post(std::shared_ptr<LaneTask> task) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return false;
  tasks_.push_back(std::move(task));
  if (is_rung_) return true;
  is_rung_ = true;
  set(bell_, {}, static_cast<LaneEvent*>(this));
  return true;
}

void GrpcLane::set(grpc::Alarm& alarm, std::chrono::microseconds pause, void* tag) {
  const gpr_timespec after = gpr_time_from_micros(pause.count(), GPR_TIMESPAN);
  alarm.Set(queue_.get(), gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), after), tag);
}

void GrpcLane::on_event(bool) {
  std::vector<std::shared_ptr<LaneTask>> tasks;
  {
    const std::lock_guard lock(mutex_);
    is_rung_ = false;
    tasks.swap(tasks_);
    if (is_closed_) return;  // Rung before close(): nothing may begin any more.
  }
  for (const auto& task : tasks) task->run_on_lane();
}

void GrpcLane::close() {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;
    is_closed_ = true;
  }
  queue_->Shutdown();
}

void GrpcLane::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace worldline::replication
