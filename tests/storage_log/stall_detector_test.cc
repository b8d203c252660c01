// A log write that does not come back, and a disk that is slow on the whole [S 08/3.12].
#include "storage/log/stall_detector.h"

#include <gtest/gtest.h>

#include "storage/log/disk_state.h"

namespace worldline::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{seconds(1'000)};

// Observations: milliseconds since the start, and since when a write is in flight (-1 = none).
struct Observation {
  int64_t now;
  int64_t since;
};
struct StallCase {
  const char* name;
  std::vector<Observation> observations;
  StallLevel expected;
};
const StallCase kStallCases[] = {
    {"Idle", {{0, -1}, {60'000, -1}}, StallLevel::kNone},
    {"Busy", {{0, -10}, {500, 400}, {1'000, 900}}, StallLevel::kNone},
    {"AtTheFirstLimit", {{500, 0}}, StallLevel::kNone},
    {"BehindTheFirstLimit", {{501, 0}}, StallLevel::kTransfer},
    {"BehindTheSecondLimit", {{501, 0}, {2'001, 0}}, StallLevel::kStepDown},
    {"BehindTheThirdLimit", {{501, 0}, {2'001, 0}, {20'001, 0}}, StallLevel::kAbort},
    {"ObservedLate", {{30'000, 0}}, StallLevel::kAbort},
    {"JustOver", {{501, 0}, {600, -1}, {5'000, 4'900}}, StallLevel::kTransfer},
    {"LongOver", {{501, 0}, {600, -1}, {5'501, 5'400}}, StallLevel::kNone},
    {"AgainWithinTheCalm", {{501, 0}, {4'000, 3'400}, {8'000, -1}}, StallLevel::kTransfer},
    {"DoesNotFallHalfWay", {{2'001, 0}, {2'600, 2'050}}, StallLevel::kStepDown},
    {"BeganAfterTheClockWasRead", {{100, 101}}, StallLevel::kNone},
};
class StallDetectorTest : public testing::TestWithParam<StallCase> {};

TEST_P(StallDetectorTest, RisesAtOnceAndFallsAfterACalm) {
  StallDetector detector({});
  StallLevel told = StallLevel::kNone;
  for (const Observation& at : GetParam().observations) {
    std::optional<SteadyTime> since;
    if (at.since != -1) since = kStart + milliseconds(at.since);
    const auto change = detector.observe(since, kStart + milliseconds(at.now));
    if (!change) continue;
    EXPECT_EQ(change->before, told);
    EXPECT_NE(change->after, told);
    told = change->after;
  }
  EXPECT_EQ(told, GetParam().expected) << stall_level_name(told);
  EXPECT_EQ(detector.level(), told);
}
INSTANTIATE_TEST_SUITE_P(S08, StallDetectorTest, testing::ValuesIn(kStallCases),
                         [](const auto& test) { return test.param.name; });

TEST(StallsBetweenLooksTest, AStallThatEndedBetweenTwoLooksDelaysTheCalm) {
  StallDetector detector({});
  detector.observe(kStart, kStart + milliseconds(600));
  detector.on_written(milliseconds(1'000), kStart + milliseconds(1'000));
  detector.on_written(milliseconds(3'000), kStart + milliseconds(4'000));
  detector.on_written(milliseconds(500), kStart + milliseconds(8'000));  // Not a stall.
  detector.observe(std::nullopt, kStart + milliseconds(8'999));
  EXPECT_EQ(detector.level(), StallLevel::kTransfer);
  detector.observe(std::nullopt, kStart + milliseconds(9'000));
  EXPECT_EQ(detector.level(), StallLevel::kNone);
}

TEST(StallsBetweenLooksTest, AStallNobodySawIsNoneAnyMore) {
  StallDetector detector({});
  detector.on_written(milliseconds(1'000), kStart);
  EXPECT_FALSE(detector.observe(std::nullopt, kStart + milliseconds(1)));
}

struct StateCase {
  const char* name;
  DiskState state;
  bool may_lead;
  bool may_heartbeat;
  bool accepts_appends;
  int pressure;
};
const StateCase kStateCases[] = {
    {"Good", {}, true, true, true, 0},
    {"Slow", {SpaceLevel::kPlenty, StallLevel::kNone, true}, true, true, true, 50},
    {"Warning", {SpaceLevel::kWarning, StallLevel::kNone, false}, true, true, true, 0},
    {"AlmostFull", {SpaceLevel::kAlmostFull, StallLevel::kNone, false}, false, true, true, 0},
    {"Full", {SpaceLevel::kFull, StallLevel::kNone, false}, false, true, false, 0},
    {"Transfer", {SpaceLevel::kPlenty, StallLevel::kTransfer, true}, false, true, true, 100},
    {"StepDown", {SpaceLevel::kPlenty, StallLevel::kStepDown, false}, false, false, true, 100},
    {"NoCheckpoints", {SpaceLevel::kPlenty, StallLevel::kNone, false, true}, false, true, true, 0},
    {"Abort", {SpaceLevel::kPlenty, StallLevel::kAbort, false}, false, false, true, 100},
};

TEST(DiskStateTest, SaysWhatTheNodeMayDo) {
  for (const StateCase& c : kStateCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(c.state.may_lead(), c.may_lead);
    EXPECT_EQ(c.state.may_heartbeat(), c.may_heartbeat);
    EXPECT_EQ(c.state.accepts_appends(), c.accepts_appends);
    EXPECT_EQ(c.state.pressure_per_cent(), c.pressure);
  }
}

TEST(StallPolicyTest, WantsAscendingLimits) {
  EXPECT_TRUE(StallPolicy{}.validate().ok());
  StallPolicy policy;
  policy.step_down = milliseconds(400);
  EXPECT_EQ(policy.validate().code(), StatusCode::kInvalidArgument);
}

// --- Slow, but not stalled -----------------------------------------------------------------------

// `per_second` writes for some seconds, of which every n-th takes 150 ms.
void write(SlowDiskDetector& disk, SteadyTime& now, int for_seconds, int per_second, int every) {
  for (int i = 0; i < for_seconds * per_second; ++i) {
    now += milliseconds(1'000 / per_second);
    disk.on_written(i % every == 0 ? milliseconds(150) : milliseconds(1), now);
  }
}

TEST(SlowDiskDetectorTest, WantsAMinuteOfSlowWrites) {
  SlowDiskDetector disk({});
  SteadyTime now = kStart;
  write(disk, now, 55, 10, 50);
  EXPECT_FALSE(disk.is_slow(now)) << "the window is not full";
  write(disk, now, 10, 10, 50);
  EXPECT_TRUE(disk.is_slow(now));
  write(disk, now, 55, 10, 1'000'000);
  EXPECT_FALSE(disk.is_slow(now)) << "most of the slow ones are a minute old";
}

TEST(SlowDiskDetectorTest, IgnoresTheSlowestHundredthAndTooFewWrites) {
  SlowDiskDetector disk({});
  SteadyTime now = kStart;
  write(disk, now, 70, 10, 200);
  EXPECT_FALSE(disk.is_slow(now));
  SlowDiskDetector idle({});
  now = kStart;
  write(idle, now, 70, 1, 2);
  EXPECT_FALSE(idle.is_slow(now)) << "60 writes say nothing about a hundredth";
}

TEST(SlowDiskDetectorTest, ForgetsAfterAPause) {
  SlowDiskDetector disk({});
  SteadyTime now = kStart;
  write(disk, now, 70, 10, 10);
  EXPECT_TRUE(disk.is_slow(now));
  EXPECT_FALSE(disk.is_slow(now + seconds(61)));
  EXPECT_FALSE(disk.is_slow(now + seconds(6'000)));
}

}  // namespace
}  // namespace worldline::storage
