// storage/table_schema.h
//
// TableSchema: everything the datastore, queries and the runtime know about one table, compiled
// from its catalog rows. Frozen after construction and shared; a schema change makes a new one.
//
// Invariants: columns are in position order; indexes, constraints and sequences in ascending id;
// an index is unique exactly if a unique constraint exists over the same column set [S 05/1.7].
// Ownership: shared_ptr<const TableSchema>. Thread: any, frozen. Sources: [S 05/1.7, 2.2].
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/wide_int.h"
#include "schema/algebraic_type.h"
#include "schema/key_encoding.h"
#include "schema/row_layout.h"

namespace worldline::storage {

struct ColumnSchema {
  std::string name;
  std::string accessor;  // Equals name if the module gave none.
  schema::AlgebraicType type;
};

// The numbers are the tags of st_index.index_algorithm [S 05/2.2].
enum class IndexAlgorithm : uint8_t { kBTree = 1, kDirect = 2, kHash = 3 };

struct IndexSchema {
  TableIndexId id;
  TableId table;
  std::string name;
  std::string accessor;  // Equals name if the module gave none.
  IndexAlgorithm algorithm = IndexAlgorithm::kBTree;
  std::vector<ColumnId> columns;
  bool is_unique = false;
  // One element per key part: the columns, or the fields of a single product-typed column, which
  // counts as a key of several parts [S 05/1.8].
  schema::RowLayout key_layout;      // Of the index columns as a product.
  schema::RowLayout element_layout;  // Of the key parts as a product.
  schema::KeyEncoder row_key;        // From rows of the table.
  schema::KeyEncoder column_key;     // From key_layout's columns.
  schema::KeyEncoder element_key;    // From element_layout's columns.
};

struct ConstraintSchema {  // Unique constraints; there are no others.
  ConstraintId id;
  std::string name;
  std::vector<ColumnId> columns;
};

struct SequenceSchema {
  SequenceId id;
  std::string name;
  ColumnId column;
  Int128 increment = 1;
  Int128 start = 1;
  Int128 min_value = 1;
  Int128 max_value = 0;
};

struct ScheduleSchema {
  ScheduleId id;
  std::string name;
  std::string function;  // Reducer or procedure.
  ColumnId at_column;
};

struct TableSchema {
  TableId id;
  std::string name;      // Canonical, with namespace.
  std::string accessor;  // Equals name if the module gave none.
  bool is_system = false;
  bool is_public = false;
  bool is_event = false;
  bool is_ephemeral = false;  // Changes reach subscribers, never the log [S 05/1.12].
  std::optional<ColumnId> primary_key;
  std::vector<ColumnSchema> columns;
  std::vector<IndexSchema> indexes;
  std::vector<ConstraintSchema> constraints;
  std::vector<SequenceSchema> sequences;
  std::optional<ScheduleSchema> schedule;
  schema::ProductType row_type;  // Resolved: no references inside.
  schema::RowLayout layout;

  std::optional<ColumnId> find_column(std::string_view column_name) const;  // Name, then accessor.
};

using TableSchemaPtr = std::shared_ptr<const TableSchema>;

// Fills everything derived: row type, layouts, accessors, uniqueness; sorts by id. The given parts
// are names, flags, columns, indexes (id, name, algorithm, columns), constraints, sequences.
// Errors: kInvalidArgument with the definition texts of [S 05/8.2].
Result<TableSchemaPtr> compile_table_schema(TableSchema parts);

}  // namespace worldline::storage
