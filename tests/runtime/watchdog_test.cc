// tests/runtime/watchdog_test.cc: a call over its budget is stopped once, and only that call.
#include "runtime/watchdog.h"

#include <gtest/gtest.h>

namespace worldline::runtime {
namespace {

using std::chrono::milliseconds;

class CountingStopper final : public Stopper {
 public:
  void stop() noexcept override { count_.fetch_add(1); }
  void look_inside() noexcept override { looks_.fetch_add(1); }
  int count() const { return count_.load(); }
  int looks() const { return looks_.load(); }

 private:
  std::atomic<int> looks_{0};
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

// A look every millisecond, so the slot is let go after some fifty.
TEST(Watchdog, WatchesASlotAgainThatItHadLetGo) {
  CountingStopper stopper;
  Watchdog watchdog;
  WatchSlot slot(stopper, milliseconds(5));
  watchdog.add(slot);
  EXPECT_EQ(watchdog.watched_count(), 0u) << "it never had a call";
  for (int round = 1; round <= 5; ++round) {
    slot.begin();
    EXPECT_EQ(watchdog.watched_count(), 1u);
    while (stopper.count() < round) std::this_thread::yield();
    EXPECT_TRUE(slot.end());
    while (watchdog.watched_count() != 0) std::this_thread::yield();
  }
  watchdog.remove(slot);
}

TEST(Watchdog, NeverLosesACallThatBeginsWhileItsSlotIsLetGo) {
  CountingStopper stopper;
  Watchdog watchdog;
  WatchSlot slot(stopper, milliseconds(5));
  watchdog.add(slot);
  int stopped = 0;
  for (int round = 0; round < 40; ++round) {
    // The second call comes before, about when, or after the slot is let go.
    slot.begin();
    if (slot.end()) ++stopped;
    for (int turns = 0; turns < 5000 * round && watchdog.watched_count() != 0; ++turns)
      std::this_thread::yield();
    slot.begin();
    EXPECT_EQ(watchdog.watched_count(), 1u);
    if (slot.end()) ++stopped;
  }
  watchdog.remove(slot);
  EXPECT_EQ(stopper.count(), stopped);
}

TEST(Watchdog, EndsEveryCallOnceTheyAreRefused) {
  CountingStopper stopper;
  Watchdog watchdog;
  WatchSlot slot(stopper, std::chrono::hours(1));
  watchdog.add(slot);
  EXPECT_FALSE(watchdog.shortens_calls());
  slot.begin();
  const auto now = std::chrono::steady_clock::now();
  watchdog.wind_down({now, now});
  for (int calls = 1; calls <= 3; ++calls) {
    while (stopper.count() < calls) std::this_thread::yield();
    EXPECT_TRUE(slot.end());
    slot.begin();
  }
  EXPECT_TRUE(watchdog.shortens_calls());
  EXPECT_TRUE(watchdog.refuses_calls());
  slot.end();
  watchdog.remove(slot);
}

TEST(Watchdog, LeavesShortCallsTheirTimeWhenCallsAreShortened) {
  CountingStopper stopper;
  Watchdog watchdog;
  const auto now = std::chrono::steady_clock::now();
  watchdog.wind_down({now, WatchSlot::SteadyTime::max()});
  watchdog.wind_down({now + std::chrono::hours(1), WatchSlot::SteadyTime::max()});
  WatchSlot slot(stopper, std::chrono::hours(1));
  watchdog.add(slot);
  while (!watchdog.shortens_calls()) std::this_thread::yield();
  for (int i = 0; i < 100'000; ++i) {
    slot.begin();
    ASSERT_FALSE(slot.end());
  }
  slot.begin();
  while (stopper.count() == 0) std::this_thread::yield();
  EXPECT_TRUE(slot.end());
  EXPECT_FALSE(watchdog.refuses_calls());
  watchdog.remove(slot);
}

TEST(Watchdog, RefusesCallsAlsoWhenNoneIsWatched) {
  Watchdog watchdog;
  const auto now = std::chrono::steady_clock::now();
  watchdog.wind_down({now, now});
  while (!watchdog.refuses_calls()) std::this_thread::yield();
}

TEST(Watchdog, TellsOfALongCallOncePerSecond) {
  CountingStopper stopper;
  WatchSlot slot(stopper, milliseconds(3500));
  const WatchSlot::SteadyTime start{std::chrono::hours(1)};
  const auto look = [&slot, start](int64_t millis) {
    return slot.look(start + milliseconds(millis), milliseconds::max());
  };
  EXPECT_EQ(look(0), 0);
  EXPECT_EQ(look(5000), 0) << "nothing runs";
  slot.begin();
  const std::pair<int64_t, int64_t> looks[] = {{6000, 0}, {6250, 0}, {6999, 0}, {7000, 1},
                                               {7250, 1}, {8100, 2}, {9000, 3}};
  int64_t told = 0;
  for (const auto& [at, seconds] : looks) {
    EXPECT_EQ(look(at), seconds == told ? 0 : seconds) << at;
    told = seconds;
  }
  EXPECT_EQ(stopper.count(), 0);
  look(9500);
  EXPECT_EQ(stopper.count(), 1);
  EXPECT_TRUE(slot.end());
  slot.begin();
  EXPECT_EQ(look(9600), 0) << "another call";
  EXPECT_EQ(look(10600), 1);
  EXPECT_FALSE(slot.end());
}

TEST(Watchdog, LooksIntoCallsItSeesTwice) {
  CountingStopper stopper;
  WatchSlot slot(stopper, milliseconds(1000));
  const WatchSlot::SteadyTime start{std::chrono::hours(1)};
  const auto look = [&slot, &stopper, start](int64_t millis) {
    slot.look(start + milliseconds(millis), milliseconds::max());
    return stopper.looks();
  };
  EXPECT_EQ(look(0), 0);
  EXPECT_EQ(look(20), 0) << "nothing runs";
  slot.begin();
  EXPECT_EQ(look(40), 0) << "it may have begun just before";
  EXPECT_EQ(look(60), 1);
  EXPECT_EQ(look(80), 2);
  EXPECT_FALSE(slot.end());
  slot.begin();
  EXPECT_EQ(look(100), 2) << "another call";
  EXPECT_FALSE(slot.end());
  EXPECT_EQ(look(120), 2);
  EXPECT_EQ(look(140), 2);
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
