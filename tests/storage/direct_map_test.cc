// tests/storage/direct_map_test.cc: direct indexes as arrays and, beyond their limits, as trees
// against an ordered map [S 05/1.7].
#include "storage/direct_map.h"

#include <limits>
#include <string>
#include <vector>

#include "tests/storage/keyed_model.h"

namespace worldline::storage {
namespace {

struct WidthCase {
  const char* name;
  TypeKind type;
  uint64_t key_max;
  uint64_t near;  // Keys below are drawn often.
  bool far;       // Now and then any key of the type.
};

class DirectIndexTest : public KeyedModelTest, public testing::WithParamInterface<WidthCase> {
 protected:
  DirectIndexTest()
      : KeyedModelTest(Define("t")
                           .column("id", number_type(GetParam().type))
                           .column("n", number_type(TypeKind::kU64))
                           .unique({0}, IndexAlgorithm::kDirect)) {}

  Row key_of(uint64_t id) const override {
    switch (GetParam().type) {
      case TypeKind::kU8:
        return Row().u8(static_cast<uint8_t>(id));
      case TypeKind::kU16:
        return Row().u16(static_cast<uint16_t>(id));
      case TypeKind::kU32:
        return Row().u32(static_cast<uint32_t>(id));
      default:
        return Row().u64(id);
    }
  }
  Row included(uint64_t id) const { return Row().u8(0).raw(key_of(id)); }
  Row excluded(uint64_t id) const { return Row().u8(1).raw(key_of(id)); }

  uint64_t any_id() override {
    const uint64_t max = GetParam().key_max;
    if (GetParam().far && random_.chance(2000)) return max - random_.below(3);
    return random_.below(GetParam().near);
  }

  // Every row in key order, and ranges that begin and end anywhere.
  void expect_same(const ReadView& view, const Model& model) override {
    const IndexView& index = view.find_table(table_)->indexes()[0];
    ASSERT_EQ(index.distinct_keys(), model.size());
    expect_rows(index.all(), model.begin(), model.end());
    for (int i = 0; i < 4; ++i) {
      uint64_t from = any_id();
      uint64_t to = any_id();
      if (from > to) std::swap(from, to);
      const Row start = included(from);
      const Row last = included(to);
      const Row end = excluded(to);
      expect_rows(*index.range({{}, 0, start, last}), model.lower_bound(from),
                  model.upper_bound(to));
      if (from < to)
        expect_rows(*index.range({{}, 0, start, end}), model.lower_bound(from),
                    model.lower_bound(to));
      const auto found = index.find_unique(*index.point_key(key_of(from)));
      ASSERT_EQ(found.has_value(), model.contains(from));
      expect_rows(index.point(*index.point_key(key_of(from))), model.lower_bound(from),
                  model.upper_bound(from));
    }
  }
  void expect_rows(IndexCursor cursor, Model::const_iterator at, Model::const_iterator end) const {
    while (cursor.next()) {
      ASSERT_NE(at, end);
      ASSERT_EQ(as_text(cursor.row()), row_of(at->first, at->second).str());
      ++at;
    }
    ASSERT_EQ(at, end);
    EXPECT_FALSE(cursor.next()) << "stays at its end";
  }

  void run_and_empty() {
    const Pinned pinned = run({.transactions = 180, .phase = 45, .pins = 4, .looks = 20});
    Transaction tx = begin();  // Down to nothing and up again.
    while (!now_.empty()) {
      ASSERT_EQ(*tx.delete_point(index_id(table_), key_of(now_.begin()->first)), 1u);
      now_.erase(now_.begin());
    }
    expect_same(db->view(), now_);
    for (uint64_t id = 0; id < 100; ++id) {
      ASSERT_TRUE(tx.insert(table_, row_of(id, id)).ok());
      now_[id] = id;
    }
    tx.commit();
    expect_same(db->view(), now_);
    check();
    for (const auto& [snapshot, model] : pinned) expect_same(*snapshot, model);
  }
};

TEST_P(DirectIndexTest, BehavesAsAnOrderedMap) {
  SCOPED_TRACE("WL_SEED=" + std::to_string(seed_));
  run_and_empty();
}

INSTANTIATE_TEST_SUITE_P(
    Keys, DirectIndexTest,
    testing::Values(WidthCase{"u8", TypeKind::kU8, UINT8_MAX, 256, false},
                    WidthCase{"u16", TypeKind::kU16, UINT16_MAX, 5000, true},
                    WidthCase{"u32", TypeKind::kU32, UINT32_MAX, 4000, false},
                    WidthCase{"u32_spread", TypeKind::kU32, UINT32_MAX, 60'000, true},
                    WidthCase{"u64_far", TypeKind::kU64, UINT64_MAX, 4000, true}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(DirectMapTest, TakesNoMoreThanItsKeysAreWorth) {
  EXPECT_TRUE(DirectMap::fits(DirectMap::kFewKeys - 1, 0));
  EXPECT_FALSE(DirectMap::fits(DirectMap::kFewKeys, 0));
  EXPECT_TRUE(DirectMap::fits(DirectMap::kFewKeys, 1));
  EXPECT_FALSE(DirectMap::fits(UINT64_MAX, 1'000'000));
  DirectMap map;
  for (uint64_t key = 0; key < 100'000; ++key) map.insert(key, key + 1);
  uint64_t left = 100'000;
  EXPECT_TRUE(map.is_dense(left));
  for (uint64_t key = 0; key < 99'999; ++key) map.erase(key, key + 1), --left;
  EXPECT_FALSE(map.is_dense(left));
  EXPECT_EQ(map.find_next(0), 99'999u);
  EXPECT_EQ(map.check(), 1u);
}

// A copy keeps what it saw, whichever of the two is changed.
TEST(DirectMapTest, SharesItsChunksUntilTheyChange) {
  DirectMap map;
  for (uint64_t key = 0; key < 1000; ++key) map.insert(key, key);
  const DirectMap copy(map);
  map.erase(7, 7);
  map.erase(8, 8);
  map.insert(8, 80);
  map.insert(1000, 1000);
  EXPECT_EQ(copy.find(7), 7u);
  EXPECT_EQ(copy.find(8), 8u);
  EXPECT_EQ(copy.find(1000), std::nullopt);
  EXPECT_EQ(map.find(7), std::nullopt);
  EXPECT_EQ(map.find(8), 80u);
  EXPECT_EQ(copy.check(), 1000u);
  EXPECT_EQ(map.check(), 1000u);
}

}  // namespace
}  // namespace worldline::storage
