// One rate, shared [S 08/3.8 rule 5].
#include "replication/snapshot/transfer_throttle.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::replication {
namespace {

// What takers want per tick, at 1,000 B per tick, and what each gets in one.
struct ShareCase {
  const char* name;
  std::vector<uint64_t> wants;
  std::vector<int64_t> gets;
};
const ShareCase kShareCases[] = {
    {"One", {5'000}, {1'000}},
    {"Equal", {5'000, 5'000}, {500, 500}},
    {"SmallOnesLeaveTheRest", {100, 5'000, 5'000}, {100, 450, 450}},
    {"NobodyInNeed", {10, 20}, {10, 20}},
    {"IdleOnesGetNothing", {0, 5'000, 0}, {0, 1'000, 0}},
};
class TransferThrottleTest : public testing::TestWithParam<ShareCase> {};

TEST_P(TransferThrottleTest, GivesEqualPartsAndWhatIsLeft) {
  TransferThrottle throttle(1'000 * kTicksPerSecond);
  const auto& wants = GetParam().wants;
  for (size_t i = 0; i < wants.size(); ++i) {
    throttle.add(TakerId{i});
    throttle.want(TakerId{i}, wants[i]);
  }
  throttle.refill();
  for (size_t i = 0; i < wants.size(); ++i)
    EXPECT_EQ(throttle.credit(TakerId{i}), GetParam().gets[i]) << i;
}
INSTANTIATE_TEST_SUITE_P(S08, TransferThrottleTest, testing::ValuesIn(kShareCases),
                         [](const auto& test) { return test.param.name; });

TEST(TransferThrottleDebtTest, LetsATakerWaitOffWhatItOverdrew) {
  TransferThrottle throttle(1'000 * kTicksPerSecond);
  throttle.add(TakerId{1});
  throttle.want(TakerId{1}, 10'000);
  throttle.refill();
  throttle.spend(TakerId{1}, 3'500);
  int ticks = 0;
  while (throttle.credit(TakerId{1}) <= 0) {
    throttle.want(TakerId{1}, 10'000);
    throttle.refill();
    ++ticks;
  }
  EXPECT_EQ(ticks, 3);
}

TEST(TransferThrottleDebtTest, SavesAtMostASecondForLater) {
  TransferThrottle throttle(1'000 * kTicksPerSecond);
  throttle.add(TakerId{1});
  for (int i = 0; i < 1'000; ++i) throttle.refill();
  throttle.want(TakerId{1}, 1'000'000);
  throttle.refill();
  EXPECT_EQ(throttle.credit(TakerId{1}), 1'000 * kTicksPerSecond);
}

// Whatever takers do, the rate holds, and nobody who wants starves.
TEST(TransferThrottleModelTest, HoldsTheRateAndStarvesNobody) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng rng(seed);
    constexpr uint64_t kPerTick = 10'000;
    constexpr uint64_t kPiece = 4'000;
    TransferThrottle throttle(kPerTick * kTicksPerSecond);
    const uint64_t takers = 1 + rng.below(5);
    for (uint64_t i = 0; i < takers; ++i) throttle.add(TakerId{i});
    std::vector<uint64_t> spent(takers, 0);
    uint64_t total = 0;
    constexpr uint64_t kTicks = 500;
    for (uint64_t tick = 1; tick <= kTicks; ++tick) {
      for (uint64_t i = 0; i < takers; ++i)
        throttle.want(TakerId{i}, i == 0 ? 8 * kPiece : rng.below(8 * kPiece));
      throttle.refill();
      for (uint64_t i = 0; i < takers; ++i) {
        while (throttle.credit(TakerId{i}) > 0 && (i == 0 || !rng.chance(3))) {
          const uint64_t bytes = 1 + rng.below(kPiece);
          throttle.spend(TakerId{i}, bytes);
          spent[i] += bytes;
          total += bytes;
        }
      }
      EXPECT_LE(total, tick * kPerTick + kPerTick * kTicksPerSecond + takers * kPiece);
    }
    EXPECT_GE(spent[0], (kTicks - 20) * kPerTick / takers - kPerTick) << "a fair share at least";
  }
}

}  // namespace
}  // namespace worldline::replication
