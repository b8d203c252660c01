// base/clock.h
//
// Where time comes from. Pure rooms never read a clock: whoever calls them passes a Timestamp taken
// from here, so tests and the simulator own time. Thread: any; implementations are thread-safe.
#pragma once

#include <chrono>

#include "base/ids.h"

namespace worldline {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;                                 // Wall clock; may jump.
  virtual std::chrono::steady_clock::time_point steady() const = 0;  // Never goes back.
  // Since the machine started; goes on while it is suspended [S 08/3.5].
  virtual std::chrono::microseconds boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  std::chrono::steady_clock::time_point steady() const override;
  std::chrono::microseconds boot() const override;
};

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return now_; }
  std::chrono::steady_clock::time_point steady() const override { return steady_; }
  std::chrono::microseconds boot() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(steady_.time_since_epoch());
  }
  void advance(std::chrono::microseconds by);

 private:
  Timestamp now_{1'700'000'000'000'000};
  std::chrono::steady_clock::time_point steady_{};
};

}  // namespace worldline
