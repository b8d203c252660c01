// tests/actors/checkpoint_pacer_test.cc: when checkpoints are written, and when again after a
// failure [S 08/3.12, 4.9].
#include "actors/checkpoint_pacer.h"

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

using std::chrono::seconds;
using Occasion = CheckpointPacer::Occasion;

constexpr uint64_t kSeed = 1;

class CheckpointPacerTest : public testing::Test {
 protected:
  bool is_due(Occasion occasion = Occasion::kRunning) {
    return pacer_.is_due(now_, occasion, newest_bytes_);
  }
  void gather() {
    pacer_.add_transactions(policy_.transactions * 2);
    pacer_.add_log(1'000);
  }
  void fail() { pacer_.begin(now_)(Status::io_error("no space")); }

  storage::CheckpointPolicy policy_{.log_bytes_min = 1'000'000, .transactions = 100};
  const std::function<uint64_t()> newest_bytes_ = [] { return 0; };
  CheckpointPacer::SteadyTime now_{};
  CheckpointPacer pacer_{policy_, kSeed, now_};
};

TEST_F(CheckpointPacerTest, IsDueWithEnoughLogAndNotAgainBeforeAsMuchHasGathered) {
  EXPECT_FALSE(is_due());
  gather();
  EXPECT_TRUE(is_due());
  pacer_.begin(now_)({});
  EXPECT_FALSE(is_due());
  gather();
  EXPECT_TRUE(is_due());
}

TEST_F(CheckpointPacerTest, OneAtATime) {
  gather();
  const auto done = pacer_.begin(now_);
  gather();
  EXPECT_FALSE(is_due()) << "the first is not done";
  EXPECT_FALSE(is_due(Occasion::kShuttingDown));
  EXPECT_FALSE(pacer_.is_due(now_, Occasion::kRunning, []() -> uint64_t {
    ADD_FAILURE() << "the writer is in use";
    return 0;
  }));
  done({});
  EXPECT_TRUE(is_due());
}

TEST_F(CheckpointPacerTest, AFailedOneIsTriedAgainAfterAPauseThatDoubles) {
  gather();
  seconds pause = kCheckpointPauseMin;
  for (uint32_t failures = 1; failures <= 12; ++failures) {
    ASSERT_TRUE(is_due()) << failures;
    fail();
    EXPECT_FALSE(is_due());
    EXPECT_EQ(pacer_.failures_in_row(), failures);
    now_ += pause - std::chrono::nanoseconds(1);
    EXPECT_FALSE(is_due()) << "still pausing after " << failures;
    EXPECT_FALSE(is_due(Occasion::kShuttingDown)) << "a stop does not try what just failed";
    now_ += std::chrono::nanoseconds(1);
    pause = std::min(pause * 2, kCheckpointPauseMax);
  }
  EXPECT_TRUE(is_due()) << "what the failed ones were to cover still counts";
}

TEST_F(CheckpointPacerTest, ASuccessEndsTheSeriesOfFailures) {
  gather();
  fail();
  EXPECT_FALSE(is_due());
  now_ += kCheckpointPauseMin;
  ASSERT_TRUE(is_due());
  pacer_.begin(now_)({});
  EXPECT_FALSE(is_due()) << "nothing has gathered";
  EXPECT_EQ(pacer_.failures_in_row(), 0u);
  gather();
  EXPECT_TRUE(is_due()) << "without any pause";
}

TEST_F(CheckpointPacerTest, AFailureKeepsTheAgeOfWhatWasNotWritten) {
  policy_.aged_log_bytes_min = 1'000;
  CheckpointPacer pacer(policy_, kSeed, now_);
  pacer.add_log(1'000);
  now_ += policy_.age * 2;
  ASSERT_TRUE(pacer.is_due(now_, Occasion::kRunning, newest_bytes_));
  pacer.begin(now_)(Status::io_error("no space"));
  EXPECT_FALSE(pacer.is_due(now_, Occasion::kRunning, newest_bytes_));
  now_ += kCheckpointPauseMin;
  EXPECT_TRUE(pacer.is_due(now_, Occasion::kRunning, newest_bytes_));
}

TEST_F(CheckpointPacerTest, TheEndMayBeToldWhenThePacerIsGone) {
  std::function<void(const Status&)> done;
  {
    CheckpointPacer pacer(policy_, kSeed, now_);
    done = pacer.begin(now_);
  }
  done(Status::unavailable("the node is stopping"));
}

}  // namespace
}  // namespace worldline::actors
