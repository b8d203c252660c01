// tests/storage/recent_keys_test.cc: what a unique index remembers never differs from its rows,
// however finds, changes, pins, rollbacks and undos follow each other.
#include "storage/recent_keys.h"

#include <map>

#include "base/prng.h"
#include "tests/base/random_seeds.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

// More keys than cells, so that they also drive each other out.
constexpr uint64_t kKeySpace = 3 * RecentKeys::kCells;

struct TableCase {
  const char* name;
  bool has_second_key;  // Then an update gives the row another slot.
  IndexAlgorithm algorithm;
};

class RecentKeysTest : public StorageTest, public testing::WithParamInterface<TableCase> {
 protected:
  using Model = std::map<uint64_t, uint64_t>;  // From the key to the second column.

  RecentKeysTest() {
    Define definition("t");
    definition.column("id", number_type(TypeKind::kU64)).column("n", number_type(TypeKind::kU64));
    definition.unique({0}, GetParam().algorithm);
    if (GetParam().has_second_key) definition.unique({1}, GetParam().algorithm);
    table_ = create(definition);
  }

  // Half of all operations meet few keys, so that they meet each other.
  uint64_t any_key() { return random_.below(random_.chance(2) ? 16 : kKeySpace); }

  void expect_found(const ReadView& view, const Model& model, uint64_t id) {
    const IndexView& by_id = view.find_table(table_)->indexes()[0];
    const auto found = by_id.find_unique(*by_id.point_key(Row().u64(id)));
    const auto expected = model.find(id);
    ASSERT_EQ(found.has_value(), expected != model.end()) << "key " << id;
    if (!found) return;
    ASSERT_EQ(as_text(by_id.table().row(*found)), Row().u64(id).u64(expected->second).str());
  }

  void one_operation(Transaction& tx) {
    const uint64_t id = any_key();
    const bool is_there = now_.contains(id);
    const uint64_t n = ++next_;
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        ASSERT_EQ(tx.update(table_, index_id(table_), Row().u64(id).u64(n)).ok(), is_there);
        if (is_there) now_[id] = n;
        return;
      case 3:
      case 4:
        ASSERT_EQ(tx.insert(table_, Row().u64(id).u64(n)).ok(), !is_there);
        if (!is_there) now_[id] = n;
        return;
      case 5:
        ASSERT_EQ(*tx.delete_point(index_id(table_), Row().u64(id)), is_there ? 1u : 0u);
        now_.erase(id);
        return;
      case 6:
        if (!random_.chance(200)) return expect_found(db->view(), now_, id);
        ASSERT_EQ(*tx.clear(table_), now_.size());
        now_.clear();
        return;
      default:
        expect_found(db->view(), now_, id);
    }
  }

  void one_transaction() {
    Transaction tx = begin();
    const uint64_t operations = random_.below(60);
    for (uint64_t i = 0; i < operations && !HasFatalFailure(); ++i) one_operation(tx);
    if (random_.chance(4)) {
      tx.rollback();
      now_ = committed_;
      return;
    }
    const CommitResult result = tx.commit();
    if (result.tx_data != nullptr && random_.chance(5)) {
      EXPECT_TRUE(db->undo(*result.tx_data).ok());
      now_ = committed_;
    }
    committed_ = now_;
  }

  void pin_sometimes() {
    if (random_.chance(3)) pinned_.emplace_back(db->pin(), committed_);
    if (pinned_.size() > 4) pinned_.erase(pinned_.begin());
    for (const auto& [snapshot, model] : pinned_) expect_found(*snapshot, model, any_key());
  }

  void run() {
    for (int i = 0; i < 200 && !HasFatalFailure(); ++i) {
      one_transaction();
      pin_sometimes();
      if (i % 20 != 0) continue;
      check();
      for (uint64_t id = 0; id < kKeySpace; ++id) expect_found(db->view(), now_, id);
    }
    check();
  }

  TableId table_;
  Prng random_{0};
  Model committed_, now_;
  std::vector<std::pair<SnapshotPtr, Model>> pinned_;
  uint64_t next_ = 0;
};

TEST_P(RecentKeysTest, FindsWhatTheModelHas) {
  const uint64_t seed = random_seeds(1).front();
  SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
  random_ = Prng(seed);
  run();
}

INSTANTIATE_TEST_SUITE_P(Tables, RecentKeysTest,
                         testing::Values(TableCase{"one_key", false, IndexAlgorithm::kBTree},
                                         TableCase{"two_keys", true, IndexAlgorithm::kBTree},
                                         TableCase{"hash", false, IndexAlgorithm::kHash},
                                         TableCase{"two_hashes", true, IndexAlgorithm::kHash},
                                         TableCase{"direct", false, IndexAlgorithm::kDirect},
                                         TableCase{"two_directs", true, IndexAlgorithm::kDirect}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(RecentKeys, ForgetsOnlyTheKeyThatLeaves) {
  RecentKeys recent;
  recent.forget(7);
  EXPECT_EQ(recent.find(7), std::nullopt);
  EXPECT_EQ(recent.find(0), std::nullopt);
  recent.remember(7, RowRef{1, 2});
  recent.remember(UINT64_MAX, RowRef{UINT32_MAX, UINT16_MAX});
  recent.forget(8);
  EXPECT_EQ(recent.find(7), (RowRef{1, 2}));
  EXPECT_EQ(recent.find(UINT64_MAX), (RowRef{UINT32_MAX, UINT16_MAX}));
  EXPECT_EQ(recent.find(0), std::nullopt);
  recent.forget(7);
  EXPECT_EQ(recent.find(7), std::nullopt);
  recent.clear();
  EXPECT_EQ(recent.find(UINT64_MAX), std::nullopt);
}

}  // namespace
}  // namespace worldline::storage
