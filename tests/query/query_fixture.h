// tests/query/query_fixture.h
//
// Builders for the query room's tests: a database in memory with tables described in a few words,
// rows from JSON cells in the notation of [S 06/10], and readers that give rows back as bytes.
// Thread: one. Failures of the set-up itself abort the test.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "query/query_types.h"
#include "query/subscription_set.h"
#include "schema/algebraic_type.h"
#include "storage/database_state.h"
#include "storage/table_definition.h"

namespace worldline::query::testing {

using Json = nlohmann::json;
using Rows = std::multiset<std::string>;  // Row bytes.

// `U32`, `Option<U32>`, `Enum<A,B>`, `Bytes`, `Identity`, ... as the vectors name them.
schema::AlgebraicType parse_type(std::string_view text);

// The BSATN of a cell or a row in the vectors' notation.
void encode_cell(const Json& cell, const schema::AlgebraicType& type, ByteBuffer& out);
ByteBuffer encode_row(const Json& row, const schema::ProductType& type);
Rows encode_rows(const Json& rows, const schema::ProductType& type);

// Rows lying back to back, cut with the layout of `type`.
Rows split_rows(Bytes rows, const schema::ProductType& type);

// A subscribe with its first rows, as clients see it; the set is taken back if they cannot be had.
Result<std::vector<RowBlock>> subscribe(SubscriptionSet& set, const SubscribeRequest& request,
                                        const storage::ReadView& view);

Caller owner();
Caller stranger();

struct TableSpec {
  std::string name = {};
  std::vector<std::pair<std::string, std::string>> columns = {};  // Name and type.
  std::vector<std::vector<std::string>> indexes = {};             // B+trees over these columns.
  std::string primary_key = {};                                   // Empty: none.
  bool is_public = true;
  bool is_event = false;
  std::string accessor = {};
  std::map<std::string, std::string> column_accessors = {};  // Accessor -> canonical.
  std::vector<std::vector<std::string>> hash_indexes = {};
};

class TestDatabase {
 public:
  TestDatabase();

  void create_table(const TableSpec& spec);
  storage::DatabaseState& state() { return *state_; }
  const storage::ReadView& view() const { return state_->view(); }
  storage::Transaction begin() { return state_->begin({}); }
  const storage::TableSchema& schema(std::string_view table) const;

  // One transaction: deletes, then inserts. Null if nothing changed.
  storage::TxDataPtr change(const std::map<std::string, Json>& deletes,
                            const std::map<std::string, Json>& inserts);
  void insert(std::string_view table, const Json& rows) {
    change({}, {{std::string(table), rows}});
  }
  Rows rows(std::string_view table) const;

 private:
  std::unique_ptr<storage::DatabaseState> state_;
};

}  // namespace worldline::query::testing
