// tests/storage/id_map_test.cc: the flat map of ids against an ordered one.
#include "storage/id_map.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "base/ids.h"
#include "base/prng.h"

namespace worldline::storage {
namespace {

// Ids in steps of 4096 are what a database that restarts between its tables hands out.
TEST(IdMapTest, BehavesAsAnOrderedMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    const uint32_t step = seed % 2 == 0 ? 4096 : 1;
    const uint32_t space = seed % 3 == 0 ? 20 : 300;
    IdMap<TableId, uint64_t> map;
    std::map<uint32_t, uint64_t> model;
    EXPECT_EQ(map.find(TableId(1)), nullptr);
    for (uint64_t i = 1; i <= 5000; ++i) {
      const uint32_t id = static_cast<uint32_t>(random.below(space)) * step;
      if (random.below(10) < (i / 1000 % 2 == 0 ? 7u : 3u)) {
        map.set(TableId(id), i);
        model[id] = i;
      } else {
        map.erase(TableId(id));
        model.erase(id);
      }
      if (i % 50 != 0) continue;
      for (uint32_t n = 0; n < space; ++n) {
        const uint64_t* const found = map.find(TableId(n * step));
        const auto expected = model.find(n * step);
        ASSERT_EQ(found != nullptr, expected != model.end()) << "id " << n * step;
        if (found != nullptr) {
          ASSERT_EQ(*found, expected->second);
        }
      }
    }
  }
}

}  // namespace
}  // namespace worldline::storage
