// replication/transport/dial_pacer.h
//
// When a link dials again after an attempt failed or its stream broke. A stream that lasted is
// replaced at once and forgives what failed before it; everything else pauses.
//
// Thread: a value of its user, who tells the time. Sources: [S 08/3.1].
#pragma once

#include <chrono>
#include <optional>

#include "replication/transport/backoff.h"
#include "replication/transport/transport_types.h"

namespace worldline::replication {

class DialPacer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  DialPacer(Backoff::Range range, uint64_t seed) : range_(range), backoff_(range, seed) {}

  void on_dial(Time now);
  void on_up(Time now) { up_since_ = now; }
  // The pause before the next attempt, or nothing for none.
  // REQUIRES: on_dial() since the last call.
  std::optional<Backoff::Duration> on_over(Time now, EndReason reason);

 private:
  const Backoff::Range range_;
  Backoff backoff_;
  std::optional<Time> dialled_at_;  // Nothing between attempts.
  std::optional<Time> up_since_;    // Nothing: the attempt did not get so far.
};

}  // namespace worldline::replication
