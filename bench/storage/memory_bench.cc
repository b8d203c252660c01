// bench/storage/memory_bench.cc: what a row costs in memory, by kind of key, against the budget of
// architecture 8: row bytes + 16 B per index + 10 %.
//
//   build/release/memory_bench
//
// Times mean nothing here. Counters, all per row: `row` its BSATN, `pages` what the engine counts
// for its pages, `heap` what the allocator handed out for everything, `rss` the growth of the
// process's anonymous memory.
#include <cstdlib>
#include <fstream>
#include <string>

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "base/prng.h"
#include "schema/bsatn.h"
#include "storage/database_state.h"

namespace worldline::storage {
namespace {

using schema::AlgebraicType;
using schema::TypeKind;

constexpr uint64_t kRowsPerTransaction = 1000;

enum class Kind : uint8_t { kNoIndex, kU64AndOrdered, kU128, kU256, kText52 };
using Algorithm = IndexAlgorithm;

AlgebraicType key_type(Kind kind) {
  switch (kind) {
    case Kind::kNoIndex:
    case Kind::kU64AndOrdered:
      return AlgebraicType::primitive(TypeKind::kU64);
    case Kind::kU128:
      return AlgebraicType::primitive(TypeKind::kU128);
    case Kind::kU256:
      return AlgebraicType::primitive(TypeKind::kU256);
    case Kind::kText52:
      return AlgebraicType::string();
  }
  return {};
}

TableDefinition definition_of(Kind kind, Algorithm algorithm) {
  TableDefinition table;
  table.name = std::string("t");  // GCC 12 sees an overlap in the assignment of a literal.
  table.columns = {{"id", "", key_type(kind)},
                   {"value", "", AlgebraicType::primitive(TypeKind::kU64)}};
  if (kind == Kind::kNoIndex) return table;
  table.primary_key = ColumnId(0);
  table.indexes = {{"t_id_idx", "", algorithm, {ColumnId(0)}}};
  table.constraints = {{"t_id_key", {ColumnId(0)}}};
  if (kind == Kind::kU64AndOrdered)
    table.indexes.push_back({"t_value_idx", "", Algorithm::kBTree, {ColumnId(1)}});
  return table;
}

// Counted numbers up to 64 bits, as from a sequence; everything else is random.
void make_row(Kind kind, uint64_t n, Prng& random, ByteBuffer& row) {
  row.clear();
  schema::BsatnWriter writer(row);
  switch (kind) {
    case Kind::kNoIndex:
    case Kind::kU64AndOrdered:
      writer.write_u64(n);
      break;
    case Kind::kU128:
    case Kind::kU256:
      for (int i = 0; i < (kind == Kind::kU128 ? 2 : 4); ++i) writer.write_u64(random.next());
      break;
    case Kind::kText52: {
      std::string text(52, ' ');
      for (char& c : text) c = static_cast<char>('a' + random.below(26));
      writer.write_string(text);
      break;
    }
  }
  writer.write_u64(random.next());
}

// RssAnon of /proc/self/status.
uint64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == "RssAnon:" && status >> kibibytes) return kibibytes * 1024;
  }
  std::abort();
}

struct Memory {
  uint64_t heap = 0;
  uint64_t anonymous = 0;

  static Memory now() {
    const struct mallinfo2 info = mallinfo2();
    return {info.uordblks + info.hblkhd, anonymous_bytes()};
  }
};

void BM_MemoryPerRow(benchmark::State& state, Kind kind, Algorithm algorithm = Algorithm::kBTree) {
  const auto rows = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) {
    malloc_trim(0);  // What the case before freed must not hide what this one takes.
    const Memory before = Memory::now();
    const auto database = DatabaseState::bootstrap({GroupId(1)});
    Transaction creation = database->begin(TxInfo{});
    const TableId table = creation.create_table(definition_of(kind, algorithm)).value();
    creation.commit();
    Prng random(1);
    ByteBuffer row;
    for (uint64_t n = 0; n < rows;) {
      Transaction tx = database->begin(TxInfo{});
      for (uint64_t i = 0; i < kRowsPerTransaction && n < rows; ++i, ++n) {
        make_row(kind, n, random, row);
        if (!tx.insert(table, row).ok()) std::abort();
      }
      tx.commit();
    }
    const Memory after = Memory::now();
    const TableView& view = *database->view().find_table(table);
    const auto per_row = [rows](uint64_t bytes) {
      return static_cast<double>(bytes) / static_cast<double>(rows);
    };
    state.counters["row"] = per_row(view.row_bytes());
    state.counters["pages"] = per_row(view.page_bytes());
    state.counters["heap"] = per_row(after.heap - before.heap);
    state.counters["rss"] = per_row(after.anonymous - before.anonymous);
  }
}
#define WL_MEMORY_PER_ROW(name, ...) \
  BENCHMARK_CAPTURE(BM_MemoryPerRow, name, __VA_ARGS__)->Arg(500'000)->Iterations(1)
WL_MEMORY_PER_ROW(no_index, Kind::kNoIndex);
WL_MEMORY_PER_ROW(u64_key_and_u64_btree, Kind::kU64AndOrdered);
WL_MEMORY_PER_ROW(u128_key, Kind::kU128);
WL_MEMORY_PER_ROW(u256_key, Kind::kU256);
WL_MEMORY_PER_ROW(text_52_key, Kind::kText52);
WL_MEMORY_PER_ROW(u128_hash, Kind::kU128, Algorithm::kHash);
WL_MEMORY_PER_ROW(u256_hash, Kind::kU256, Algorithm::kHash);
WL_MEMORY_PER_ROW(text_52_hash, Kind::kText52, Algorithm::kHash);

}  // namespace
}  // namespace worldline::storage
