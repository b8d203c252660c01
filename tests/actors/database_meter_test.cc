// DatabaseMeter: series are found again, limited, and complete for whoever reads them [S 05/6].
#include "actors/database_meter.h"

#include <thread>

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

TEST(MeterHistogramTest, CountsEachValueInTheFirstBucketItFits) {
  static constexpr uint64_t kBounds[] = {0, 10, 100};
  struct Case {
    uint64_t value;
    size_t bucket;
  };
  for (const Case& c : {Case{0, 0}, {1, 1}, {10, 1}, {11, 2}, {100, 2}, {101, 3}}) {
    MeterHistogram histogram({kBounds, 1});
    histogram.observe(c.value);
    for (size_t i = 0; i <= 3; ++i)
      EXPECT_EQ(histogram.count(i), i == c.bucket ? 1u : 0u) << "value " << c.value << " at " << i;
    EXPECT_EQ(histogram.sum(), c.value);
  }
}

TEST(MeterHistogramTest, CountsNothingTwiceWhileOthersRead) {
  static constexpr uint64_t kBounds[] = {10};
  constexpr uint64_t kValues = 200'000;
  MeterHistogram histogram({kBounds, 1});
  std::thread writer([&histogram] {
    for (uint64_t i = 0; i < kValues; ++i) histogram.observe(i % 20);
  });
  uint64_t last = 0;
  while (last < kValues) {
    const uint64_t now = histogram.count_in_all();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
  EXPECT_EQ(histogram.count(0), kValues / 20 * 11);
  EXPECT_EQ(histogram.sum(), kValues / 20 * 190);
}

TEST(DatabaseMeterTest, FindsAFunctionAgainAndSumsThoseBeyondTheLimit) {
  DatabaseMeter meter;
  FunctionFigures& first = meter.function(Workload::kReducer, "f0");
  for (size_t i = 1; i < kMeterFunctionsMax; ++i) {
    const std::string name = "f" + std::to_string(i);
    EXPECT_EQ(meter.function(Workload::kReducer, name).name, name);
  }
  EXPECT_EQ(&meter.function(Workload::kReducer, "f0"), &first);
  EXPECT_EQ(meter.function(Workload::kReducer, "one too many").name, "_other");
  EXPECT_NE(&meter.function(Workload::kSql, ""), &meter.function(Workload::kInternal, ""));
  size_t count = 0;
  meter.functions().for_each([&count](const FunctionFigures&) { ++count; });
  EXPECT_EQ(count, kMeterFunctionsMax + 3);
}

TEST(DatabaseMeterTest, ShowsOnlyTablesThatExist) {
  DatabaseMeter meter;
  for (const uint32_t id : {1u, 2u, 3u}) meter.table(TableId(id), "t" + std::to_string(id));
  meter.table(TableId(1), "renamed");
  meter.retain_tables({TableId(1), TableId(3)});
  std::string shown;
  meter.tables().for_each([&shown](const TableFigures& table) {
    if (table.exists) shown += table.name + " ";
  });
  EXPECT_EQ(shown, "t3 renamed ");
}

TEST(DatabaseMeterTest, KeepsErrorsOfEachModuleVersionApart) {
  DatabaseMeter meter;
  EXPECT_EQ(meter.errors("a", "f"), meter.errors("a", "f"));
  EXPECT_NE(meter.errors("a", "f"), meter.errors("b", "f"));
  for (size_t i = 2; i < kMeterErrorsMax; ++i)
    ASSERT_NE(meter.errors("c", "f" + std::to_string(i)), nullptr);
  EXPECT_EQ(meter.errors("d", "f"), nullptr);
}

TEST(MeterListTest, AReaderSeesEveryElementComplete) {
  struct Element {
    explicit Element(size_t n) : number(n), text(std::to_string(n)) {}
    const size_t number;
    const std::string text;
  };
  constexpr size_t kElements = 20'000;
  MeterList<Element> list(kElements);
  std::thread writer([&list] {
    for (size_t i = 0; i < kElements; ++i) list.add(i);
  });
  for (size_t seen = 0; seen < kElements;) {
    seen = 0;
    std::as_const(list).for_each([&seen](const Element& element) {
      ASSERT_EQ(element.number, seen);
      ASSERT_EQ(element.text, std::to_string(seen));
      ++seen;
    });
    if (testing::Test::HasFailure()) break;
  }
  writer.join();
  EXPECT_EQ(list.add(kElements), nullptr);
}

}  // namespace
}  // namespace worldline::actors
