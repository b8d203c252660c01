// tests/runtime/watchdog_test.cc: a call over its budget is stopped once, and only that call.
#include "runtime/watchdog.h"

#include <gtest/gtest.h>

namespace worldline::runtime {
namespace {

using std::chrono::milliseconds;

class CountingStopper final : public Stopper {
 public:
  void stop() noexcept override { count_.fetch_add(1); }
  int count() const { return count_.load(); }

 private:
  std::atomic<int> count_{0};
};

TEST(Watchdog, StopsACallOverItsBudgetExactlyOnce) {
  CountingStopper stopper;
  Watchdog watchdog;
  WatchSlot slot(stopper, milliseconds(20));
  watchdog.add(slot);
  slot.begin();
  while (stopper.count() == 0) std::this_thread::yield();
  EXPECT_TRUE(slot.end());
  EXPECT_EQ(stopper.count(), 1);
  slot.begin();
  EXPECT_FALSE(slot.end());
  watchdog.remove(slot);
  EXPECT_EQ(stopper.count(), 1);
}

TEST(Watchdog, NeverStopsShortCalls) {
  CountingStopper stopper;
  Watchdog watchdog;
  WatchSlot slot(stopper, milliseconds(1000));
  watchdog.add(slot);
  for (int i = 0; i < 100'000; ++i) {
    slot.begin();
    ASSERT_FALSE(slot.end());
  }
  watchdog.remove(slot);
  EXPECT_EQ(stopper.count(), 0);
}

TEST(Watchdog, StopNowHitsOnlyARunningCall) {
  CountingStopper stopper;
  WatchSlot slot(stopper, milliseconds(1000));
  slot.stop_now();
  EXPECT_EQ(stopper.count(), 0);
  slot.begin();
  slot.stop_now();
  slot.stop_now();
  EXPECT_EQ(stopper.count(), 1);
  EXPECT_TRUE(slot.end());
  slot.stop_now();
  EXPECT_EQ(stopper.count(), 1);
}

TEST(Watchdog, StopsFromManyThreadsNeverReachTheNextCall) {
  CountingStopper stopper;
  WatchSlot slot(stopper, milliseconds(1000));
  std::atomic<bool> done{false};
  std::thread other([&slot, &done] {
    while (!done.load()) slot.stop_now();
  });
  int stopped = 0;
  for (int i = 0; i < 20'000; ++i) {
    slot.begin();
    if (slot.end()) ++stopped;
    // After end() every stop has been delivered: the counts agree.
    ASSERT_EQ(stopper.count(), stopped);
  }
  done = true;
  other.join();
}

}  // namespace
}  // namespace worldline::runtime
