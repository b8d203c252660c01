// tests/storage/hash_map_test.cc: the hash map against a set, and unique hash indexes of every kind
// of key against an ordered map [S 05/1.7].
#include "storage/hash_map.h"

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/keyed_model.h"

namespace worldline::storage {
namespace {

using Entry = std::pair<uint32_t, RowRef>;

bool has(const HashMap& map, const Entry& entry) {
  return map.find(entry.first, [&](RowRef ref) { return ref == entry.second; }) == entry.second;
}

class HashMapTest : public testing::Test {
 protected:
  // Few hashes, so that many entries share one and buckets become long.
  Entry any_entry() {
    const auto number = static_cast<uint32_t>(random_.below(1500));
    const auto row = static_cast<uint32_t>(random_.below(4));
    return {number * 0x01000193u, {number * 4 + row, static_cast<uint16_t>(number)}};
  }

  void change(bool growing) {
    const Entry entry = any_entry();
    const bool is_there = model_.contains(entry);
    ASSERT_EQ(has(map_, entry), is_there);
    if (is_there == growing && !random_.chance(4)) return;
    if (is_there) {
      map_.erase(entry.first, entry.second);
      model_.erase(entry);
    } else {
      map_.insert(entry.first, entry.second);
      model_.insert(entry);
    }
    ASSERT_EQ(map_.entries(), model_.size());
  }

  Prng random_{0};
  HashMap map_{42};
  std::set<Entry> model_;
};

TEST_F(HashMapTest, BehavesAsASetWhileCopiesAreHeld) {
  const uint64_t seed = random_seeds(1).front();
  SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
  random_ = Prng(seed);
  std::deque<std::pair<HashMap, std::set<Entry>>> copies;
  for (int i = 0; i < 60'000; ++i) {
    change(i / 15'000 % 2 == 0);
    if (HasFatalFailure()) return;
    if (i % 3000 != 0) continue;
    ASSERT_TRUE(map_.check());
    copies.emplace_back(map_, model_);
    if (copies.size() < 4) continue;
    const auto& [copy, model] = copies.front();
    ASSERT_TRUE(copy.check());
    ASSERT_EQ(copy.entries(), model.size());
    for (const Entry& entry : model) ASSERT_TRUE(has(copy, entry)) << "a shared bucket changed";
    copies.pop_front();
  }
  while (!model_.empty()) {
    map_.erase(model_.begin()->first, model_.begin()->second);
    model_.erase(model_.begin());
    if (model_.size() % 97 == 0) {
      ASSERT_TRUE(map_.check());
    }
  }
  EXPECT_EQ(map_.entries(), 0u);
  EXPECT_TRUE(map_.check());
}

TEST_F(HashMapTest, HashesDependOnTheSeed) {
  const Byte key[] = {1, 2, 3};
  EXPECT_EQ(map_.hash_of(key), HashMap(42).hash_of(key));
  EXPECT_NE(map_.hash_of(key), HashMap(43).hash_of(key));
}

struct KeyCase {
  const char* name;
  std::vector<schema::AlgebraicType> types;  // Of the key's columns.
  Row (*make)(uint64_t id);
};

Row text_key(uint64_t id) {
  return Row().text("key " + std::string(id % 3 * 20, 'x') + std::to_string(id));
}
Row wide_key(uint64_t id) {
  return Row().u64(id * 3).u64(0).u64(id).u64(~id);
}

class HashIndexTest : public KeyedModelTest, public testing::WithParamInterface<KeyCase> {
 protected:
  static constexpr uint64_t kIds = 3000;

  HashIndexTest() : KeyedModelTest(definition()) {}

  static Define definition() {
    Define table("t");
    std::vector<uint16_t> columns;
    for (const schema::AlgebraicType& type : GetParam().types) {
      columns.push_back(static_cast<uint16_t>(columns.size()));
      table.column("k" + std::to_string(columns.back()), type);
    }
    table.column("n", number_type(TypeKind::kU64)).unique(columns, IndexAlgorithm::kHash);
    return table;
  }
  Row key_of(uint64_t id) const override { return GetParam().make(id); }
  uint64_t any_id() override { return random_.below(kIds); }

  void expect_same(const ReadView& view, const Model& model) override {
    const IndexView& index = view.find_table(table_)->indexes()[0];
    ASSERT_EQ(index.distinct_keys(), model.size());
    for (uint64_t id = 0; id < kIds; ++id) {
      const IndexKey wanted = *index.point_key(key_of(id));
      const auto at = model.find(id);
      ASSERT_EQ(index.contains(wanted), at != model.end());
      IndexCursor cursor = index.point(wanted);
      ASSERT_EQ(cursor.next(), at != model.end());
      if (at == model.end()) continue;
      ASSERT_EQ(as_text(cursor.row()), row_of(id, at->second).str());
      ASSERT_EQ(index.find_unique(wanted), cursor.ref());
      ASSERT_FALSE(cursor.next()) << "one row per key";
    }
  }
};

TEST_P(HashIndexTest, BehavesAsAMap) {
  SCOPED_TRACE("WL_SEED=" + std::to_string(seed_));
  const Pinned pinned = run({.transactions = 120, .phase = 40, .pins = 8, .looks = 30});
  expect_same(db->view(), now_);
  check();
  for (const auto& [snapshot, model] : pinned) expect_same(*snapshot, model);
}

TEST_P(HashIndexTest, RefusesRangesAndASecondRowOfItsKey) {
  insert_all(table_, {row_of(1, 10), row_of(2, 20)});
  Transaction tx = begin();
  EXPECT_EQ(tx.insert(table_, row_of(1, 11)).error(), DataError::kUnique);
  const IndexView& index = db->view().find_table(table_)->indexes()[0];
  EXPECT_FALSE(index.supports_range());
  const Row unbounded = Row().u8(2);
  EXPECT_EQ(index.range({{}, 0, unbounded, unbounded}).error(), DataError::kWrongIndexAlgo);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, HashIndexTest,
    testing::Values(KeyCase{"word",
                            {number_type(TypeKind::kU32)},
                            [](uint64_t id) { return Row().u32(static_cast<uint32_t>(id)); }},
                    KeyCase{"signed",
                            {number_type(TypeKind::kI64)},
                            [](uint64_t id) { return Row().i64(1500 - static_cast<int64_t>(id)); }},
                    KeyCase{"identity", {schema::AlgebraicType::identity()}, wide_key},
                    KeyCase{"text", {schema::AlgebraicType::string()}, text_key},
                    KeyCase{"number_and_text",
                            {number_type(TypeKind::kU8), schema::AlgebraicType::string()},
                            [](uint64_t id) {
                              return Row().u8(static_cast<uint8_t>(id)).raw(text_key(id / 256));
                            }}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace worldline::storage
