// Nodes with many groups under random faults and changes of members, a batch of seeds [S 08/6.2].
// WL_FIRST_SEED and WL_SEEDS choose others: `WL_FIRST_SEED=17 WL_SEEDS=1` repeats one.
#include "tests/replication_node/node_life.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

constexpr uint64_t kSeeds = 300;
constexpr int kSteps = 150;

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(NodeLifeTest, ServesAgreesAndRests) {
  const uint64_t first = number_from("WL_FIRST_SEED", 1);
  const uint64_t count = number_from("WL_SEEDS", kSeeds);
  LifeCounts all;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("WL_SEEDS=1 WL_FIRST_SEED=" + std::to_string(seed));
    NodeLife life(seed);
    life.live(kSteps);
    life.heal();
    life.expect_service();
    life.expect_agreement();
    EXPECT_TRUE(life.comes_to_rest());
    if (testing::Test::HasFailure()) return;
    all += life.counts();
  }
  printf("%s in %lu lives\n", all.text().c_str(), static_cast<unsigned long>(count));
  if (count < kSeeds) return;
  EXPECT_GT(all.writes, 50 * count);
  EXPECT_GT(all.reads, 20 * count);
  EXPECT_GT(all.changes, 5 * count);
  EXPECT_GT(all.snapshots, count);
  EXPECT_GT(all.terms, 10 * count);
}

}  // namespace
}  // namespace worldline::replication
