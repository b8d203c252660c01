// tests/query/random_queries.h
//
// Random schemas, rows and queries for oracle tests, with a naive evaluator over JSON rows that
// shares no code with the product. Everything comes from one Prng: equal seeds, equal cases.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/query/query_fixture.h"

namespace worldline::query::testing {

// One condition: a comparison or a junction of conditions.
struct RandomCondition {
  enum class Kind { kLiteral, kColumns, kAnd, kOr } kind = Kind::kLiteral;
  size_t relation = 0, column = 0;
  size_t other_relation = 0, other_column = 0;
  std::string op;
  Json literal;
  std::vector<RandomCondition> children;
};

struct RandomQuery {
  std::vector<size_t> tables;                 // By relation; the aliases are r0, r1, ...
  std::vector<std::pair<size_t, size_t>> on;  // Column of relation i - 1 = column of relation i.
  std::vector<RandomCondition> where;         // At most one.
  size_t returned = 0;
  std::string sql;
};

class RandomDatabase {
 public:
  RandomDatabase(uint64_t seed, size_t table_count, bool with_indexes);

  Prng& prng() { return prng_; }
  TestDatabase& database() { return database_; }
  const std::vector<TableSpec>& tables() const { return tables_; }
  const std::vector<Json>& rows(size_t table) const { return rows_[table]; }

  RandomQuery random_query(size_t relation_count);
  // One transaction of up to `changes` random row changes on some tables; the model follows.
  storage::TxDataPtr random_change(size_t changes);

  // The result as a bag of row bytes, by trying every combination.
  Rows evaluate(const RandomQuery& query) const;

  // Marks a table as event table; call before create(). Its rows never enter the model.
  void make_event_table(size_t table) { tables_[table].is_event = true; }
  void create();  // Creates the tables in the database.

 private:
  Json random_cell(const std::string& type);
  Json random_row(size_t table);
  RandomCondition random_condition(const RandomQuery& query, size_t depth);
  std::string print(const RandomQuery& query, const RandomCondition& condition) const;
  bool holds(const RandomQuery& query, const RandomCondition& condition,
             const std::vector<const Json*>& combination) const;
  const std::string& type_of(size_t table, size_t column) const {
    return tables_[table].columns[column].second;
  }

  Prng prng_;
  TestDatabase database_;
  std::vector<TableSpec> tables_;
  std::vector<std::vector<Json>> rows_;
};

}  // namespace worldline::query::testing
