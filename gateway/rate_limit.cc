#include "gateway/rate_limit.h"

#include <algorithm>

namespace worldline::gateway {

bool RateLimit::take(std::chrono::steady_clock::time_point now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::chrono::duration<double> passed = now - filled_;
  available_ = std::min(per_second_, available_ + per_second_ * std::max(0.0, passed.count()));
  filled_ = now;
  if (available_ < 1) return false;
  available_ -= 1;
  return true;
}

}  // namespace worldline::gateway
