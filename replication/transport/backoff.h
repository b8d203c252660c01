// replication/transport/backoff.h
//
// Pauses between attempts to reach a peer: they double from a minimum to a maximum, each shortened
// by up to half at random, so that nodes that lost the same peer do not return in step.
//
// Thread: a value of its user. Sources: [S 08/3.1].
#pragma once

#include <chrono>
#include <cstdint>

#include "base/prng.h"

namespace worldline::replication {

class Backoff {
 public:
  using Duration = std::chrono::microseconds;
  struct Range {
    Duration min = std::chrono::milliseconds(50);
    Duration max = std::chrono::seconds(1);
  };

  // REQUIRES: 0 < min <= max.
  Backoff(Range range, uint64_t seed);

  // The pause before the next attempt; the one after it is longer. `spent` is what the attempt that
  // failed took: pauses count from its start, or a peer that is reachable again would wait for the
  // end of a silent attempt and then for as long once more. Never less than half the minimum.
  Duration next(std::chrono::steady_clock::duration spent = {});
  void reset() { pause_ = range_.min; }

 private:
  const Range range_;
  Prng prng_;
  Duration pause_;  // Unshortened. INVARIANT: within range_.
};

}  // namespace worldline::replication
