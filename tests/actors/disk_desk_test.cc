// What the state of the disk means for a node, and who notices a log write that hangs [S 08/3.12].
#include "actors/disk_desk.h"

#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "actors/log_watchdog.h"
#include "storage/log/memory_disk.h"

namespace worldline::actors {
namespace {

using limits::GiB;
using std::chrono::milliseconds;
using storage::SpaceLevel;
using storage::StallLevel;

constexpr uint64_t kTotal = 1'000 * GiB;

class DiskDeskTest : public testing::Test {
 protected:
  std::unique_ptr<DiskDesk> make_desk(uint64_t ballast_bytes = 0) {
    DiskDeskParts parts;
    parts.ballast_bytes = ballast_bytes;
    parts.board = &board_;
    parts.order_reading = [this] { ++readings_; };
    parts.order_ballast = [this] { ++ballasts_; };
    parts.writes_resumed = [this] { ++resumed_; };
    parts.tell = [this](const replication::DiskVerdict& verdict) { verdict_ = verdict; };
    parts.on_note = [this](const std::string& line) { notes_.push_back(line); };
    return std::make_unique<DiskDesk>(std::move(parts));
  }
  static storage::SpaceReading free_gib(uint64_t free) { return {free * GiB, kTotal}; }

  DiskBoard board_;
  int readings_ = 0;
  int ballasts_ = 0;
  int resumed_ = 0;
  replication::DiskVerdict verdict_;
  std::vector<std::string> notes_;
};

struct SpaceStep {
  const char* name;
  uint64_t free_gib;
  SpaceLevel level;
  bool accepts_writes;
  replication::DiskVerdict verdict;
  size_t notes;  // So far.
  int resumed;   // So far.
};
constexpr replication::DiskVerdict kNotEligible{.is_eligible = false};
constexpr replication::DiskVerdict kRefuses{.is_eligible = false, .is_full = true};
// One disk that fills and empties.
const SpaceStep kSpaceSteps[] = {
    {"Plenty", 500, SpaceLevel::kPlenty, true, {}, 0, 0},
    {"Warning", 190, SpaceLevel::kWarning, true, {}, 1, 0},
    {"StillWarning", 189, SpaceLevel::kWarning, true, {}, 1, 0},
    {"AlmostFull", 90, SpaceLevel::kAlmostFull, true, kNotEligible, 2, 0},
    {"Full", 40, SpaceLevel::kFull, false, kRefuses, 3, 0},
    {"StillFull", 1, SpaceLevel::kFull, false, kRefuses, 3, 0},
    {"WithinTheMargin", 60, SpaceLevel::kFull, false, kRefuses, 3, 0},
    {"AlmostFullAgain", 80, SpaceLevel::kAlmostFull, true, kNotEligible, 4, 1},
    {"PlentyAgain", 500, SpaceLevel::kPlenty, true, {}, 5, 1},
};

TEST_F(DiskDeskTest, RefusesWritesOnAFullDiskUntilThereIsSpace) {
  const auto desk = make_desk();
  for (const SpaceStep& step : kSpaceSteps) {
    SCOPED_TRACE(step.name);
    desk->on_space(free_gib(step.free_gib));
    EXPECT_EQ(board_.space, step.level);
    EXPECT_EQ(board_.free_bytes, step.free_gib * GiB);
    EXPECT_EQ(board_.check_write().ok(), step.accepts_writes);
    EXPECT_EQ(verdict_, step.verdict);
    EXPECT_EQ(notes_.size(), step.notes);
    EXPECT_EQ(resumed_, step.resumed);
  }
  EXPECT_EQ(notes_.at(2),
            "disk space: full, was almost full: 40960 MiB of 1024000 MiB are free; writes are "
            "refused until there is space");
}

// [S 08/3.12]: after three failures in a row somebody else leads; writes are still taken, as there
// may be nobody else.
TEST_F(DiskDeskTest, LeadsNothingThatAnotherCanLeadWhileCheckpointsFail) {
  const auto desk = make_desk();
  desk->on_checkpoints(true);
  EXPECT_EQ(verdict_, kNotEligible);
  EXPECT_TRUE(board_.check_write().ok());
  desk->on_space(free_gib(90));
  desk->on_checkpoints(false);
  EXPECT_EQ(verdict_, kNotEligible) << "the disk is almost full";
  desk->on_space(free_gib(500));
  EXPECT_EQ(verdict_, replication::DiskVerdict{});
}

TEST_F(DiskDeskTest, TellsClientsToComeAgain) {
  make_desk()->on_space(free_gib(1));
  EXPECT_EQ(board_.check_write().code(), StatusCode::kOverloaded);
  EXPECT_EQ(board_.check_write().message(), "disk full");
}

TEST_F(DiskDeskTest, OneReadingIsOutAtATimeAndAFailedOneChangesNothing) {
  const auto desk = make_desk();
  desk->on_space(free_gib(1));
  notes_.clear();
  desk->on_time();
  desk->on_time();
  EXPECT_EQ(readings_, 1);
  for (int i = 0; i < 3; ++i) desk->on_space(Status::io_error("cannot read"));
  EXPECT_EQ(notes_.size(), 1u) << "once per row of failures";
  EXPECT_FALSE(board_.check_write().ok());
  desk->on_time();
  EXPECT_EQ(readings_, 2);
  desk->on_space(free_gib(500));
  EXPECT_TRUE(board_.check_write().ok());
}

struct BallastCase {
  const char* name;
  Result<uint64_t> at_start;
  uint64_t free_gib;
  int orders;
};
const BallastCase kBallastCases[] = {
    {"There", 10 * GiB, 500, 0},
    {"Absent", uint64_t{0}, 500, 1},
    {"AbsentOnAFullDisk", uint64_t{0}, 40, 0},
    {"AbsentOnAnAlmostFullDisk", uint64_t{0}, 90, 0},
    {"WouldMakeItAlmostFull", uint64_t{0}, 105, 0},
    {"CannotBeMade", Status::not_supported("no"), 500, 0},
};

TEST_F(DiskDeskTest, MakesTheBallastAgainWhenThereIsSpaceForIt) {
  for (const BallastCase& c : kBallastCases) {
    SCOPED_TRACE(c.name);
    ballasts_ = 0;
    const auto desk = make_desk(10 * GiB);
    desk->on_ballast(c.at_start);
    desk->on_space(free_gib(c.free_gib));
    desk->on_space(free_gib(c.free_gib));
    EXPECT_EQ(ballasts_, c.orders);
  }
  const auto without = make_desk(0);
  ballasts_ = 0;
  without->on_ballast(uint64_t{0});
  without->on_space(free_gib(500));
  EXPECT_EQ(ballasts_, 0) << "none is wanted";
}

TEST_F(DiskDeskTest, AStallIsToldOncePerLevelAndRefusesNothing) {
  const auto desk = make_desk();
  desk->on_log({StallLevel::kTransfer, false, milliseconds(501)});
  EXPECT_EQ(verdict_, kNotEligible);
  desk->on_log({StallLevel::kTransfer, true, milliseconds(0)});
  desk->on_log({StallLevel::kStepDown, true, milliseconds(2'001)});
  EXPECT_EQ(verdict_, (replication::DiskVerdict{.is_eligible = false, .may_heartbeat = false}));
  EXPECT_EQ(board_.stall, StallLevel::kStepDown);
  EXPECT_TRUE(board_.check_write().ok());
  desk->on_log({});
  EXPECT_EQ(verdict_, replication::DiskVerdict{});
  EXPECT_EQ(board_.stalls, 1u);
  EXPECT_EQ(notes_.size(), 4u) << "two levels, slowness, the end";
  EXPECT_EQ(notes_.front(), "the disk stalls: a log write is under way for 501 ms; level transfer");
}

// --- The watchdog --------------------------------------------------------------------------------

class Nobody final : public storage::LogCompletions {
 public:
  void on_written(std::span<const storage::QueuedJob> /*jobs*/, const Status& /*status*/) override {
  }
};

struct LookCase {
  const char* name;
  milliseconds in_flight;
  std::vector<StallLevel> told;
  int hopeless;
};
const LookCase kLooks[] = {
    {"Quick", milliseconds(500), {}, 0},
    {"Transfer", milliseconds(501), {StallLevel::kTransfer}, 0},
    {"StepDown", milliseconds(2'001), {StallLevel::kStepDown}, 0},
    {"AtTheLastLimit", milliseconds(20'000), {StallLevel::kStepDown}, 0},
    {"Hopeless", milliseconds(20'001), {}, 1},
};

TEST(LogWatchTest, LooksAtTheWriteInFlight) {
  for (const LookCase& c : kLooks) {
    SCOPED_TRACE(c.name);
    const auto disk = std::make_shared<storage::MemoryDisk>();
    storage::LogStore store(disk->open());
    Nobody nobody;
    FakeClock clock;
    storage::LogWriterQueue queue(store, nobody, {}, &clock);
    std::vector<StallLevel> told;
    int hopeless = 0;
    LogWatch watch({&queue,
                    &clock,
                    [&](const LogHealth& health) { told.push_back(health.stall); },
                    [&] { ++hopeless; },
                    {}});
    // The task itself is what is in flight while the watch looks.
    ASSERT_TRUE(queue
                    .push_task([&](storage::LogStore&) {
                      clock.advance(c.in_flight);
                      watch.look();
                    })
                    .ok());
    queue.close();
    queue.run();
    EXPECT_EQ(told, c.told);
    EXPECT_EQ(hopeless, c.hopeless);
    clock.advance(milliseconds(5'000));
    told.clear();
    if (c.hopeless == 0) watch.look();
    EXPECT_EQ(told.size(), c.told.size()) << "well again after the calm";
    EXPECT_EQ(watch.is_well(), c.hopeless == 0);
  }
}

// The writer hangs until the watchdog has called for the end: nobody else could.
TEST(LogWatchdogTest, CallsForTheEndWhileTheWriterHangs) {
  const auto disk = std::make_shared<storage::MemoryDisk>();
  storage::LogStore store(disk->open());
  Nobody nobody;
  const SystemClock clock;
  storage::LogWriterQueue queue(store, nobody, {}, &clock);
  std::promise<void> ended;
  std::atomic<int> calls{0};
  LogWatchParts parts{&queue, &clock, [](const LogHealth&) {}, {}, {}};
  parts.hopeless = [&] {
    if (calls.fetch_add(1) == 0) ended.set_value();
  };
  parts.policy = {milliseconds(1), milliseconds(2), milliseconds(3), milliseconds(0)};
  LogWatchdog watchdog(std::move(parts));
  const std::shared_future<void> end = ended.get_future().share();
  ASSERT_TRUE(queue.push_task([end](storage::LogStore&) { end.wait(); }).ok());
  std::thread writer([&queue] { queue.run(); });
  end.wait();
  queue.close();
  writer.join();
  EXPECT_GE(calls, 1);
}

TEST(LogWatchdogTest, EndsWithAnIdleLog) {
  const auto disk = std::make_shared<storage::MemoryDisk>();
  storage::LogStore store(disk->open());
  Nobody nobody;
  const SystemClock clock;
  storage::LogWriterQueue queue(store, nobody, {}, &clock);
  LogWatchdog watchdog({&queue, &clock, [](const LogHealth&) {}, [] {}, {}});
  queue.close();
}

}  // namespace
}  // namespace worldline::actors
