// bench/query/query_bench.cc: parse, point query, and delta evaluation with many subscriptions.
//
// Budgets [architecture 8]: 0.1 us per changed table that interests nobody, whatever the number of
// subscriptions whose literals do not match.
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "query/evaluator.h"
#include "query/planner.h"
#include "query/sql.h"
#include "query/sql_parser.h"
#include "query/subscription_set.h"
#include "schema/algebraic_type.h"
#include "storage/database_state.h"
#include "storage/snapshot.h"
#include "storage/table_definition.h"
#include "storage/transaction.h"

namespace worldline::query {
namespace {

constexpr uint32_t kPlayers = 10'000;
using DatabasePtr = std::unique_ptr<storage::DatabaseState>;

Caller owner() {
  return {{}, CallerClass::kOwner};
}

// A table of four-byte columns, each of `indexed` with a B+tree; column 0 is the primary key.
TableId create_table(storage::Transaction& transaction, const std::string& name,
                     const std::vector<std::string>& columns, uint16_t indexed) {
  storage::TableDefinition table;
  table.name = name;
  table.is_public = true;
  table.primary_key = ColumnId(0);
  for (const std::string& column : columns)
    table.columns.push_back({column, "", schema::AlgebraicType::primitive(schema::TypeKind::kU32)});
  for (uint16_t i = 0; i < indexed; ++i)
    table.indexes.push_back({name + "_" + columns[i] + "_idx_btree",
                             "",
                             storage::IndexAlgorithm::kBTree,
                             {ColumnId(i)}});
  table.constraints.push_back({name + "_key", {ColumnId(0)}});
  const auto id = transaction.create_table(table);
  if (!id.ok()) std::abort();
  return *id;
}

ByteBuffer row_of(std::initializer_list<uint32_t> cells) {
  ByteBuffer row;
  for (const uint32_t cell : cells) append_le(row, cell);
  return row;
}

DatabasePtr make_database() {
  DatabasePtr database = storage::DatabaseState::bootstrap({GroupId(7)});
  storage::Transaction transaction = database->begin({});
  const TableId player = create_table(transaction, "player", {"id", "zone", "x", "y"}, 2);
  const TableId item = create_table(transaction, "item", {"id", "owner"}, 2);
  for (uint32_t i = 0; i < kPlayers; ++i) {
    if (!transaction.insert(player, row_of({i, i % 100, 5, 6})).ok()) std::abort();
    if (!transaction.insert(item, row_of({i, i})).ok()) std::abort();
  }
  transaction.commit();
  return database;
}

// One player moves: one delete and one insert.
storage::TxDataPtr move_player(storage::DatabaseState& database, uint32_t id) {
  storage::Transaction transaction = database.begin({});
  const storage::TableView* player = transaction.view().find_table("player");
  const auto index = player->indexes()[0].schema().id;
  if (!transaction.update(player->schema().id, index, row_of({id, id % 100, 7, 6})).ok())
    std::abort();
  return transaction.commit().tx_data;
}

void subscribe(SubscriptionSet& set, storage::DatabaseState& database, uint64_t client,
               std::string sql) {
  const std::vector<std::string> texts = {std::move(sql)};
  const auto rows = set.subscribe({ClientHandle(client), 1, owner(), texts}, database.view());
  if (!rows.ok()) std::abort();
}

void parse_select(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(
        parse_sql(R"(SELECT * FROM "player" WHERE ("player"."id" = 77))", Dialect::kSubscription));
}
BENCHMARK(parse_select);

void compile_select(benchmark::State& state) {
  const auto database = make_database();
  for (auto _ : state)
    benchmark::DoNotOptimize(compile_query(R"(SELECT * FROM "player" WHERE ("player"."id" = 77))",
                                           database->view(), owner()));
}
BENCHMARK(compile_select);

class CountingSink final : public RowSink {
 public:
  Status add(Bytes row) override {
    bytes_ += row.size();
    return {};
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

void run_query(benchmark::State& state, const char* sql) {
  const auto database = make_database();
  const auto query = compile_query(sql, database->view(), owner());
  CountingSink sink;
  for (auto _ : state) {
    ReadBudget budget;
    evaluate(**query, database->view(), budget, sink).ignore("cannot fail");
  }
  benchmark::DoNotOptimize(sink.bytes());
}
BENCHMARK_CAPTURE(run_query, point, "SELECT * FROM player WHERE id = 77");
BENCHMARK_CAPTURE(run_query, hundred_by_index, "SELECT * FROM player WHERE zone = 7");
BENCHMARK_CAPTURE(run_query, range_of_ten, "SELECT * FROM player WHERE id >= 50 AND id < 60");
BENCHMARK_CAPTURE(run_query, scan_10k, "SELECT * FROM player WHERE x > 100");
BENCHMARK_CAPTURE(run_query, join_10k, "SELECT p.* FROM player p JOIN item i ON p.id = i.owner");

// `others` subscriptions whose literals do not match the changed row.
void delta_not_concerned(benchmark::State& state) {
  const auto database = make_database();
  SubscriptionSet set;
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i)
    subscribe(set, *database, i, "SELECT * FROM player WHERE id = " + std::to_string(i + 100));
  const auto tx = move_player(*database, 7);
  for (auto _ : state) {
    benchmark::DoNotOptimize(set.needs_snapshot(*tx));
    benchmark::DoNotOptimize(set.evaluate(*tx, nullptr));
  }
}
BENCHMARK(delta_not_concerned)->Arg(0)->Arg(1)->Arg(10'000);

void delta_other_ranges(benchmark::State& state) {
  const auto database = make_database();
  SubscriptionSet set;
  for (uint32_t i = 0; i < 10'000; ++i)
    subscribe(set, *database, i,
              "SELECT * FROM player WHERE id > " + std::to_string(i + 100) + " AND id < " +
                  std::to_string(i + 110));
  const auto tx = move_player(*database, 7);
  for (auto _ : state) benchmark::DoNotOptimize(set.evaluate(*tx, nullptr));
}
BENCHMARK(delta_other_ranges);

// 10,000 subscribers of other rows and one of the changed row.
void delta_one_concerned(benchmark::State& state) {
  const auto database = make_database();
  SubscriptionSet set;
  for (uint32_t i = 0; i < 10'000; ++i)
    subscribe(set, *database, i, "SELECT * FROM player WHERE id = " + std::to_string(i));
  const auto tx = move_player(*database, 7);
  for (auto _ : state) benchmark::DoNotOptimize(set.evaluate(*tx, nullptr));
}
BENCHMARK(delta_one_concerned);

// One query shared by all clients: one evaluation, one delivery each.
void delta_fan_out(benchmark::State& state) {
  const auto database = make_database();
  SubscriptionSet set;
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i)
    subscribe(set, *database, i, "SELECT * FROM player WHERE zone = 7");
  const auto tx = move_player(*database, 7);
  for (auto _ : state) benchmark::DoNotOptimize(set.evaluate(*tx, nullptr));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(delta_fan_out)->Arg(1)->Arg(1000);

void delta_join(benchmark::State& state) {
  const auto database = make_database();
  SubscriptionSet set;
  subscribe(set, *database, 1, "SELECT i.* FROM item i JOIN player p ON i.owner = p.id");
  const auto tx = move_player(*database, 7);
  const auto snapshot = database->pin();
  for (auto _ : state) benchmark::DoNotOptimize(set.evaluate(*tx, snapshot.get()));
}
BENCHMARK(delta_join);

}  // namespace
}  // namespace worldline::query
