// storage/table_definition.h
//
// TableDefinition: what create_table() is given. Ids are assigned by the catalog's sequences.
//
// Ownership: values. Thread: any. Errors: Transaction::create_table validates everything.
// Sources: [S 05/2.5, 2.6].
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/wide_int.h"
#include "schema/algebraic_type.h"
#include "storage/table_schema.h"

namespace worldline::storage {

struct ColumnDefinition {
  std::string name;
  std::string accessor;        // Empty or equal to name: none.
  schema::AlgebraicType type;  // Resolved.
};

struct IndexDefinition {
  std::string name;
  std::string accessor;  // Empty or equal to name: none.
  IndexAlgorithm algorithm = IndexAlgorithm::kBTree;
  std::vector<ColumnId> columns;
};

struct ConstraintDefinition {
  std::string name;
  std::vector<ColumnId> columns;
};

struct SequenceDefinition {
  std::string name;
  ColumnId column;
  Int128 increment = 1;
  std::optional<Int128> start, min_value, max_value;  // Defaults: 1, 1, 2^127-1 [S 05/1.10].
};

struct ScheduleDefinition {
  std::string name;
  std::string function;
  ColumnId at_column;
};

struct TableDefinition {
  std::string name;
  std::string accessor;  // Empty or equal to name: none.
  bool is_public = false;
  bool is_event = false;
  std::optional<ColumnId> primary_key;
  std::vector<ColumnDefinition> columns;
  std::vector<IndexDefinition> indexes;
  std::vector<ConstraintDefinition> constraints;
  std::vector<SequenceDefinition> sequences;
  std::optional<ScheduleDefinition> schedule;
};

}  // namespace worldline::storage
