// storage/catalog_rows.h
//
// Catalog rows as values: encoding and decoding of the st_* rows that describe tables, and the way
// from those rows to table schemas. The rows are the truth: the leader, followers and a restart all
// derive schemas from them by the same function.
//
// Ownership: values. Thread: as the view. Errors: kCorruption if rows contradict each other.
// Sources: [S 05/2.2].
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "storage/read_view.h"
#include "storage/table_schema.h"

namespace worldline::storage {

struct StTableRow {
  TableId id;
  std::string name;
  bool is_system = false;
  bool is_public = false;
  std::optional<ColumnId> primary_key;
};
struct StColumnRow {
  TableId table;
  ColumnId position;
  std::string name;
  schema::AlgebraicType type;
};
struct StSequenceRow {
  SequenceSchema schema;
  TableId table;
  Int128 allocated = 0;
};
struct StIndexRow {
  TableIndexId id;
  TableId table;
  std::string name;
  IndexAlgorithm algorithm = IndexAlgorithm::kBTree;
  std::vector<ColumnId> columns;
};
struct StConstraintRow {
  ConstraintId id;
  std::string name;
  TableId table;
  std::vector<ColumnId> columns;
};
struct StScheduledRow {
  ScheduleSchema schema;
  TableId table;
};

// Append the BSATN of a row.
void encode_row(const StTableRow& row, ByteBuffer& out);
void encode_row(const StColumnRow& row, ByteBuffer& out);
void encode_row(const StSequenceRow& row, ByteBuffer& out);
void encode_row(const StIndexRow& row, ByteBuffer& out);
void encode_row(const StConstraintRow& row, ByteBuffer& out);
void encode_row(const StScheduledRow& row, ByteBuffer& out);
void encode_event_table_row(TableId table, ByteBuffer& out);
void encode_accessor_row(std::string_view name, std::string_view accessor, ByteBuffer& out);
void encode_column_accessor_row(std::string_view table, std::string_view column,
                                std::string_view accessor, ByteBuffer& out);

Result<StTableRow> decode_st_table(Bytes row);
Result<StColumnRow> decode_st_column(Bytes row);
Result<StSequenceRow> decode_st_sequence(Bytes row);
Result<StIndexRow> decode_st_index(Bytes row);
Result<StConstraintRow> decode_st_constraint(Bytes row);
Result<StScheduledRow> decode_st_scheduled(Bytes row);

// The rows of all tables, or of one, read in one pass.
class CatalogContent {
 public:
  static Result<CatalogContent> read(const ReadView& view, std::optional<TableId> only);

  bool has_table(TableId id) const { return tables_.contains(id); }
  std::vector<TableId> table_ids() const;  // Ascending.
  Result<TableSchemaPtr> assemble(TableId id) const;
  Int128 allocated(SequenceId id) const;  // REQUIRES: a sequence of a table that was read.

 private:
  Status read_tables(const ReadView& view, std::optional<TableId> only);
  Status read_parts(const ReadView& view);
  void read_accessors(const ReadView& view);

  std::map<TableId, TableSchema> tables_;
  std::map<TableId, std::map<ColumnId, StColumnRow>> columns_;
  std::unordered_map<SequenceId, Int128> allocated_;
};

}  // namespace worldline::storage
