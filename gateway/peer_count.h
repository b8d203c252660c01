// gateway/peer_count.h
//
// PeerCount knows how many connections all I/O threads together have, and wakes whoever waits for
// the last of them to end.
//
// Ownership: the gateway's; the I/O threads borrow it. Thread: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace worldline::gateway {

class PeerCount {
 public:
  void add() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++count_;
  }
  void remove() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--count_ == 0) became_zero_.notify_all();
  }
  // False: some were left at the deadline.
  bool wait_for_zero(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    return became_zero_.wait_until(lock, deadline, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable became_zero_;
  size_t count_ = 0;  // Guarded by mutex_.
};

}  // namespace worldline::gateway
