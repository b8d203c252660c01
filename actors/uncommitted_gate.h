// actors/uncommitted_gate.h
//
// UncommittedGate makes a module host wait when too much of what it executed is not committed yet:
// undo memory and the work of a fail-over are bounded by it [S 08/4.2].
//
// Invariants: bytes() is what was passed and not released; it may exceed the limit by one proposal.
// Thread: pass() from the one executing thread, release() and open_for_good() from any. The mutex
// guards the counter; nothing runs under it. Units: bytes of proposals.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "base/limits.h"

namespace worldline::actors {

class UncommittedGate {
 public:
  explicit UncommittedGate(size_t bytes_max = limits::kUncommittedBytesMax)
      : bytes_max_(bytes_max) {}

  // Waits while the limit is reached, then counts `bytes`.
  void pass(size_t bytes) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [this] { return is_open_ || bytes_ < bytes_max_; });
    bytes_ += bytes;
  }
  void release(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bytes_ -= bytes;
    room_.notify_one();
  }
  // The group is gone: nobody waits any more.
  void open_for_good() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_open_ = true;
    room_.notify_one();
  }
  size_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  size_t bytes_ = 0;      // Guarded by mutex_.
  bool is_open_ = false;  // Guarded by mutex_.
};

}  // namespace worldline::actors
