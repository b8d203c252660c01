// storage/ref_count.h
//
// RefCount: the intrusive count of everything that is copied on write.
//
// Invariants: starts at one. A holder of the only reference may change the object in place:
// is_one() acquires what other threads released, so their last reads happen before that change.
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace worldline::storage {

class RefCount {
 public:
  void add() { count_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] bool release() { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  bool is_one() const { return count_.load(std::memory_order_acquire) == 1; }

 private:
  std::atomic<uint32_t> count_{1};
};

}  // namespace worldline::storage
