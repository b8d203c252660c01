// replication/transport/grpc_lane.h
//
// GrpcLane is the one thread of a traffic class: a completion queue, what its operations report to,
// and a bell by which other threads hand it work. Everything about a stream happens here, so
// streams need no locks; a lane that is busy delays no other.
//
// Invariants: a task runs once, in order of post(), on the lane's thread. No operation begins after
//   close(). Idle: the thread sleeps in the kernel, nothing is polled on a timer.
// Ownership: a task is shared until it ran; an event outlives its operation.
// Thread: post() from any; close() from the lane's own; start() and join() from the owner's.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "replication/transport/transport_types.h"

namespace worldline::replication {

// What an operation on a completion queue reports to.
class LaneEvent {
 public:
  virtual void on_event(bool ok) = 0;

 protected:
  ~LaneEvent() = default;
};

class LaneTask {
 public:
  virtual ~LaneTask() = default;
  virtual void run_on_lane() = 0;
};

// An operation of an Owner with op_started(), which counts what is outstanding, and op_returned(),
// which may destroy the owner.
template <typename Owner>
class LaneOp final : public LaneEvent {
 public:
  using Handler = void (Owner::*)(bool ok);
  LaneOp(Owner& owner, Handler handler) : owner_(owner), handler_(handler) {}

  // For the call that begins the operation.
  void* begin() {
    owner_.op_started();
    return static_cast<LaneEvent*>(this);
  }
  void on_event(bool ok) override {
    (owner_.*handler_)(ok);
    owner_.op_returned();  // Last: `this` may be gone.
  }

 private:
  Owner& owner_;
  const Handler handler_;
};

class GrpcLane final : private LaneEvent {
 public:
  GrpcLane(TrafficClass cls, std::unique_ptr<grpc::ServerCompletionQueue> queue);
  ~GrpcLane();  // REQUIRES: never started, or joined.

  void start();
  // False: the lane is closed, and the task will not run.
  bool post(std::shared_ptr<LaneTask> task);
  template <typename Function>
  bool post_function(Function function);
  // REQUIRES: nothing begins operations any more. The thread ends when the last has reported.
  void close();
  void join();

  // Of `alarm`: reports to `tag` after the pause, or with ok = false when cancelled.
  void set(grpc::Alarm& alarm, std::chrono::microseconds pause, void* tag);

  TrafficClass cls() const { return cls_; }
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  void on_event(bool ok) override;  // The bell.
  void run();

  const TrafficClass cls_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;

  std::mutex mutex_;
  grpc::Alarm bell_;                              // Guarded by mutex_.
  bool is_rung_ = false;                          // Guarded by mutex_: the bell will report.
  bool is_closed_ = false;                        // Guarded by mutex_.
  std::vector<std::shared_ptr<LaneTask>> tasks_;  // Guarded by mutex_.
};

template <typename Function>
bool GrpcLane::post_function(Function function) {
  class FunctionTask final : public LaneTask {
   public:
    explicit FunctionTask(Function body) : body_(std::move(body)) {}
    void run_on_lane() override { body_(); }

   private:
    Function body_;
  };
  return post(std::make_shared<FunctionTask>(std::move(function)));
}

}  // namespace worldline::replication
