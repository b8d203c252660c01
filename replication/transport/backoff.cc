#include "replication/transport/backoff.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::replication {

Backoff::Backoff(Range range, uint64_t seed) : range_(range), prng_(seed), pause_(range.min) {
  WL_CHECK(range.min.count() > 0);
  WL_CHECK(range.min <= range.max);
}

Backoff::Duration Backoff::next(std::chrono::steady_clock::duration spent) {
  const Duration whole = pause_;
  pause_ = std::min(range_.max, 2 * pause_);
  const auto half = static_cast<uint64_t>(whole.count() / 2);
  const auto pause = whole - Duration(static_cast<int64_t>(prng_.below(half + 1)));
  return std::max(range_.min / 2, pause - std::chrono::duration_cast<Duration>(spent));
}

}  // namespace worldline::replication
