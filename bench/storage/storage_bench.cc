// bench/storage/storage_bench.cc: table operations and index look-ups against the budgets of
// architecture 8: point find 0.15 us, update 0.4 us, change set 0.3 us.
//
//   build/release/storage_bench --benchmark_min_time=1
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/prng.h"
#include "schema/bsatn.h"
#include "storage/checkpoint_loader.h"
#include "storage/checkpoint_source.h"
#include "storage/database_state.h"
#include "storage/row_chunks.h"

namespace worldline::storage {
namespace {

using schema::AlgebraicType;
using schema::TypeKind;

constexpr uint64_t kAccounts = 100'000;  // As in the keynote benchmark.

// Accounts: u64 id (primary key), i64 balance; the same with a direct and with a hash index;
// people: identity (primary key), name, age (ordered index); and the same with identities by hash.
struct Bench {
  std::unique_ptr<DatabaseState> state = DatabaseState::bootstrap({GroupId(1)});
  TableId accounts, direct, hashed, people, hashed_people;
  TableIndexId accounts_id, direct_id, hashed_id, people_id, hashed_people_id;
  Prng random{1};

  Bench() {
    Transaction tx = state->begin(TxInfo{});
    TableDefinition account;
    account.name = "accounts";
    account.columns = {{"id", "", AlgebraicType::primitive(TypeKind::kU64)},
                       {"balance", "", AlgebraicType::primitive(TypeKind::kI64)}};
    account.indexes = {{"accounts_id_idx_btree", "", IndexAlgorithm::kBTree, {ColumnId(0)}}};
    account.constraints = {{"accounts_id_key", {ColumnId(0)}}};
    accounts = tx.create_table(account).value();
    account.name = std::string("direct");  // GCC 12 sees an overlap in the assignment of a literal.
    account.indexes = {{"direct_id_idx_direct", "", IndexAlgorithm::kDirect, {ColumnId(0)}}};
    account.constraints = {{"direct_id_key", {ColumnId(0)}}};
    direct = tx.create_table(account).value();
    account.name = std::string("hashed");
    account.indexes = {{"hashed_id_idx_hash", "", IndexAlgorithm::kHash, {ColumnId(0)}}};
    account.constraints = {{"hashed_id_key", {ColumnId(0)}}};
    hashed = tx.create_table(account).value();
    TableDefinition person;
    person.name = "people";
    person.columns = {{"who", "", AlgebraicType::identity()},
                      {"name", "", AlgebraicType::string()},
                      {"age", "", AlgebraicType::primitive(TypeKind::kU32)}};
    person.indexes = {{"people_who_idx_btree", "", IndexAlgorithm::kBTree, {ColumnId(0)}},
                      {"people_age_idx_btree", "", IndexAlgorithm::kBTree, {ColumnId(2)}}};
    person.constraints = {{"people_who_key", {ColumnId(0)}}};
    people = tx.create_table(person).value();
    person.name = std::string("hashed_people");
    person.indexes = {{"hashed_people_who_idx_hash", "", IndexAlgorithm::kHash, {ColumnId(0)}}};
    person.constraints = {{"hashed_people_who_key", {ColumnId(0)}}};
    hashed_people = tx.create_table(person).value();
    for (uint64_t i = 0; i < kAccounts; ++i) {
      const ByteBuffer row = account_row(i, 100);
      for (const TableId table : {accounts, direct, hashed})
        if (!tx.insert(table, row).ok()) std::abort();
      for (const TableId table : {people, hashed_people})
        if (!tx.insert(table, person_row(i)).ok()) std::abort();
    }
    tx.commit();
    accounts_id = first_index(accounts);
    direct_id = first_index(direct);
    hashed_id = first_index(hashed);
    people_id = first_index(people);
    hashed_people_id = first_index(hashed_people);
  }

  TableIndexId first_index(TableId table) const {
    return state->view().find_table(table)->indexes()[0].schema().id;
  }

  static ByteBuffer account_row(uint64_t id, int64_t balance) {
    ByteBuffer row;
    append_le(row, id);
    append_le(row, balance);
    return row;
  }
  static ByteBuffer identity(uint64_t i) {
    Prng bits(i);
    ByteBuffer bytes;
    for (int word = 0; word < 4; ++word) append_le(bytes, bits.next());
    return bytes;
  }
  static ByteBuffer person_row(uint64_t i) {
    ByteBuffer row = identity(i);
    schema::BsatnWriter writer(row);
    writer.write_string("person number " + std::to_string(i));
    writer.write_u32(static_cast<uint32_t>(i % 1000));
    return row;
  }
  uint64_t any() { return random.below(kAccounts); }
};

Bench& bench() {
  static Bench instance;  // Filled once; every benchmark leaves it usable.
  return instance;
}

// Finds read the row too: a hash index has looked at it already, a tree has not.
void find_by_u64(benchmark::State& state, TableIndexId index_id) {
  Bench& b = bench();
  IndexKey key;
  for (auto _ : state) {
    const uint64_t id = b.any();
    const IndexView* index = b.state->view().find_index(index_id);
    const DataStatus made =
        index->make_point_key({reinterpret_cast<const Byte*>(&id), sizeof id}, key);
    const auto found = index->find_unique(key);
    benchmark::DoNotOptimize(made.ok());
    benchmark::DoNotOptimize(load_le<int64_t>(index->table().row(*found).data() + sizeof id));
  }
}
void BM_FindByU64(benchmark::State& state) {
  find_by_u64(state, bench().accounts_id);
}
BENCHMARK(BM_FindByU64);

void BM_FindByDirectU64(benchmark::State& state) {
  find_by_u64(state, bench().direct_id);
}
BENCHMARK(BM_FindByDirectU64);

void BM_FindByHashU64(benchmark::State& state) {
  find_by_u64(state, bench().hashed_id);
}
BENCHMARK(BM_FindByHashU64);

void find_by_identity(benchmark::State& state, TableIndexId index_id) {
  Bench& b = bench();
  IndexKey key;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<ByteBuffer> ids;
    for (int i = 0; i < 512; ++i) ids.push_back(Bench::identity(b.any()));
    state.ResumeTiming();
    for (const ByteBuffer& id : ids) {
      const IndexView* index = b.state->view().find_index(index_id);
      const DataStatus made = index->make_point_key(id, key);
      benchmark::DoNotOptimize(made.ok());
      benchmark::DoNotOptimize(index->table().row(*index->find_unique(key))[0]);
    }
  }
  state.SetItemsProcessed(state.iterations() * 512);
}
void BM_FindByIdentity(benchmark::State& state) {
  find_by_identity(state, bench().people_id);
}
BENCHMARK(BM_FindByIdentity);

void BM_FindByHashIdentity(benchmark::State& state) {
  find_by_identity(state, bench().hashed_people_id);
}
BENCHMARK(BM_FindByHashIdentity);

void BM_UpdateByU64(benchmark::State& state) {
  Bench& b = bench();
  ByteBuffer row = Bench::account_row(0, 0);
  int64_t balance = 0;
  Transaction tx = b.state->begin(TxInfo{});
  size_t in_tx = 0;
  for (auto _ : state) {
    store_le(row.data(), b.any());
    store_le(row.data() + 8, ++balance);
    benchmark::DoNotOptimize(tx.update(b.accounts, b.accounts_id, row).ok());
    if (++in_tx == 100'000) {
      state.PauseTiming();
      in_tx = 0;
      tx.rollback();
      tx.~Transaction();
      new (&tx) Transaction(b.state->begin(TxInfo{}));
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_UpdateByU64);

// The table work of a keynote transfer, per item one find and one update: find A, find B, update A,
// update B. range(0) is the number of rows the ids are drawn from.
void BM_FindThenUpdateByU64(benchmark::State& state) {
  Bench& b = bench();
  const auto rows = static_cast<uint64_t>(state.range(0));
  ByteBuffer row = Bench::account_row(0, 0);
  int64_t balance = 0;
  IndexKey key;
  Transaction tx = b.state->begin(TxInfo{});
  for (auto _ : state) {
    const uint64_t ids[2] = {b.random.below(rows), b.random.below(rows)};
    for (const uint64_t& id : ids) {
      const IndexView* index = b.state->view().find_index(b.accounts_id);
      const DataStatus made =
          index->make_point_key({reinterpret_cast<const Byte*>(&id), sizeof id}, key);
      benchmark::DoNotOptimize(made.ok());
      benchmark::DoNotOptimize(index->table().row(*index->find_unique(key)).data());
    }
    for (const uint64_t id : ids) {
      store_le(row.data(), id);
      store_le(row.data() + 8, ++balance);
      benchmark::DoNotOptimize(tx.update(b.accounts, b.accounts_id, row).ok());
    }
  }
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(BM_FindThenUpdateByU64)->Arg(kAccounts)->Arg(100);

// The keynote transfer without the module: two finds, two updates, commit with its change set.
void BM_TransferTransaction(benchmark::State& state) {
  Bench& b = bench();
  ByteBuffer row = Bench::account_row(0, 0);
  int64_t balance = 0;
  TxInfo info;
  info.reducer = "transfer";
  for (auto _ : state) {
    Transaction tx = b.state->begin(info);
    for (int i = 0; i < 2; ++i) {
      store_le(row.data(), b.any());
      store_le(row.data() + 8, ++balance);
      benchmark::DoNotOptimize(tx.update(b.accounts, b.accounts_id, row).ok());
    }
    benchmark::DoNotOptimize(tx.commit().offset);
  }
}
BENCHMARK(BM_TransferTransaction);

void BM_EmptyTransaction(benchmark::State& state) {
  Bench& b = bench();
  for (auto _ : state) {
    Transaction tx = b.state->begin(TxInfo{});
    benchmark::DoNotOptimize(tx.commit().offset);
  }
}
BENCHMARK(BM_EmptyTransaction);

void insert_and_delete(benchmark::State& state, TableId table, TableIndexId index_id) {
  Bench& b = bench();
  ByteBuffer row = Bench::account_row(0, 0);
  uint64_t id = kAccounts * 2;
  Transaction tx = b.state->begin(TxInfo{});
  for (auto _ : state) {
    store_le(row.data(), ++id);
    benchmark::DoNotOptimize(tx.insert(table, row).ok());
    benchmark::DoNotOptimize(tx.delete_point(index_id, Bytes(row).first(8)).ok());
  }
}
void BM_InsertAndDelete(benchmark::State& state) {
  insert_and_delete(state, bench().accounts, bench().accounts_id);
}
BENCHMARK(BM_InsertAndDelete);

void BM_InsertAndDeleteByHash(benchmark::State& state) {
  insert_and_delete(state, bench().hashed, bench().hashed_id);
}
BENCHMARK(BM_InsertAndDeleteByHash);

void BM_ScanRow(benchmark::State& state) {
  Bench& b = bench();
  size_t bytes = 0;
  for (auto _ : state) {
    RowCursor cursor = b.state->view().find_table(b.people)->scan();
    while (cursor.next()) bytes += cursor.row().size();
  }
  benchmark::DoNotOptimize(bytes);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kAccounts));
}
BENCHMARK(BM_ScanRow);

void BM_IndexScanOfHundredRows(benchmark::State& state) {
  Bench& b = bench();
  RowChunks chunks;
  const IndexView& index = b.state->view().find_table(b.people)->indexes()[1];
  for (auto _ : state) {
    const auto age = static_cast<uint32_t>(b.random.below(1000));
    const auto key = index.point_key({reinterpret_cast<const Byte*>(&age), sizeof age});
    chunks.clear();
    chunks.collect(index.point(*key));
    benchmark::DoNotOptimize(chunks.row_count());
  }
}
BENCHMARK(BM_IndexScanOfHundredRows);

void BM_PinAndRelease(benchmark::State& state) {
  Bench& b = bench();
  for (auto _ : state) benchmark::DoNotOptimize(b.state->pin().get());
}
BENCHMARK(BM_PinAndRelease);

// The price of a live snapshot: each transaction clones the page and the index path it touches.
void BM_UpdateAfterAPin(benchmark::State& state) {
  Bench& b = bench();
  ByteBuffer row = Bench::account_row(0, 0);
  int64_t balance = 0;
  for (auto _ : state) {
    const SnapshotPtr snapshot = b.state->pin();
    Transaction tx = b.state->begin(TxInfo{});
    store_le(row.data(), b.any());
    store_le(row.data() + 8, ++balance);
    benchmark::DoNotOptimize(tx.update(b.accounts, b.accounts_id, row).ok());
    tx.commit();
  }
}
BENCHMARK(BM_UpdateAfterAPin);

void BM_Digest(benchmark::State& state) {
  Bench& b = bench();
  for (auto _ : state) benchmark::DoNotOptimize(b.state->digest().low);
}
BENCHMARK(BM_Digest);

// R06 (b): the time per insert must not grow with the table. Rows of about 2.4 kB.
void BM_InsertIntoAGrowingTable(benchmark::State& state) {
  auto database = DatabaseState::bootstrap({GroupId(1)});
  TableDefinition definition;
  definition.name = "wide";
  definition.columns = {{"id", "", AlgebraicType::primitive(TypeKind::kU64)},
                        {"text", "", AlgebraicType::string()}};
  definition.indexes = {{"wide_id_idx_btree", "", IndexAlgorithm::kBTree, {ColumnId(0)}}};
  definition.constraints = {{"wide_id_key", {ColumnId(0)}}};
  Transaction creation = database->begin(TxInfo{});
  const TableId table = creation.create_table(definition).value();
  creation.commit();
  uint64_t id = 0;
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    Transaction tx = database->begin(TxInfo{});
    for (int i = 0; i < 100; ++i) {
      ByteBuffer row;
      append_le(row, id++);
      schema::BsatnWriter(row).write_string(text);
      benchmark::DoNotOptimize(tx.insert(table, row).ok());
    }
    tx.commit();
  }
  state.SetItemsProcessed(static_cast<int64_t>(id));
}
BENCHMARK(BM_InsertIntoAGrowingTable)->Arg(2400)->Iterations(100);
BENCHMARK(BM_InsertIntoAGrowingTable)->Arg(2400)->Iterations(2000);

// A load: pages decoded and checked on one thread, then indexes on range(0). Compare the times of
// one run with each other; the pages' share is what does not shrink.
void BM_LoadCheckpoint(benchmark::State& state) {
  const SnapshotPtr snapshot = bench().state->pin();
  const CheckpointManifest manifest = checkpoint_manifest(*snapshot);
  std::vector<ByteBuffer> images;
  for (const CheckpointTable& table : manifest.tables)
    for (const CheckpointPage& page : table.pages)
      write_page_image(*snapshot, table.table, page.number, images.emplace_back());
  for (auto _ : state) {
    CheckpointLoader loader(manifest);
    size_t next = 0;
    for (const CheckpointTable& table : manifest.tables)
      for (const CheckpointPage& page : table.pages)
        if (!loader.add_page(table.table, page.number, images[next++]).ok()) std::abort();
    benchmark::DoNotOptimize(loader.finish(static_cast<size_t>(state.range(0))).ok());
  }
}
BENCHMARK(BM_LoadCheckpoint)->Arg(1)->Arg(2)->Arg(4)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace worldline::storage
