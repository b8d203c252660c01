// query/bound_query.h
//
// Statements after name resolution and typing: tables by schema, columns by position, literals as
// BSATN. Everything a planner needs and nothing about text.
//
// Invariants: relations are in order of FROM, at most kRelationsMax. `terms` is the conjunction of
// ON and WHERE, flattened, sorted by encoding and distinct.
// Ownership: plain values; schemas are shared and frozen. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "query/condition.h"
#include "storage/table_schema.h"

namespace worldline::query {

// Relations are bits of a 64-bit set.
inline constexpr size_t kRelationsMax = 64;

struct BoundRelation {
  storage::TableSchemaPtr schema;
  std::string alias;
  // A column of byte-array type that this caller reads as empty [S 06/1.17].
  std::optional<ColumnId> hidden_column;
};

struct Projection {
  enum class Kind : uint8_t { kRelation, kColumns, kCount };
  Kind kind = Kind::kRelation;
  uint16_t relation = 0;            // kRelation: whole rows of this one.
  std::vector<ColumnSlot> columns;  // kColumns.
  std::vector<std::string> names;   // Result header: of every kind.
};

struct BoundQuery {
  std::vector<BoundRelation> relations;
  ConditionPool pool;
  std::vector<ConditionId> terms;
  // The literal ON of relation 1, for the index rule of subscriptions [S 06/2.2].
  std::optional<std::pair<ColumnSlot, ColumnSlot>> first_on;
  Projection projection;
  std::optional<uint64_t> limit;
  bool uses_sender = false;
};

struct BoundInsert {
  storage::TableSchemaPtr table;
  std::vector<ByteBuffer> rows;
};

struct BoundChange {    // UPDATE if there are assignments, else DELETE.
  BoundQuery matching;  // Whole rows of the one table.
  std::vector<std::pair<ColumnId, ByteBuffer>> assignments;  // Distinct columns.
};

}  // namespace worldline::query
