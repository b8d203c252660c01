// tests/storage/allocation_test.cc: hot paths allocate nothing once their buffers have grown
// [architecture 8, house style 2.11].
#include "storage/tx_data_pool.h"
#include "tests/storage/counted_new.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

template <typename Run>
uint64_t count_allocations(Run&& run) {
  return count_new_of(run).calls;
}

class AllocationTest : public StorageTest {
 protected:
  // What one transaction does to a table whose first column is its key, once its buffers have
  // grown. `key_of` makes the first column of a row.
  template <typename MakeKey>
  void expect_no_allocation(TableId t, MakeKey&& key_of) {
    const auto row_of = [&](uint64_t i, int64_t balance) { return key_of(i).i64(balance); };
    std::vector<Row> rows;
    for (uint64_t i = 0; i < 5000; ++i) rows.push_back(row_of(i, 100));
    insert_all(t, rows);
    const TableIndexId index = index_id(t);
    Row changed[4] = {row_of(7, 1), row_of(8, 2), row_of(9, 3), row_of(10, 4)};
    const Row key = key_of(11);
    const Row fresh = row_of(20000, 5);
    IndexKey found_key;
    const auto once = [&](Transaction& tx) {
      for (const Row& row : changed) EXPECT_TRUE(tx.update(t, index, row).ok());
      EXPECT_TRUE(db->view().find_index(index)->make_point_key(key, found_key).ok());
      EXPECT_TRUE(db->view().find_index(index)->find_unique(found_key).has_value());
      EXPECT_TRUE(tx.insert(t, fresh).ok());
      EXPECT_EQ(*tx.delete_point(index, key), 1u);
    };
    for (int i = 0; i < 3; ++i) {  // Buffers grow.
      Transaction tx = begin();
      once(tx);
    }
    Transaction tx = begin();
    EXPECT_EQ(count_allocations([&] { once(tx); }), 0u);
  }
};

TEST_F(AllocationTest, UpdatesFindsAndDeletesWithoutAllocating) {
  expect_no_allocation(create(Define("accounts")
                                  .column("id", number_type(TypeKind::kU64))
                                  .column("balance", number_type(TypeKind::kI64))
                                  .primary_key(0)),
                       [](uint64_t i) { return Row().u64(i); });
}

TEST_F(AllocationTest, ComparesHashedKeysInPlace) {
  expect_no_allocation(
      create(Define("players")
                 .column("name", AlgebraicType::string())
                 .column("score", number_type(TypeKind::kI64))
                 .unique({0}, IndexAlgorithm::kHash)),
      [](uint64_t i) {
        return Row().text("a name longer than any small buffer, number " + std::to_string(i));
      });
}

class CommitAllocationTest : public AllocationTest {
 protected:
  CommitAllocationTest()
      : table_(create(Define("accounts")
                          .column("id", number_type(TypeKind::kU64))
                          .column("balance", number_type(TypeKind::kI64))
                          .primary_key(0))) {
    insert_all(table_, {Row().u64(1).i64(0), Row().u64(2).i64(0)});
  }

  // A whole transaction of two updates, from begin to its change set.
  TxDataPtr transfer() {
    ++balance_;
    store_le(rows_[0].data() + sizeof(uint64_t), -balance_);
    store_le(rows_[1].data() + sizeof(uint64_t), balance_);
    TxInfo info;
    info.reducer = "transfer";
    info.args = rows_[0];
    Transaction tx = db->begin(info);
    for (const ByteBuffer& row : rows_) EXPECT_TRUE(tx.update(table_, index_id(table_), row).ok());
    return tx.commit().tx_data;
  }

  const TableId table_;
  int64_t balance_ = 0;
  ByteBuffer rows_[2] = {Row().u64(1).i64(0).bytes(), Row().u64(2).i64(0).bytes()};
};

TEST_F(CommitAllocationTest, SpendsNothingOnATransactionWhoseChangeSetIsLetGo) {
  for (int i = 0; i < 4; ++i) transfer();  // Buffers grow.
  EXPECT_EQ(count_allocations([&] {
              for (int i = 0; i < 100; ++i) transfer();
            }),
            0u);
}

TEST_F(CommitAllocationTest, SpendsNothingWhileAThousandChangeSetsWaitForTheirCommitNotice) {
  constexpr size_t kWaiting = TxDataPool::kIdleMax;
  std::vector<TxDataPtr> waiting(kWaiting + 1);
  for (TxDataPtr& tx : waiting) tx = transfer();
  for (TxDataPtr& tx : waiting) tx = nullptr;
  EXPECT_EQ(count_allocations([&] {
              for (size_t i = 0; i < kWaiting; ++i) waiting[i] = transfer();
            }),
            0u);
  EXPECT_EQ(count_allocations([&] { waiting[kWaiting] = transfer(); }), 3u)
      << "the pool has a limit";
}

}  // namespace
}  // namespace worldline::storage
