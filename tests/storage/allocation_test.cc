// tests/storage/allocation_test.cc: hot paths allocate nothing once their buffers have grown
// [architecture 8, house style 2.11].
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/storage/storage_fixture.h"

namespace {
std::atomic<uint64_t> allocations{0};  // Counts every operator new of this program.
}

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace worldline::storage {
namespace {

template <typename Run>
uint64_t count_allocations(Run&& run) {
  const uint64_t before = allocations.load();
  run();
  return allocations.load() - before;
}

class AllocationTest : public StorageTest {};

TEST_F(AllocationTest, UpdatesFindsAndDeletesWithoutAllocating) {
  const TableId t = create(Define("accounts")
                               .column("id", number_type(TypeKind::kU64))
                               .column("balance", number_type(TypeKind::kI64))
                               .primary_key(0));
  std::vector<Row> rows;
  for (uint64_t i = 0; i < 5000; ++i) rows.push_back(Row().u64(i).i64(100));
  insert_all(t, rows);
  const TableIndexId index = index_id(t);
  Row changed[4] = {Row().u64(7).i64(1), Row().u64(8).i64(2), Row().u64(9).i64(3),
                    Row().u64(10).i64(4)};
  const Row key = Row().u64(11);
  const Row fresh = Row().u64(20000).i64(5);
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

TEST_F(AllocationTest, CommitsWithOneBlockPerChangeSet) {
  const TableId t = create(Define("accounts")
                               .column("id", number_type(TypeKind::kU64))
                               .column("balance", number_type(TypeKind::kI64))
                               .primary_key(0));
  insert_all(t, {Row().u64(1).i64(1), Row().u64(2).i64(1)});
  Row rows[2] = {Row().u64(1).i64(2), Row().u64(1).i64(3)};
  for (int i = 0; i < 6; ++i) {
    Transaction tx = begin();
    EXPECT_TRUE(tx.update(t, index_id(t), rows[i % 2]).ok());
    const uint64_t spent = count_allocations([&] { tx.commit(); });
    if (i > 3) {
      EXPECT_LE(spent, 3u) << "TxData, its table list, its block";
    }
  }
}

}  // namespace
}  // namespace worldline::storage
