// tests/query/interval_set_test.cc: the interval tree against a list.
#include "query/interval_set.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::query {
namespace {

TEST(IntervalSet, FindsWhatAListFinds) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(seed);
  Prng prng(seed);
  IntervalSet<uint32_t> set;
  std::vector<std::pair<Interval, uint32_t>> list;
  for (uint32_t round = 0; round < 4000; ++round) {
    if (!list.empty() && prng.chance(3)) {
      const size_t victim = prng.below(list.size());
      set.remove(list[victim].second);
      list.erase(list.begin() + static_cast<ptrdiff_t>(victim));
    } else {
      const uint64_t low = prng.below(1000);
      const Interval interval{low, low + prng.below(60)};
      set.add(interval, round);
      list.emplace_back(interval, round);
    }
    const uint64_t point = prng.below(1100);
    std::vector<uint32_t> found, expected;
    set.for_each_containing(point, [&](uint32_t value) { found.push_back(value); });
    for (const auto& [interval, value] : list)
      if (interval.low <= point && point <= interval.high) expected.push_back(value);
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, expected);
  }
}

TEST(IntervalSet, OrdersPointsAsScalarsAreOrdered) {
  const auto point = [](double value) {
    ByteBuffer bytes;
    append_le(bytes, value);
    return interval_point(ScalarKind::kF64, bytes);
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const double ascending[] = {-infinity, -2.0, -1e-300, 0.0, 1e-300, 2.0, infinity};
  for (size_t i = 1; i < std::size(ascending); ++i)
    EXPECT_LT(point(ascending[i - 1]), point(ascending[i]));
  EXPECT_EQ(point(-0.0), point(0.0));
  EXPECT_GT(point(std::numeric_limits<double>::quiet_NaN()), point(infinity));
}

}  // namespace
}  // namespace worldline::query
