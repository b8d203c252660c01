// storage/transaction_schema.cc: creating and dropping tables through their catalog rows
// [S 05/2.5].
#include <algorithm>
#include <set>

#include "schema/module_def.h"
#include "storage/catalog_rows.h"
#include "storage/database_state.h"
#include "storage/state_core.h"
#include "storage/system_catalog.h"
#include "storage/system_tables.h"
#include "storage/transaction.h"

namespace worldline::storage {
namespace {

DataStatus invalid(Status status) {
  return {DataError::kInternal, std::move(status)};
}

// The limits of a sequence with its defaults, checked [S 05/1.10, 8.2].
DataResult<SequenceSchema> complete_sequence(const SequenceDefinition& definition) {
  SequenceSchema sequence;
  sequence.name = definition.name;
  sequence.column = definition.column;
  sequence.increment = definition.increment;
  sequence.min_value = definition.min_value.value_or(kSequenceStart);
  sequence.max_value = definition.max_value.value_or(kSequenceMax);
  sequence.start = definition.start.value_or(kSequenceStart);
  const auto text = [](Int128 value) {
    return value < 0 ? "-" + fmt::format("{}", -static_cast<UInt128>(value))
                     : fmt::format("{}", static_cast<UInt128>(value));
  };
  if (sequence.increment == 0)
    return invalid(Status::invalid_argument(
        "Sequence `{}`: The increment is 0, and this means the sequence can't advance.",
        sequence.name));
  if (sequence.min_value >= sequence.max_value)
    return invalid(Status::invalid_argument("Sequence `{}`: The min_value {} must < max_value {}.",
                                            sequence.name, text(sequence.min_value),
                                            text(sequence.max_value)));
  if (sequence.start < sequence.min_value)
    return invalid(
        Status::invalid_argument("Sequence `{}`: The start value {} must be >= min_value {}.",
                                 sequence.name, text(sequence.start), text(sequence.min_value)));
  if (sequence.start > sequence.max_value)
    return invalid(
        Status::invalid_argument("Sequence `{}`: The start value {} must be <= min_value {}.",
                                 sequence.name, text(sequence.start), text(sequence.max_value)));
  const UInt128 step = sequence.increment < 0
                           ? UInt128{0} - static_cast<UInt128>(sequence.increment)
                           : static_cast<UInt128>(sequence.increment);
  const UInt128 span =
      static_cast<UInt128>(sequence.max_value) - static_cast<UInt128>(sequence.min_value);
  if (step >= span)
    return invalid(Status::invalid_argument(
        "Sequence `{}`: The increment {} does not fit between min_value {} and max_value {}.",
        sequence.name, text(sequence.increment), text(sequence.min_value),
        text(sequence.max_value)));
  return sequence;
}

// The definition as a schema with ids still unset, compiled once to find every fault beforehand.
DataResult<TableSchemaPtr> check_definition(const TableDefinition& definition) {
  TableSchema parts;
  parts.name = definition.name;
  parts.primary_key = definition.primary_key;
  for (const auto& column : definition.columns)
    parts.columns.push_back({column.name, column.accessor, column.type});
  uint32_t next_id = 1;  // Placeholders that keep the order.
  for (const auto& index : definition.indexes) {
    IndexSchema schema;
    schema.id = TableIndexId(next_id++);
    schema.name = index.name;
    schema.algorithm = index.algorithm;
    schema.columns = index.columns;
    parts.indexes.push_back(std::move(schema));
  }
  for (const auto& constraint : definition.constraints)
    parts.constraints.push_back({ConstraintId(next_id++), constraint.name, constraint.columns});
  for (const auto& sequence : definition.sequences) {
    DataResult<SequenceSchema> complete = complete_sequence(sequence);
    if (!complete.ok()) return complete.status();
    complete->id = SequenceId(next_id++);
    parts.sequences.push_back(*complete);
  }
  if (definition.schedule && definition.is_event)
    return invalid(Status::invalid_argument("{}", schema::event_schedule_refusal(definition.name)));
  if (definition.schedule)
    parts.schedule = ScheduleSchema{{},
                                    definition.schedule->name,
                                    definition.schedule->function,
                                    definition.schedule->at_column};
  Result<TableSchemaPtr> compiled = compile_table_schema(std::move(parts));
  if (!compiled.ok()) return invalid(compiled.status());
  return *compiled;
}

// Their names are unique in a database, which no constraint of st_sequence says [S 05/8.2].
DataStatus check_sequence_names(const ReadView& view, const TableDefinition& definition) {
  std::set<std::string_view> taken;
  if (!definition.sequences.empty())
    for (const TableId id : view.table_ids())
      for (const SequenceSchema& sequence : view.find_table(id)->schema().sequences)
        taken.insert(sequence.name);
  for (const SequenceDefinition& sequence : definition.sequences)
    if (!taken.insert(sequence.name).second)
      return {DataError::kInternal,
              Status::already_exists("Sequence with name `{}` already exists.", sequence.name)};
  return {};
}

// Inserts catalog rows one after the other; after the first failure it does nothing more.
class RowWriter {
 public:
  explicit RowWriter(Transaction& tx) : tx_(tx) {}

  template <typename Row>
  uint32_t add(TableId table, const Row& row) {
    bytes_.clear();
    encode_row(row, bytes_);
    return insert(table);
  }
  // A table without an alias of its own has no row; columns and indexes always have theirs, the
  // name itself if there is no other [S 05/2.5]. Catalogs of earlier builds lack the latter; a
  // missing row means the name.
  void add_table_accessor(std::string_view name, std::string_view accessor) {
    if (!accessor.empty() && accessor != name) insert_accessor(kStTableAccessor, name, accessor);
  }
  void add_index_accessor(std::string_view name, std::string_view accessor) {
    insert_accessor(kStIndexAccessor, name, accessor.empty() ? name : accessor);
  }
  void add_column_accessor(std::string_view table, std::string_view name,
                           std::string_view accessor) {
    bytes_.clear();
    encode_column_accessor_row(table, name, accessor.empty() ? name : accessor, bytes_);
    insert(kStColumnAccessor);
  }
  void add_event(TableId table) {
    bytes_.clear();
    encode_event_table_row(table, bytes_);
    insert(kStEventTable);
  }
  const DataStatus& status() const { return status_; }

 private:
  void insert_accessor(TableId table, std::string_view name, std::string_view accessor) {
    bytes_.clear();
    encode_accessor_row(name, accessor, bytes_);
    insert(table);
  }
  // The generated id, if the table has one.
  uint32_t insert(TableId table) {
    if (!status_.ok()) return 0;
    const DataResult<InsertOutcome> outcome = tx_.insert(table, bytes_);
    if (!outcome.ok()) {
      status_ = outcome.status();
      return 0;
    }
    return outcome->generated.size() == sizeof(uint32_t)
               ? load_le<uint32_t>(outcome->generated.data())
               : 0;
  }

  Transaction& tx_;  // Borrowed; outlives this.
  ByteBuffer bytes_;
  DataStatus status_;
};

void add_parts(RowWriter& writer, TableId id, const TableDefinition& definition,
               const TableSchema& checked) {
  for (uint16_t i = 0; i < definition.columns.size(); ++i) {
    const ColumnDefinition& column = definition.columns[i];
    writer.add(kStColumn, StColumnRow{id, ColumnId(i), column.name, column.type});
    writer.add_column_accessor(definition.name, column.name, column.accessor);
  }
  if (definition.schedule) {
    const ScheduleDefinition& schedule = *definition.schedule;
    writer.add(kStScheduled,
               StScheduledRow{{{}, schedule.name, schedule.function, schedule.at_column}, id});
  }
  if (definition.is_event) writer.add_event(id);
  for (const IndexDefinition& index : definition.indexes) {
    writer.add(kStIndex, StIndexRow{{}, id, index.name, index.algorithm, index.columns});
    writer.add_index_accessor(index.name, index.accessor);
  }
  for (const ConstraintDefinition& constraint : definition.constraints)
    writer.add(kStConstraint, StConstraintRow{{}, constraint.name, id, constraint.columns});
  for (SequenceSchema sequence : checked.sequences) {
    sequence.id = {};
    writer.add(kStSequence, StSequenceRow{sequence, id, sequence.start});
  }
}

// Removes the rows of a catalog table for which `matches` says so.
template <typename Matches>
DataStatus remove_rows(Transaction& tx, TableId table, Matches&& matches) {
  std::vector<RowRef> refs;
  RowCursor cursor = tx.view().find_table(table)->scan();
  while (cursor.next())
    if (matches(cursor.row())) refs.push_back(cursor.ref());
  for (const RowRef ref : refs) WL_DATA_RETURN_IF_ERROR(tx.delete_row(table, ref));
  return {};
}

DataStatus remove_catalog_rows(Transaction& tx, const TableSchema& schema) {
  const auto has_id = [&schema](auto&& decode) {
    return [&schema, decode](Bytes row) {
      const auto decoded = decode(row);
      return decoded.ok() && decoded->table == schema.id;
    };
  };
  const auto begins_with_id = [&schema](Bytes row) {
    return load_le<uint32_t>(row.data()) == schema.id.value;
  };
  const auto begins_with = [](std::string_view name) {
    return [name](Bytes row) {
      return load_le<uint32_t>(row.data()) == name.size() &&
             as_text(row.subspan(sizeof(uint32_t), name.size())) == name;
    };
  };
  for (const IndexSchema& index : schema.indexes)
    WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStIndexAccessor, begins_with(index.name)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStTableAccessor, begins_with(schema.name)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStColumnAccessor, begins_with(schema.name)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStIndex, has_id(decode_st_index)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStSequence, has_id(decode_st_sequence)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStConstraint, has_id(decode_st_constraint)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStScheduled, has_id(decode_st_scheduled)));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStEventTable, begins_with_id));
  WL_DATA_RETURN_IF_ERROR(remove_rows(tx, kStColumn, begins_with_id));
  return remove_rows(tx, kStTable, begins_with_id);
}

}  // namespace

DataResult<TableId> Transaction::create_table(const TableDefinition& definition) {
  const DataResult<TableSchemaPtr> checked = check_definition(definition);
  if (!checked.ok()) return checked.status();
  WL_DATA_RETURN_IF_ERROR(check_sequence_names(view(), definition));
  RowWriter writer(*this);
  const TableId id(writer.add(
      kStTable,
      StTableRow{{}, definition.name, false, definition.is_public, definition.primary_key}));
  if (!writer.status().ok()) return writer.status();
  writer.add_table_accessor(definition.name, definition.accessor);
  add_parts(writer, id, definition, **checked);
  if (!writer.status().ok()) return writer.status();
  Status installed = core().reconcile(id);
  if (!installed.ok()) return invalid(std::move(installed));
  return id;
}

DataStatus Transaction::drop_table(TableId id) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr || table->schema().is_system)
    return {DataError::kNoSuchTable,
            Status::not_found("Table with ID `{}` not found in `TxState`.", id.value)};
  const DataResult<uint64_t> cleared = clear(id);
  if (!cleared.ok()) return cleared.status();
  const TableSchemaPtr schema = table->record().schema;
  WL_DATA_RETURN_IF_ERROR(remove_catalog_rows(*this, *schema));
  return core().reconcile(id);
}

DataStatus Transaction::set_table_access(TableId id, bool is_public) {
  LiveTable* table = core().find_table(id);
  if (table == nullptr)
    return {DataError::kNoSuchTable,
            Status::not_found("Table with ID `{}` not found in `TxState`.", id.value)};
  if (table->schema().is_system)
    return {DataError::kNotSupported, Status::not_supported("system tables keep their access")};
  const TableSchema& schema = table->schema();
  ByteBuffer row;
  encode_row(StTableRow{id, schema.name, schema.is_system, is_public, schema.primary_key}, row);
  const TableIndexId by_id = view().find_table(kStTable)->indexes()[0].schema().id;
  const DataResult<InsertOutcome> updated = update(kStTable, by_id, row);
  if (!updated.ok()) return updated.status();
  return core().reconcile(id);
}

}  // namespace worldline::storage
