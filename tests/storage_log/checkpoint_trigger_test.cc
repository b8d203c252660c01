// When a checkpoint is due [S 08/4.9].
#include "storage/log/checkpoint_trigger.h"

#include <gtest/gtest.h>

namespace worldline::storage {
namespace {

using limits::MiB;
using std::chrono::seconds;

struct TriggerCase {
  const char* name;
  CheckpointProgress progress;
  bool is_due;
};
// Thresholds vary by a fifth: each case lies beyond that on either side.
const TriggerCase kCases[] = {
    {"Idle", {.age = seconds(1'000'000), .is_shutting_down = true}, false},
    {"LittleLog", {.log_bytes = 50 * MiB}, false},
    {"MuchLog", {.log_bytes = 77 * MiB}, true},
    {"MuchLogForASmallCheckpointOnly",
     {.log_bytes = 77 * MiB, .checkpoint_bytes = 400 * MiB},
     false},
    {"HalfOfALargeCheckpoint", {.log_bytes = 241 * MiB, .checkpoint_bytes = 400 * MiB}, true},
    {"ManyTransactions", {.log_bytes = 1, .transactions = 1'200'000}, true},
    {"FewTransactions", {.log_bytes = 1, .transactions = 790'000}, false},
    {"OldWithSomeLog", {.log_bytes = 1 * MiB, .age = seconds(1'100)}, true},
    {"OldWithHardlyAnyLog", {.log_bytes = MiB - 1, .age = seconds(100'000)}, false},
    {"YoungWithSomeLog", {.log_bytes = 40 * MiB, .age = seconds(700)}, false},
    {"DiskShort", {.log_bytes = 1, .is_disk_short = true}, true},
    {"ShuttingDown", {.log_bytes = 1, .is_shutting_down = true}, true},
};

class CheckpointTriggerTest : public testing::TestWithParam<TriggerCase> {};

TEST_P(CheckpointTriggerTest, AgreesForEverySeed) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CheckpointTrigger trigger({}, seed);
    EXPECT_EQ(trigger.is_due(GetParam().progress), GetParam().is_due) << "seed " << seed;
    trigger.on_checkpoint();
    EXPECT_EQ(trigger.is_due(GetParam().progress), GetParam().is_due) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(S08, CheckpointTriggerTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(CheckpointTriggerTest, VariesBetweenGroups) {
  const CheckpointProgress at_threshold{.log_bytes = 64 * MiB};
  int due = 0;
  for (uint64_t seed = 0; seed < 100; ++seed)
    due += CheckpointTrigger({}, seed).is_due(at_threshold) ? 1 : 0;
  EXPECT_GT(due, 20);
  EXPECT_LT(due, 80);
}

}  // namespace
}  // namespace worldline::storage
