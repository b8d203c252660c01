#include "base/clock.h"

#include <time.h>

namespace worldline {

Timestamp SystemClock::now() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

std::chrono::steady_clock::time_point SystemClock::steady() const {
  return std::chrono::steady_clock::now();
}

std::chrono::microseconds SystemClock::boot() const {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::duration_cast<std::chrono::microseconds>(
                                                 std::chrono::nanoseconds{time.tv_nsec});
}

void FakeClock::advance(std::chrono::microseconds by) {
  now_.micros += by.count();
  steady_ += by;
}

}  // namespace worldline
