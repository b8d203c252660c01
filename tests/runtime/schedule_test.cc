// tests/runtime/schedule_test.cc: when schedule rows are due [S 03/4.11].
#include "runtime/schedule.h"

#include <gtest/gtest.h>

namespace worldline::runtime {
namespace {

constexpr ScheduleAt interval(int64_t micros) {
  return {ScheduleAt::Kind::kInterval, micros};
}
constexpr ScheduleAt time_at(int64_t micros) {
  return {ScheduleAt::Kind::kTime, micros};
}

struct DueCase {
  const char* name;
  ScheduleAt at;
  int64_t now;
  int64_t delay;
  int64_t due;
};
constexpr DueCase kDueCases[] = {
    {"TimeInTheFutureIsDueThen", time_at(1500), 1000, 500, 1500},
    {"TimeInThePastIsDueNow", time_at(10), 1000, 0, 1000},
    {"IntervalIsDueOneIntervalFromNow", interval(250), 1000, 250, 1250},
    {"NegativeIntervalCountsByItsLength", interval(-250), 1000, 250, 1250},
    {"SmallestIntervalDoesNotOverflow", interval(INT64_MIN), 1000, INT64_MAX, INT64_MAX},
    {"FarthestTimeDoesNotOverflow", time_at(INT64_MAX), INT64_MIN + 1, INT64_MAX, 0},
};
class FirstDueTest : public testing::TestWithParam<DueCase> {};
TEST_P(FirstDueTest, DelayAndDueTime) {
  const DueCase& c = GetParam();
  EXPECT_EQ(schedule_delay_micros(c.at, {c.now}), c.delay);
  if (c.due != 0) {
    EXPECT_EQ(first_due(c.at, {c.now}).micros, c.due);
  }
}
INSTANTIATE_TEST_SUITE_P(S03, FirstDueTest, testing::ValuesIn(kDueCases),
                         [](const auto& test) { return test.param.name; });

struct NextCase {
  const char* name;
  int64_t interval, intended, now, next;
};
constexpr NextCase kNextCases[] = {
    {"OnTimeIsOneIntervalAfterTheIntendedTime", 100, 1000, 1000, 1100},
    {"ALateTickDoesNotDrift", 100, 1000, 1030, 1100},
    {"MissedTicksAreSkipped", 100, 1000, 1350, 1400},
    {"EarlyFiringKeepsTheAnchor", 100, 1000, 990, 1100},
    {"ZeroIntervalMovesOn", 0, 1000, 1000, 1001},
    {"NegativeIntervalCountsByItsLength", -100, 1000, 1150, 1200},
};
class NextDueTest : public testing::TestWithParam<NextCase> {};
TEST_P(NextDueTest, IsTheFirstMultipleAfterNow) {
  const NextCase& c = GetParam();
  EXPECT_EQ(next_due(c.interval, {c.intended}, {c.now}).micros, c.next);
}
INSTANTIATE_TEST_SUITE_P(S03, NextDueTest, testing::ValuesIn(kNextCases),
                         [](const auto& test) { return test.param.name; });

TEST(Schedule, LongestDelayIsAboutTwoYears) {
  EXPECT_EQ(kScheduleDelayMicrosMax, 68'719'476'735'000);
}

}  // namespace
}  // namespace worldline::runtime
