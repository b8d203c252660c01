// replication/snapshot/transfer_throttle.h
//
// TransferThrottle shares a byte rate among transfers: each gets an equal part, and what one does
// not use goes to the others [S 08/3.8]. A token bucket, refilled each tick. It also serves
// catch-up traffic [S 08/1.9].
//
// Invariants: over any time the bytes handed out are at most rate * time + one second's burst; the
// burst is what nobody wanted. A taker may overdraw its credit by one piece and waits it off.
// Ownership and thread: one value, one thread. Units: bytes, ticks of kTransferTick.
// Order of calls: per tick want() for each taker, then refill(); credit() > 0 allows one piece,
//   which is spent.
#pragma once

#include <cstdint>
#include <map>

#include "replication/snapshot/snapshot_messages.h"

namespace worldline::replication {

using TakerId = StrongId<struct TakerIdTag, uint64_t>;

class TransferThrottle {
 public:
  // REQUIRES: bytes_per_second >= kTicksPerSecond.
  explicit TransferThrottle(uint64_t bytes_per_second);

  void add(TakerId taker);
  void remove(TakerId taker);  // Its credit is forgotten, its debt paid by nobody.
  // How much it could send until the next tick; replaces what it said before.
  void want(TakerId taker, uint64_t bytes);
  // A tick passed.
  void refill();
  int64_t credit(TakerId taker) const;
  void spend(TakerId taker, uint64_t bytes);

 private:
  struct Taker {
    int64_t credit = 0;
    uint64_t wants = 0;
  };
  uint64_t needs(const Taker& taker) const;

  const uint64_t bytes_per_tick_;
  uint64_t unused_ = 0;  // INVARIANT: at most one second's bytes.
  std::map<TakerId, Taker> takers_;
};

}  // namespace worldline::replication
