// storage/system_catalog.cc: the tables of [S 05/2.2, 2.3] as data.
#include "storage/system_catalog.h"

#include "storage/system_tables.h"

namespace worldline::storage {
namespace {

using schema::AlgebraicType;
using schema::ProductType;
using schema::SumType;
using schema::TypeKind;

AlgebraicType number(TypeKind kind) {
  return AlgebraicType::primitive(kind);
}
AlgebraicType column_list() {
  return AlgebraicType::array(number(TypeKind::kU16));
}
AlgebraicType struct_of(const char* name, AlgebraicType type) {
  return AlgebraicType::product(ProductType{{{name, std::move(type)}}});
}

AlgebraicType index_algorithm_type() {
  return AlgebraicType::sum(SumType{{{"Unused", number(TypeKind::kU128)},
                                     {"BTree", struct_of("columns", column_list())},
                                     {"Direct", struct_of("column", number(TypeKind::kU16))},
                                     {"Hash", struct_of("columns", column_list())}}});
}

AlgebraicType constraint_data_type() {
  return AlgebraicType::sum(SumType{
      {{"Unused", number(TypeKind::kU128)}, {"Unique", struct_of("columns", column_list())}}});
}

AlgebraicType var_value_type() {
  return AlgebraicType::sum(SumType{{{"Bool", number(TypeKind::kBool)},
                                     {"I8", number(TypeKind::kI8)},
                                     {"U8", number(TypeKind::kU8)},
                                     {"I16", number(TypeKind::kI16)},
                                     {"U16", number(TypeKind::kU16)},
                                     {"I32", number(TypeKind::kI32)},
                                     {"U32", number(TypeKind::kU32)},
                                     {"I64", number(TypeKind::kI64)},
                                     {"U64", number(TypeKind::kU64)},
                                     {"I128", number(TypeKind::kI128)},
                                     {"U128", number(TypeKind::kU128)},
                                     {"F32", number(TypeKind::kF32)},
                                     {"F64", number(TypeKind::kF64)},
                                     {"String", AlgebraicType::string()}}});
}

struct Column {
  const char* name;
  AlgebraicType type;
};
enum class Kind : uint8_t { kUnique, kPlain };
struct Index {
  Kind kind;
  std::vector<uint16_t> columns;
};
struct Table {
  TableId id;
  const char* name;
  std::vector<Column> columns;
  std::optional<uint16_t> primary_key;
  std::vector<Index> indexes;
  bool has_sequence = false;  // On column 0.
};

std::vector<Table> core_tables() {
  const auto u16 = number(TypeKind::kU16);
  const auto u32 = number(TypeKind::kU32);
  const auto i128 = number(TypeKind::kI128);
  const auto text = AlgebraicType::string();
  const auto bytes = AlgebraicType::bytes();
  return {
      {kStTable,
       "st_table",
       {{"table_id", u32},
        {"table_name", text},
        {"table_type", text},
        {"table_access", text},
        {"table_primary_key", AlgebraicType::option(column_list())}},
       0,
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}},
       true},
      {kStColumn,
       "st_column",
       {{"table_id", u32}, {"col_pos", u16}, {"col_name", text}, {"col_type", bytes}},
       {},
       {{Kind::kUnique, {0, 1}}}},
      {kStSequence,
       "st_sequence",
       {{"sequence_id", u32},
        {"sequence_name", text},
        {"table_id", u32},
        {"col_pos", u16},
        {"increment", i128},
        {"start", i128},
        {"min_value", i128},
        {"max_value", i128},
        {"allocated", i128}},
       0,
       {{Kind::kUnique, {0}}},
       true},
      {kStIndex,
       "st_index",
       {{"index_id", u32},
        {"table_id", u32},
        {"index_name", text},
        {"index_algorithm", index_algorithm_type()}},
       0,
       {{Kind::kUnique, {0}}},
       true},
      {kStConstraint,
       "st_constraint",
       {{"constraint_id", u32},
        {"constraint_name", text},
        {"table_id", u32},
        {"constraint_data", constraint_data_type()}},
       0,
       {{Kind::kUnique, {0}}},
       true},
  };
}

std::vector<Table> runtime_tables() {
  const auto u8 = number(TypeKind::kU8);
  const auto u16 = number(TypeKind::kU16);
  const auto u32 = number(TypeKind::kU32);
  const auto u128 = number(TypeKind::kU128);
  const auto u256 = number(TypeKind::kU256);
  const auto text = AlgebraicType::string();
  const auto bytes = AlgebraicType::bytes();
  return {
      {kStModule,
       "st_module",
       {{"database_identity", u256},
        {"owner_identity", u256},
        {"program_kind", u8},
        {"program_hash", u256},
        {"program_bytes", bytes},
        {"module_version", text}},
       {},
       {}},
      {kStClient,
       "st_client",
       {{"identity", u256}, {"connection_id", u128}},
       {},
       {{Kind::kUnique, {0, 1}}}},
      {kStVar, "st_var", {{"name", text}, {"value", var_value_type()}}, 0, {{Kind::kUnique, {0}}}},
      {kStScheduled,
       "st_scheduled",
       {{"schedule_id", u32},
        {"table_id", u32},
        {"reducer_name", text},
        {"schedule_name", text},
        {"at_column", u16}},
       0,
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}},
       true},
      {kStRowLevelSecurity,
       "st_row_level_security",
       {{"table_id", u32}, {"sql", text}},
       1,
       {{Kind::kPlain, {0}}, {Kind::kUnique, {1}}}},
      {kStConnectionCredentials,
       "st_connection_credentials",
       {{"connection_id", u128}, {"jwt_payload", text}},
       0,
       {{Kind::kUnique, {0}}}},
  };
}

std::vector<Table> view_tables() {
  const auto u16 = number(TypeKind::kU16);
  const auto u32 = number(TypeKind::kU32);
  const auto u64 = number(TypeKind::kU64);
  const auto truth = number(TypeKind::kBool);
  const auto text = AlgebraicType::string();
  const auto bytes = AlgebraicType::bytes();
  return {
      {kStView,
       "st_view",
       {{"view_id", u32},
        {"view_name", text},
        {"table_id", AlgebraicType::option(u32)},
        {"is_public", truth},
        {"is_anonymous", truth}},
       0,
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}},
       true},
      {kStViewParam,
       "st_view_param",
       {{"view_id", u32}, {"param_pos", u16}, {"param_name", text}, {"param_type", bytes}},
       {},
       {{Kind::kUnique, {0, 1}}}},
      {kStViewColumn,
       "st_view_column",
       {{"view_id", u32}, {"col_pos", u16}, {"col_name", text}, {"col_type", bytes}},
       {},
       {{Kind::kUnique, {0, 1}}}},
      {kStViewSub,
       "st_view_sub",
       {{"view_id", u32},
        {"arg_id", u64},
        {"identity", number(TypeKind::kU256)},
        {"num_subscribers", u64},
        {"has_subscribers", truth},
        {"last_called", number(TypeKind::kI64)}},
       {},
       {{Kind::kPlain, {2}}, {Kind::kPlain, {4}}, {Kind::kPlain, {0, 1, 2}}}},
      {kStViewArg,
       "st_view_arg",
       {{"id", u64}, {"bytes", bytes}},
       0,
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}},
       true},
  };
}

std::vector<Table> event_and_alias_tables() {
  const auto u32 = number(TypeKind::kU32);
  const auto text = AlgebraicType::string();
  return {
      {kStEventTable, "st_event_table", {{"table_id", u32}}, 0, {{Kind::kUnique, {0}}}},
      {kStTableAccessor,
       "st_table_accessor",
       {{"table_name", text}, {"accessor_name", text}},
       {},
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}}},
      {kStIndexAccessor,
       "st_index_accessor",
       {{"index_name", text}, {"accessor_name", text}},
       {},
       {{Kind::kUnique, {0}}, {Kind::kUnique, {1}}}},
      {kStColumnAccessor,
       "st_column_accessor",
       {{"table_name", text}, {"col_name", text}, {"accessor_name", text}},
       {},
       {{Kind::kUnique, {0, 1}}, {Kind::kUnique, {0, 2}}}},
  };
}

// Ids count up over all system tables.
struct NextIds {
  uint32_t index = 1;
  uint32_t constraint = 1;
  uint32_t sequence = 1;
};

// The order of sequence ids is not that of tables [S 05/2.3].
SequenceId sequence_id_of(TableId table) {
  constexpr TableId kOrder[] = {kStTable,    kStIndex, kStConstraint, kStScheduled,
                                kStSequence, kStView,  kStViewArg};
  uint32_t id = 1;
  for (const TableId known : kOrder) {
    if (known == table) return SequenceId(id);
    ++id;
  }
  WL_CHECK(false);
  return {};
}

TableSchema parts_of(const Table& table, NextIds& next) {
  TableSchema parts;
  parts.id = table.id;
  parts.name = table.name;
  parts.is_system = true;
  parts.is_public = table.id != kStConnectionCredentials;
  parts.is_ephemeral = table.id == kStViewSub || table.id == kStViewArg;
  if (table.primary_key) parts.primary_key = ColumnId(*table.primary_key);
  for (const Column& column : table.columns)
    parts.columns.push_back({column.name, column.name, column.type});
  for (const Index& index : table.indexes) {
    std::string names = table.name;
    std::vector<ColumnId> columns;
    for (const uint16_t column : index.columns) {
      names += std::string("_") + table.columns[column].name;
      columns.emplace_back(column);
    }
    IndexSchema index_schema;
    index_schema.id = TableIndexId(next.index++);
    index_schema.name = names + "_idx_btree";
    index_schema.columns = columns;
    parts.indexes.push_back(std::move(index_schema));
    if (index.kind == Kind::kUnique)
      parts.constraints.push_back({ConstraintId(next.constraint++), names + "_key", columns});
  }
  if (table.has_sequence)
    parts.sequences.push_back({sequence_id_of(table.id),
                               std::string(table.name) + "_" + table.columns[0].name + "_seq",
                               ColumnId(0), 1, kSystemSequenceStart, 1, kSequenceMax});
  return parts;
}

}  // namespace

std::vector<TableSchemaPtr> system_table_schemas() {
  std::vector<TableSchemaPtr> schemas;
  NextIds next;
  for (const auto& group :
       {core_tables(), runtime_tables(), view_tables(), event_and_alias_tables()}) {
    for (const Table& table : group) {
      Result<TableSchemaPtr> compiled = compile_table_schema(parts_of(table, next));
      WL_CHECK(compiled.ok());
      schemas.push_back(*compiled);
    }
  }
  WL_CHECK(schemas.size() == kSystemTableCount);
  return schemas;
}

}  // namespace worldline::storage
