// tests/storage/tx_data_pool_test.cc: change sets are the same whether their buffers are new or
// used, and come back from any thread [architecture 8].
#include "storage/tx_data_pool.h"

#include <set>
#include <thread>

#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

TxDataPtr build(TxDataBuilder& builder, uint64_t n, size_t rows) {
  const std::string reducer = "r" + std::to_string(n);
  const std::string args(n % 7, 'a');
  builder.begin_table(TableId(4096), nullptr);
  for (size_t i = 0; i < rows; ++i) builder.add_insert(RowRef{0, 1}, Row().u64(n));
  TxInfo info;
  info.reducer = reducer;
  info.args = as_bytes(args);
  return builder.finish(info, TxOffset(n), true);
}

void expect_built(const TxData& tx, uint64_t n, size_t rows) {
  EXPECT_EQ(tx.offset, TxOffset(n));
  EXPECT_EQ(tx.reducer, "r" + std::to_string(n));
  EXPECT_EQ(tx.args.size(), n % 7);
  ASSERT_EQ(tx.tables.size(), 1u);
  ASSERT_EQ(tx.tables[0].inserts.size(), rows);
  for (size_t i = 0; i < rows; ++i) EXPECT_EQ(load_le<uint64_t>(tx.tables[0].inserts[i].data()), n);
}

TEST(TxDataPool, GivesBackWhatWasLetGoButForLargeBlocks) {
  TxDataPool pool;
  TxDataBuilder builder(&pool);
  const TxData* first = nullptr;
  for (uint64_t n = 0; n < 20; ++n) {
    const size_t rows = n % 2 == 0 ? 1 : 2 * TxDataPool::kIdleBlockBytes / sizeof(uint64_t);
    const TxDataPtr tx = build(builder, n, rows);
    expect_built(*tx, n, rows);
    if (first == nullptr) first = tx.get();
    EXPECT_EQ(tx.get(), first) << "the one object serves all";
  }
  const TxDataPtr held = build(builder, 20, 1);
  const TxDataPtr other = build(builder, 21, 1);
  EXPECT_NE(other.get(), held.get());
  expect_built(*held, 20, 1);
}

TEST(TxDataPool, LetsChangeSetsOutliveIt) {
  TxDataPtr tx;
  std::weak_ptr<const TxData> watched;
  {
    TxDataPool pool;
    TxDataBuilder builder(&pool);
    tx = build(builder, 1, 1);
    build(builder, 2, 1);
    watched = tx;
  }
  expect_built(*tx, 1, 1);
  tx = nullptr;
  EXPECT_TRUE(watched.expired());
}

// After a burst the few that are in use must not change places with the many that are not.
TEST(TxDataPool, TakesFirstWhatCameBackLast) {
  TxDataPool pool;
  TxDataBuilder builder(&pool);
  std::vector<TxDataPtr> burst;
  for (uint64_t n = 0; n < 100; ++n) burst.push_back(build(builder, n, 1));
  burst.clear();
  std::set<const TxData*> used;
  for (uint64_t n = 0; n < 1000; ++n) {
    const TxDataPtr tx = build(builder, n, 1);
    expect_built(*tx, n, 1);
    used.insert(tx.get());
  }
  EXPECT_LE(used.size(), 2u);
}

TEST(TxDataPool, FreesWhatComesBackWhenItIsGoneOrFull) {
  std::vector<TxDataPtr> left;
  {
    TxDataPool pool;
    TxDataBuilder builder(&pool);
    std::vector<TxDataPtr> burst;
    for (uint64_t n = 0; n < 2 * TxDataPool::kIdleMax; ++n) burst.push_back(build(builder, n, 1));
    left.assign(burst.begin(), burst.begin() + 5);
    burst.clear();  // Half of them find no place.
    for (uint64_t n = 0; n < 2 * TxDataPool::kIdleMax; ++n) {
      burst.push_back(build(builder, n, 1));
      expect_built(*burst.back(), n, 1);
    }
  }
  for (uint64_t n = 0; n < left.size(); ++n) expect_built(*left[n], n, 1);
}

TEST(TxDataPool, TakesChangeSetsBackFromAnyThread) {
  constexpr uint64_t kEach = 2000;
  TxDataPool pool;
  TxDataBuilder builder(&pool);
  std::vector<TxDataPtr> all;
  for (uint64_t n = 0; n < 2 * kEach; ++n) all.push_back(build(builder, n, 1));
  const auto let_go = [&all](uint64_t first) {
    for (uint64_t n = first; n < 2 * kEach; n += 2) {
      expect_built(*all[n], n, 1);
      all[n] = nullptr;
    }
  };
  std::thread even(let_go, 0), odd(let_go, 1);
  std::vector<TxDataPtr> again;
  for (uint64_t n = 0; n < kEach; ++n) again.push_back(build(builder, n, 2));
  even.join();
  odd.join();
  for (uint64_t n = 0; n < kEach; ++n) expect_built(*again[n], n, 2);
}

}  // namespace
}  // namespace worldline::storage
