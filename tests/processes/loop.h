// tests/processes/loop.h
//
// Loop is the inbox of the thread that drives replication; Worker is a thread for what may block.
//
// Invariants: work runs in the order it was posted. Thread: post() from any; the rest as named.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace worldline::kv {

using Work = std::function<void()>;

class Loop {
 public:
  void post(Work work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    if (work_.size() == 1) wake_.notify_one();
  }

  // What was posted, at the latest after `within`. The loop's own thread.
  std::deque<Work> take(std::chrono::microseconds within) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, within, [this] { return !work_.empty(); });
    return std::exchange(work_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> work_;  // Guarded by mutex_.
};

class Worker {
 public:
  Worker() : thread_([this] { run(); }) {}
  ~Worker() {
    loop_.post([this] { is_done_ = true; });
    thread_.join();
  }
  void post(Work work) { loop_.post(std::move(work)); }

 private:
  void run() {
    while (!is_done_)
      for (const Work& work : loop_.take(std::chrono::seconds{1})) work();
  }

  Loop loop_;
  bool is_done_ = false;  // Of the thread.
  std::thread thread_;    // Last: it uses what is above.
};

}  // namespace worldline::kv
