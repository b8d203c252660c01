// tests/storage/direct_map_test.cc: direct indexes as arrays and, beyond their limits, as trees
// against an ordered map [S 05/1.7].
#include "storage/direct_map.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/base/random_seeds.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

struct WidthCase {
  const char* name;
  TypeKind type;
  uint64_t key_max;
  uint64_t near;  // Keys below are drawn often.
  bool far;       // Now and then any key of the type.
};

class DirectIndexTest : public StorageTest, public testing::WithParamInterface<WidthCase> {
 protected:
  using Model = std::map<uint64_t, uint64_t>;  // From the key to the second column.

  DirectIndexTest()
      : table_(create(Define("t")
                          .column("id", number_type(GetParam().type))
                          .column("n", number_type(TypeKind::kU64))
                          .unique({0}, IndexAlgorithm::kDirect))) {}

  static Row key(uint64_t id) {
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
  static Row row(uint64_t id, uint64_t n) { return key(id).u64(n); }
  static Row included(uint64_t id) { return Row().u8(0).raw(key(id)); }
  static Row excluded(uint64_t id) { return Row().u8(1).raw(key(id)); }

  uint64_t any_key() {
    const uint64_t max = GetParam().key_max;
    if (GetParam().far && random_.chance(2000)) return max - random_.below(3);
    return random_.below(GetParam().near);
  }

  void one_operation(Transaction& tx, bool growing) {
    const uint64_t id = any_key();
    const uint64_t n = ++next_;
    const bool is_there = now_.contains(id);
    if (random_.below(10) < (growing ? 7u : 2u)) {
      ASSERT_EQ(tx.insert(table_, row(id, n)).ok(), !is_there);
      if (!is_there) now_[id] = n;
    } else if (random_.chance(3)) {
      ASSERT_EQ(tx.update(table_, index_id(table_), row(id, n)).ok(), is_there);
      if (is_there) now_[id] = n;
    } else {
      ASSERT_EQ(*tx.delete_point(index_id(table_), key(id)), is_there ? 1u : 0u);
      now_.erase(id);
    }
  }

  // Every row in key order, and ranges that begin and end anywhere.
  void expect_same(const ReadView& view, const Model& model) {
    const IndexView& index = view.find_table(table_)->indexes()[0];
    ASSERT_EQ(index.distinct_keys(), model.size());
    expect_rows(index.all(), model.begin(), model.end());
    for (int i = 0; i < 4; ++i) {
      uint64_t from = any_key();
      uint64_t to = any_key();
      if (from > to) std::swap(from, to);
      const Row start = included(from);
      const Row last = included(to);
      const Row end = excluded(to);
      expect_rows(*index.range({{}, 0, start, last}), model.lower_bound(from),
                  model.upper_bound(to));
      if (from < to)
        expect_rows(*index.range({{}, 0, start, end}), model.lower_bound(from),
                    model.lower_bound(to));
      const auto found = index.find_unique(*index.point_key(key(from)));
      ASSERT_EQ(found.has_value(), model.contains(from));
      expect_rows(index.point(*index.point_key(key(from))), model.lower_bound(from),
                  model.upper_bound(from));
    }
  }
  static void expect_rows(IndexCursor cursor, Model::const_iterator at, Model::const_iterator end) {
    while (cursor.next()) {
      ASSERT_NE(at, end);
      ASSERT_EQ(as_text(cursor.row()), row(at->first, at->second).str());
      ++at;
    }
    ASSERT_EQ(at, end);
    EXPECT_FALSE(cursor.next()) << "stays at its end";
  }

  void run() {
    Model committed;
    std::vector<std::pair<SnapshotPtr, Model>> pinned;
    for (int i = 0; i < 180 && !HasFatalFailure(); ++i) {
      Transaction tx = begin();
      for (int k = 0; k < 80 && !HasFatalFailure(); ++k) one_operation(tx, i / 45 % 2 == 0);
      if (random_.chance(5)) {
        tx.rollback();
        now_ = committed;
      } else {
        tx.commit();
        committed = now_;
      }
      if (random_.chance(4)) pinned.emplace_back(db->pin(), committed);
      if (pinned.size() > 3) {
        expect_same(*pinned[0].first, pinned[0].second);
        pinned.erase(pinned.begin());
      }
      if (i % 20 == 0) {
        expect_same(db->view(), now_);
        check();
      }
    }
    Transaction tx = begin();  // Down to nothing and up again.
    while (!now_.empty()) {
      ASSERT_EQ(*tx.delete_point(index_id(table_), key(now_.begin()->first)), 1u);
      now_.erase(now_.begin());
    }
    expect_same(db->view(), now_);
    for (uint64_t id = 0; id < 100; ++id) {
      ASSERT_TRUE(tx.insert(table_, row(id, id)).ok());
      now_[id] = id;
    }
    tx.commit();
    expect_same(db->view(), now_);
    check();
    for (const auto& [snapshot, model] : pinned) expect_same(*snapshot, model);
  }

  const TableId table_;
  Prng random_{0};
  Model now_;
  uint64_t next_ = 0;
};

TEST_P(DirectIndexTest, BehavesAsAnOrderedMap) {
  const uint64_t seed = random_seeds(1).front();
  SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
  random_ = Prng(seed);
  run();
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
