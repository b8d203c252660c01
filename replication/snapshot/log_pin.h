// replication/snapshot/log_pin.h
//
// LogPin says how long a leader keeps its log from a snapshot's index on while that snapshot
// travels: as long as the transfer lives, but no more than a gibibyte of log or ten minutes. Then a
// newer snapshot is offered, of which most pages have arrived already [S 08/3.8].
//
// Ownership and thread: one value per transfer, one thread. Units: bytes of log; ticks.
#pragma once

#include "replication/snapshot/snapshot_messages.h"

namespace worldline::replication {

struct PinLimits {
  uint64_t log_bytes_max = 1 * limits::GiB;
  uint32_t ticks_max = 600 * kTicksPerSecond;
};

class LogPin {
 public:
  LogPin(const PinLimits& limits_in, LogIndex index) : limits_(limits_in), index_(index) {}

  void on_log_grew(uint64_t bytes) { log_bytes_ += bytes; }
  void tick() { ++ticks_; }
  bool is_spent() const { return log_bytes_ > limits_.log_bytes_max || ticks_ > limits_.ticks_max; }
  LogIndex index() const { return index_; }  // Entries behind it stay.

 private:
  const PinLimits limits_;
  const LogIndex index_;
  uint64_t log_bytes_ = 0;
  uint32_t ticks_ = 0;
};

}  // namespace worldline::replication
