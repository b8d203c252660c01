// tests/query/query_oracle_test.cc: random queries against a naive evaluator. A failure prints the
// seed; WL_SEED=<n> in the environment repeats one run of each test.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "query/sql.h"
#include "query/subscription_set.h"
#include "schema/protocol/row_list.h"
#include "schema/protocol/wire_reader.h"
#include "storage/snapshot.h"
#include "tests/base/random_seeds.h"
#include "tests/query/random_queries.h"

namespace worldline::query {
namespace {

using testing::RandomDatabase;
using testing::RandomQuery;
using testing::Rows;

void add_rows(protocol::WireReader& reader, Rows& out) {
  const auto list = protocol::RowListView::read(reader);
  for (size_t i = 0; i < list.size(); ++i) out.emplace(as_text(list[i]));
}

Rows rows_of(const RowBlock& block) {
  protocol::WireReader reader(Bytes(*block.encoded).subspan(block.row_list_begin));
  Rows rows;
  add_rows(reader, rows);
  return rows;
}

TEST(QueryOracle, AnyJoinGivesTheBagOfTheNaiveEvaluator) {
  size_t accepted = 0;
  const std::vector<uint64_t> seeds = random_seeds(150);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    RandomDatabase random(seed, 3, seed % 3 != 0);
    random.create();
    for (int i = 0; i < 20; ++i) random.random_change(6);
    for (int i = 0; i < 20; ++i) {
      const RandomQuery query = random.random_query(1 + random.prng().below(3));
      SCOPED_TRACE(query.sql);
      ReadBudget budget;
      const auto block =
          one_off_query(query.sql, random.database().view(), testing::owner(), budget);
      ASSERT_TRUE(block.ok()) << block.status().message();
      ASSERT_EQ(rows_of(*block), random.evaluate(query));
      accepted += block->row_count;
    }
  }
  EXPECT_GT(accepted, 7 * seeds.size());
}

// A client's copy of one query's rows, counted as SDKs do [S 06/4.10].
struct Mirror {
  RandomQuery query;
  Rows rows;
};

void apply(const DeltaBlock& block, Rows& rows) {
  protocol::WireReader reader(Bytes(*block.encoded).subspan(block.rows_begin + 1));
  Rows inserts, deletes;
  add_rows(reader, inserts);
  if (block.kind == DeltaBlock::Kind::kPersistent) add_rows(reader, deletes);
  ASSERT_EQ(inserts.size(), block.inserts_count);
  ASSERT_EQ(deletes.size(), block.deletes_count);
  ASSERT_FALSE(inserts.empty() && deletes.empty()) << "an empty update was delivered";
  for (const std::string& row : inserts) {
    ASSERT_EQ(deletes.count(row), 0U) << "a row is inserted and deleted in one update";
    rows.insert(row);
  }
  for (const std::string& row : deletes) {
    const auto at = rows.find(row);
    ASSERT_NE(at, rows.end()) << "a row is deleted that the client does not have";
    rows.erase(at);
  }
}

TransactionUpdates evaluate(SubscriptionSet& set, const storage::TxDataPtr& tx,
                            storage::DatabaseState& state) {
  if (tx == nullptr) return {};
  const auto snapshot = set.needs_snapshot(*tx) ? state.pin() : nullptr;
  return set.evaluate(*tx, snapshot.get());
}

TEST(SubscriptionOracle, DeltasAddUpToAFreshEvaluation) {
  size_t joins = 0, updates_seen = 0;
  const std::vector<uint64_t> seeds = random_seeds(120);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    RandomDatabase random(seed, 3, true);
    random.create();
    for (int i = 0; i < 5; ++i) random.random_change(6);
    SubscriptionSet set;
    std::map<uint32_t, Mirror> mirrors;  // By query set id; the client is id % 4.
    for (uint32_t id = 0; id < 40; ++id) {
      Mirror mirror{random.random_query(1 + random.prng().below(2)), {}};
      const std::vector<std::string> texts = {mirror.query.sql};
      const auto blocks = testing::subscribe(
          set, {ClientHandle(id % 4), id, testing::owner(), texts}, random.database().view());
      if (!blocks.ok()) {
        ASSERT_NE(blocks.status().message().find("Subscriptions require indexes"),
                  std::string::npos)
            << blocks.status().message();
        continue;
      }
      for (const RowBlock& block : *blocks) mirror.rows = rows_of(block);
      joins += mirror.query.tables.size() - 1;
      mirrors.emplace(id, std::move(mirror));
    }
    for (int round = 0; round < 25; ++round) {
      const auto tx = random.random_change(1 + random.prng().below(12));
      const auto updates = evaluate(set, tx, random.database().state());
      ASSERT_TRUE(updates.failures.empty());
      for (const Delivery& delivery : updates.deliveries) {
        Mirror& mirror = mirrors.at(delivery.query_set_id);
        ASSERT_EQ(delivery.client.value, delivery.query_set_id % 4);
        SCOPED_TRACE(mirror.query.sql);
        apply(*updates.blocks[delivery.block], mirror.rows);
      }
      updates_seen += updates.deliveries.size();
      for (const auto& [id, mirror] : mirrors)
        ASSERT_EQ(mirror.rows, random.evaluate(mirror.query)) << mirror.query.sql;
    }
    set.check_invariants();
  }
  EXPECT_GT(joins, 4 * seeds.size());
  EXPECT_GT(updates_seen, 8 * seeds.size());
}

// Events join with the state before their transaction: QUIRK [S 06/4.7].
TEST(SubscriptionOracle, EventsMeetTheStateBeforeTheirTransaction) {
  size_t events_seen = 0;
  const std::vector<uint64_t> seeds = random_seeds(60);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    RandomDatabase random(seed, 2, true);
    random.make_event_table(0);
    random.create();
    for (int i = 0; i < 5; ++i) random.random_change(6);
    SubscriptionSet set;
    const std::vector<std::string> texts = {
        "SELECT r0.* FROM t0 AS r0 JOIN t1 AS r1 "
        "ON r0.c0 = r1.c0"};
    if (!set.subscribe({ClientHandle(1), 1, testing::owner(), texts}, random.database().view())
             .ok())
      continue;
    for (int round = 0; round < 20; ++round) {
      const std::vector<testing::Json> before = random.rows(1);
      const auto tx = random.random_change(6);
      const auto updates = evaluate(set, tx, random.database().state());
      const auto& type = random.database().schema("t0");
      const storage::TableDelta* events = tx == nullptr ? nullptr : tx->find_table(type.id);
      Rows expected;
      for (size_t i = 0; events != nullptr && i < events->inserts.size(); ++i) {
        const Bytes event = events->inserts[i];
        for (const auto& row : before) {
          ByteBuffer cell;
          testing::encode_cell(row[0], type.columns[0].type, cell);
          const Bytes own = type.layout.column(event, ColumnId(0));
          const bool zeros = type.columns[0].type.is_float() && load_le<double>(own.data()) == 0 &&
                             row[0].get<double>() == 0;
          if (zeros || equal(own, cell)) expected.emplace(as_text(event));
        }
      }
      Rows got;
      for (const auto& block : updates.blocks) {
        ASSERT_EQ(block->kind, DeltaBlock::Kind::kEvent);
        apply(*block, got);
      }
      ASSERT_EQ(got, expected);
      events_seen += got.size();
    }
  }
  EXPECT_GT(events_seen, seeds.size());
}

}  // namespace
}  // namespace worldline::query
