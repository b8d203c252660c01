// gateway/rate_limit.h
//
// A token bucket: `per_second` on average, as many at once. Used for WebSocket upgrades.
// Thread: any; the mutex guards two numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace worldline::gateway {

class RateLimit {
 public:
  explicit RateLimit(uint32_t per_second) : per_second_(per_second), available_(per_second) {}

  // false: the bucket is empty.
  bool take(std::chrono::steady_clock::time_point now);

 private:
  const double per_second_;
  std::mutex mutex_;
  double available_;                                // Guarded by mutex_.
  std::chrono::steady_clock::time_point filled_{};  // Likewise.
};

}  // namespace worldline::gateway
