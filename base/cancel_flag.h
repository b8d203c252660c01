// base/cancel_flag.h
//
// CancelFlag says that nobody waits for an answer any more. Whoever asked sets it, once; whoever
// computes the answer may stop then, and still answers, so that callbacks run exactly once.
//
// Ownership: shared by both sides. Thread: any.
#pragma once

#include <atomic>
#include <memory>

namespace worldline {

class CancelFlag {
 public:
  void cancel() {
    cancelled_.store(true, std::memory_order_relaxed);
    cancelled_.notify_all();
  }
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void wait() const { cancelled_.wait(false, std::memory_order_relaxed); }  // Until it is set.

 private:
  std::atomic<bool> cancelled_{false};
};
using CancelFlagPtr = std::shared_ptr<const CancelFlag>;

}  // namespace worldline
