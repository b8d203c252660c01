// When the front of a log is cut off [S 08/3.6].
#include "storage/log/prefix_truncation.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::storage {
namespace {

// A log of entries 2 to 1001 with 1,000 B each.
PrefixTruncation thousand(const TruncationPolicy& policy) {
  return {policy, {LogIndex{2}, LogIndex{1001}, 1'000'000}};
}

struct TakeCase {
  const char* name;
  TruncationPolicy policy;
  uint64_t allowed;
  TruncationNeed need;
  bool taken;
};
const TakeCase kTakeCases[] = {
    {"NothingAllowed", {1, 1}, 2, TruncationNeed::kNow, false},
    {"TooFewEntries", {limits::GiB, 101}, 102, TruncationNeed::kCoarse, false},
    {"EnoughEntries", {limits::GiB, 100}, 102, TruncationNeed::kCoarse, true},
    {"TooFewEntriesButNeeded", {limits::GiB, 101}, 102, TruncationNeed::kNow, true},
    {"EnoughBytes", {900'000, 1'000'000}, 1002, TruncationNeed::kCoarse, true},
    {"TooFewBytes", {1'000'001, 1'000'000}, 1002, TruncationNeed::kCoarse, false},
};
class PrefixTruncationTest : public testing::TestWithParam<TakeCase> {};

TEST_P(PrefixTruncationTest, IsCoarse) {
  PrefixTruncation truncation = thousand(GetParam().policy);
  truncation.allow(LogIndex{GetParam().allowed});
  const auto taken = truncation.take(GetParam().need);
  ASSERT_EQ(taken.has_value(), GetParam().taken);
  if (taken) {
    EXPECT_EQ(*taken, LogIndex{GetParam().allowed});
  }
}
INSTANTIATE_TEST_SUITE_P(S08, PrefixTruncationTest, testing::ValuesIn(kTakeCases),
                         [](const auto& test) { return test.param.name; });

TEST(PrefixTruncationOrderTest, HasOneUnderWayAtMost) {
  PrefixTruncation truncation = thousand({limits::GiB, 10});
  truncation.allow(LogIndex{100});
  EXPECT_TRUE(truncation.take(TruncationNeed::kCoarse));
  truncation.allow(LogIndex{200});
  EXPECT_FALSE(truncation.take(TruncationNeed::kNow));
  truncation.on_done();
  truncation.allow(LogIndex{50});  // Never back.
  EXPECT_EQ(truncation.take(TruncationNeed::kCoarse), LogIndex{200});
  truncation.on_done();
  EXPECT_FALSE(truncation.take(TruncationNeed::kNow));
}

TEST(PrefixTruncationOrderTest, NeverTakesMoreThanThereIs) {
  PrefixTruncation truncation = thousand({limits::GiB, 10});
  truncation.allow(LogIndex{5000});
  EXPECT_EQ(truncation.take(TruncationNeed::kCoarse), LogIndex{1002});
}

TEST(PrefixTruncationOrderTest, BeginsAnewBehindASnapshot) {
  PrefixTruncation truncation = thousand({limits::GiB, 10});
  truncation.on_replaced(LogIndex{5000});
  EXPECT_FALSE(truncation.take(TruncationNeed::kNow));
  EXPECT_EQ(truncation.first(), LogIndex{5001});
  truncation.on_appended(LogIndex{5100}, 100);
  truncation.allow(LogIndex{5050});
  EXPECT_EQ(truncation.take(TruncationNeed::kCoarse), LogIndex{5050});
}

// Against exact bookkeeping: what it says lies below an index is wrong by less than its resolution.
TEST(PrefixTruncationModelTest, KnowsHowManyBytesLieBelowAnIndex) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng rng(seed);
    const TruncationPolicy policy{16'000, 40};
    constexpr size_t kEntryBytesMax = 500;
    PrefixTruncation truncation(policy, LogExtent{});
    std::vector<size_t> sizes(2, 0);  // By index.
    uint64_t first = 2;
    uint64_t cuts = 0;
    for (int step = 0; step < 400; ++step) {
      if (rng.chance(10) && sizes.size() > first) {
        sizes.resize(first + rng.below(sizes.size() - first + 1));
        truncation.on_truncated_suffix(LogIndex{sizes.size() - 1});
        ++cuts;
      } else {
        const size_t bytes = 1 + rng.below(kEntryBytesMax);
        sizes.push_back(bytes);
        truncation.on_appended(LogIndex{sizes.size() - 1}, bytes);
      }
      const uint64_t at = first + rng.below(sizes.size() - first + 1);
      size_t exact = 0;
      for (uint64_t i = first; i < at; ++i) exact += sizes[i];
      // Both ends may be off by a mark's interval and an entry; so may each cut of the suffix.
      constexpr size_t kInterval = 1'000 + kEntryBytesMax;
      const size_t told = truncation.bytes_below(LogIndex{at});
      EXPECT_LE(told, exact + kInterval);
      EXPECT_GE(told + (1 + cuts) * kInterval, exact);
      if (!rng.chance(20)) continue;
      truncation.allow(LogIndex{at});
      if (const auto taken = truncation.take(TruncationNeed::kCoarse)) {
        first = taken->value;
        cuts = 0;
        truncation.on_done();
      }
      ASSERT_EQ(truncation.first(), LogIndex{first});
    }
  }
}

}  // namespace
}  // namespace worldline::storage
