// storage/catalog_rows.cc: BSATN of the catalog rows and assembling schemas from them.
#include "storage/catalog_rows.h"

#include <algorithm>

#include "schema/bsatn.h"
#include "storage/system_tables.h"

namespace worldline::storage {
namespace {

using schema::BsatnReader;
using schema::BsatnWriter;

constexpr uint8_t kSome = 0;
constexpr uint8_t kNone = 1;
constexpr uint8_t kUniqueConstraint = 1;  // ConstraintData::Unique.

void write_columns(BsatnWriter& writer, const std::vector<ColumnId>& columns) {
  writer.write_length(columns.size());
  for (const ColumnId column : columns) writer.write_u16(column.value);
}

// Reads a row whose layout is known to be valid; what fails here is a broken promise of the store.
class FieldReader {
 public:
  explicit FieldReader(Bytes row) : reader_(row) {}

  uint8_t u8() { return take(reader_.read_u8()); }
  uint16_t u16() { return take(reader_.read_u16()); }
  uint32_t u32() { return take(reader_.read_u32()); }
  Int128 i128() { return take(reader_.read_i128()); }
  std::string text() { return std::string(take(reader_.read_string())); }
  Bytes bytes() { return take(reader_.read_byte_array()); }
  std::vector<ColumnId> columns() {
    const uint32_t count = take(reader_.read_length());
    std::vector<ColumnId> columns;
    for (uint32_t i = 0; i < count && status_.ok(); ++i) columns.emplace_back(u16());
    return columns;
  }
  const Status& status() const { return status_; }
  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

 private:
  template <typename T>
  T take(Result<T> result) {
    if (result.ok()) return *result;
    fail(result.status().with_context("catalog row"));
    return T{};
  }

  BsatnReader reader_;
  Status status_;
};

template <typename T>
Result<T> finish(const FieldReader& fields, T row) {
  if (!fields.status().ok()) return Status::corruption("{}", fields.status().message());
  return row;
}

}  // namespace

void encode_row(const StTableRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.id.value);
  writer.write_string(row.name);
  writer.write_string(row.is_system ? "system" : "user");
  writer.write_string(row.is_public ? "public" : "private");
  writer.write_tag(row.primary_key ? kSome : kNone);
  if (row.primary_key) write_columns(writer, {*row.primary_key});
}

void encode_row(const StColumnRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.table.value);
  writer.write_u16(row.position.value);
  writer.write_string(row.name);
  ByteBuffer type;
  BsatnWriter type_writer(type);
  schema::encode_type(row.type, type_writer);
  writer.write_byte_array(type);
}

void encode_row(const StSequenceRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.schema.id.value);
  writer.write_string(row.schema.name);
  writer.write_u32(row.table.value);
  writer.write_u16(row.schema.column.value);
  writer.write_i128(row.schema.increment);
  writer.write_i128(row.schema.start);
  writer.write_i128(row.schema.min_value);
  writer.write_i128(row.schema.max_value);
  writer.write_i128(row.allocated);
}

void encode_row(const StIndexRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.id.value);
  writer.write_u32(row.table.value);
  writer.write_string(row.name);
  writer.write_tag(static_cast<uint8_t>(row.algorithm));
  if (row.algorithm == IndexAlgorithm::kDirect) {
    writer.write_u16(row.columns.at(0).value);
  } else {
    write_columns(writer, row.columns);
  }
}

void encode_row(const StConstraintRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.id.value);
  writer.write_string(row.name);
  writer.write_u32(row.table.value);
  writer.write_tag(kUniqueConstraint);
  write_columns(writer, row.columns);
}

void encode_row(const StScheduledRow& row, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_u32(row.schema.id.value);
  writer.write_u32(row.table.value);
  writer.write_string(row.schema.function);
  writer.write_string(row.schema.name);
  writer.write_u16(row.schema.at_column.value);
}

void encode_event_table_row(TableId table, ByteBuffer& out) {
  BsatnWriter(out).write_u32(table.value);
}

void encode_accessor_row(std::string_view name, std::string_view accessor, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_string(name);
  writer.write_string(accessor);
}

void encode_column_accessor_row(std::string_view table, std::string_view column,
                                std::string_view accessor, ByteBuffer& out) {
  BsatnWriter writer(out);
  writer.write_string(table);
  writer.write_string(column);
  writer.write_string(accessor);
}

Result<StTableRow> decode_st_table(Bytes bytes) {
  FieldReader fields(bytes);
  StTableRow row;
  row.id = TableId(fields.u32());
  row.name = fields.text();
  row.is_system = fields.text() == "system";
  row.is_public = fields.text() == "public";
  if (fields.u8() == kSome) {
    const auto columns = fields.columns();
    if (columns.size() == 1) row.primary_key = columns[0];
  }
  return finish(fields, std::move(row));
}

Result<StColumnRow> decode_st_column(Bytes bytes) {
  FieldReader fields(bytes);
  StColumnRow row;
  row.table = TableId(fields.u32());
  row.position = ColumnId(fields.u16());
  row.name = fields.text();
  BsatnReader type_reader(fields.bytes());
  Result<schema::AlgebraicType> type = schema::decode_type(type_reader);
  if (type.ok()) {
    row.type = std::move(type).value();
  } else {
    fields.fail(type.status());
  }
  return finish(fields, std::move(row));
}

Result<StSequenceRow> decode_st_sequence(Bytes bytes) {
  FieldReader fields(bytes);
  StSequenceRow row;
  row.schema.id = SequenceId(fields.u32());
  row.schema.name = fields.text();
  row.table = TableId(fields.u32());
  row.schema.column = ColumnId(fields.u16());
  row.schema.increment = fields.i128();
  row.schema.start = fields.i128();
  row.schema.min_value = fields.i128();
  row.schema.max_value = fields.i128();
  row.allocated = fields.i128();
  return finish(fields, std::move(row));
}

Result<StIndexRow> decode_st_index(Bytes bytes) {
  FieldReader fields(bytes);
  StIndexRow row;
  row.id = TableIndexId(fields.u32());
  row.table = TableId(fields.u32());
  row.name = fields.text();
  row.algorithm = static_cast<IndexAlgorithm>(fields.u8());
  switch (row.algorithm) {
    case IndexAlgorithm::kDirect:
      row.columns = {ColumnId(fields.u16())};
      break;
    case IndexAlgorithm::kBTree:
    case IndexAlgorithm::kHash:
      row.columns = fields.columns();
      break;
    default:  // Tag 0 is reserved; the row is from outside.
      return Status::corruption("catalog row: unknown algorithm of index `{}`", row.name);
  }
  return finish(fields, std::move(row));
}

Result<StConstraintRow> decode_st_constraint(Bytes bytes) {
  FieldReader fields(bytes);
  StConstraintRow row;
  row.id = ConstraintId(fields.u32());
  row.name = fields.text();
  row.table = TableId(fields.u32());
  if (fields.u8() != kUniqueConstraint)
    return Status::corruption("catalog row: unknown kind of constraint `{}`", row.name);
  row.columns = fields.columns();
  return finish(fields, std::move(row));
}

Result<StScheduledRow> decode_st_scheduled(Bytes bytes) {
  FieldReader fields(bytes);
  StScheduledRow row;
  row.schema.id = ScheduleId(fields.u32());
  row.table = TableId(fields.u32());
  row.schema.function = fields.text();
  row.schema.name = fields.text();
  row.schema.at_column = ColumnId(fields.u16());
  return finish(fields, std::move(row));
}

Result<CatalogContent> CatalogContent::read(const ReadView& view, std::optional<TableId> only) {
  CatalogContent content;
  WL_RETURN_IF_ERROR(content.read_tables(view, only));
  WL_RETURN_IF_ERROR(content.read_parts(view));
  content.read_accessors(view);
  return content;
}

Status CatalogContent::read_tables(const ReadView& view, std::optional<TableId> only) {
  RowCursor cursor = view.find_table(kStTable)->scan();
  while (cursor.next()) {
    if (only && load_le<uint32_t>(cursor.row().data()) != only->value) continue;
    WL_ASSIGN_OR_RETURN(StTableRow row, decode_st_table(cursor.row()));
    TableSchema& table = tables_[row.id];
    table.id = row.id;
    table.name = row.name;
    table.accessor = row.name;
    table.is_system = row.is_system;
    table.is_public = row.is_public;
    table.primary_key = row.primary_key;
  }
  RowCursor events = view.find_table(kStEventTable)->scan();
  while (events.next()) {
    const auto found = tables_.find(TableId(load_le<uint32_t>(events.row().data())));
    if (found != tables_.end()) found->second.is_event = true;
  }
  return {};
}

Status CatalogContent::read_parts(const ReadView& view) {
  const auto each = [&](TableId id, auto&& decode, auto&& add) -> Status {
    RowCursor cursor = view.find_table(id)->scan();
    while (cursor.next()) {
      auto row = decode(cursor.row());
      if (!row.ok()) return row.status();
      const auto found = tables_.find(row->table);
      if (found != tables_.end()) add(found->second, *row);
    }
    return {};
  };
  WL_RETURN_IF_ERROR(each(kStColumn, decode_st_column, [&](TableSchema&, StColumnRow& row) {
    columns_[row.table].emplace(row.position, row);
  }));
  WL_RETURN_IF_ERROR(each(kStIndex, decode_st_index, [](TableSchema& table, StIndexRow& row) {
    IndexSchema index;
    index.id = row.id;
    index.name = row.name;
    index.algorithm = row.algorithm;
    index.columns = row.columns;
    table.indexes.push_back(std::move(index));
  }));
  WL_RETURN_IF_ERROR(
      each(kStConstraint, decode_st_constraint, [](TableSchema& table, StConstraintRow& row) {
        table.constraints.push_back({row.id, row.name, row.columns});
      }));
  WL_RETURN_IF_ERROR(
      each(kStScheduled, decode_st_scheduled,
           [](TableSchema& table, StScheduledRow& row) { table.schedule = row.schema; }));
  return each(kStSequence, decode_st_sequence, [&](TableSchema& table, StSequenceRow& row) {
    table.sequences.push_back(row.schema);
    allocated_[row.schema.id] = row.allocated;
  });
}

void CatalogContent::read_accessors(const ReadView& view) {
  const auto each = [&view](TableId id, auto&& add) {
    RowCursor cursor = view.find_table(id)->scan();
    while (cursor.next()) {
      FieldReader fields(cursor.row());
      add(fields);
    }
  };
  std::unordered_map<std::string, std::string> tables, indexes;
  each(kStTableAccessor, [&tables](FieldReader& fields) {
    const std::string name = fields.text();
    tables[name] = fields.text();
  });
  each(kStIndexAccessor, [&indexes](FieldReader& fields) {
    const std::string name = fields.text();
    indexes[name] = fields.text();
  });
  std::unordered_map<std::string, TableId> by_name;
  for (auto& [id, table] : tables_) {
    by_name[table.name] = id;
    if (const auto found = tables.find(table.name); found != tables.end())
      table.accessor = found->second;
    for (IndexSchema& index : table.indexes)
      if (const auto found = indexes.find(index.name); found != indexes.end())
        index.accessor = found->second;
    for (const auto& [position, column] : columns_[id])
      table.columns.push_back({column.name, column.name, column.type});
  }
  each(kStColumnAccessor, [&](FieldReader& fields) {
    const auto found = by_name.find(fields.text());
    if (found == by_name.end()) return;
    const std::string column_name = fields.text();
    for (ColumnSchema& column : tables_[found->second].columns)
      if (column.name == column_name) column.accessor = fields.text();
  });
}

std::vector<TableId> CatalogContent::table_ids() const {
  std::vector<TableId> ids;
  for (const auto& [id, table] : tables_) ids.push_back(id);
  return ids;
}

Result<TableSchemaPtr> CatalogContent::assemble(TableId id) const {
  const auto found = tables_.find(id);
  WL_CHECK(found != tables_.end());
  const auto columns = columns_.find(id);
  uint16_t expected = 0;
  if (columns != columns_.end())
    for (const auto& [position, column] : columns->second)
      if (position.value != expected++)
        return Status::corruption("table `{}`: column {} is missing", found->second.name,
                                  expected - 1);
  TableSchema table = found->second;
  const bool is_legacy_view_table = id == kStViewSub || id == kStViewArg;
  table.is_ephemeral = is_legacy_view_table;
  return compile_table_schema(std::move(table));
}

Int128 CatalogContent::allocated(SequenceId id) const {
  return allocated_.at(id);
}

}  // namespace worldline::storage
