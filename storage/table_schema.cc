// storage/table_schema.cc: compiling the derived parts of a table schema.
#include "storage/table_schema.h"

#include <algorithm>

namespace worldline::storage {
namespace {

std::vector<ColumnId> sorted(std::vector<ColumnId> columns) {
  std::sort(columns.begin(), columns.end());
  return columns;
}

Status check_columns(const TableSchema& table, const std::vector<ColumnId>& columns,
                     const std::string& owner) {
  if (columns.empty()) return Status::invalid_argument("`{}` has no columns", owner);
  for (const ColumnId column : columns)
    if (column.value >= table.columns.size())
      return Status::invalid_argument("column `{}` referenced by def {} not found in table `{}`",
                                      column.value, owner, table.name);
  const auto order = sorted(columns);
  if (std::adjacent_find(order.begin(), order.end()) != order.end())
    return Status::invalid_argument("def `{}` has duplicate columns", owner);
  return {};
}

bool is_direct_key(const schema::AlgebraicType& type) {
  const bool is_small_unsigned =
      type.is_integer() && !type.is_signed_integer() && type.primitive_bytes() <= 8;
  return is_small_unsigned || type.is_plain_enum();
}

Status compile_index(const TableSchema& table, IndexSchema& index) {
  WL_RETURN_IF_ERROR(check_columns(table, index.columns, index.name));
  index.table = table.id;
  if (index.accessor.empty()) index.accessor = index.name;
  if (index.algorithm == IndexAlgorithm::kDirect) {
    const ColumnSchema& column = table.columns[index.columns[0].value];
    if (index.columns.size() != 1 || !is_direct_key(column.type))
      return Status::invalid_argument(
          "Direct index does not support type `{}` in column `{}` in index `{}`",
          schema::print(column.type), column.name, index.name);
  }
  const auto key_columns = sorted(index.columns);
  index.is_unique = std::any_of(table.constraints.begin(), table.constraints.end(),
                                [&](const ConstraintSchema& constraint) {
                                  return sorted(constraint.columns) == key_columns;
                                });
  schema::ProductType key;
  std::vector<ColumnId> positions;
  for (const ColumnId column : index.columns) {
    positions.emplace_back(static_cast<uint16_t>(positions.size()));
    key.elements.push_back(table.row_type.elements[column.value]);
  }
  const bool is_product = key.elements.size() == 1 && key.elements[0].type.is_product();
  const schema::ProductType elements = is_product ? key.elements[0].type.as_product() : key;
  WL_ASSIGN_OR_RETURN(index.key_layout, schema::RowLayout::compile(key));
  WL_ASSIGN_OR_RETURN(index.element_layout, schema::RowLayout::compile(elements));
  index.row_key = schema::KeyEncoder::compile(table.layout, index.columns);
  index.column_key = schema::KeyEncoder::compile(index.key_layout, positions);
  positions.clear();
  for (size_t i = 0; i < elements.elements.size(); ++i)
    positions.emplace_back(static_cast<uint16_t>(i));
  index.element_key = schema::KeyEncoder::compile(index.element_layout, positions);
  return {};
}

Status check_constraint(const TableSchema& table, const ConstraintSchema& constraint) {
  WL_RETURN_IF_ERROR(check_columns(table, constraint.columns, constraint.name));
  const auto columns = sorted(constraint.columns);
  for (const IndexSchema& index : table.indexes)
    if (sorted(index.columns) == columns) return {};
  std::string list;
  for (const ColumnId column : constraint.columns)
    list += fmt::format("{}ColId({})", list.empty() ? "" : ", ", column.value);
  return Status::invalid_argument(
      "No index found to support unique constraint `{}` for columns `[{}]`", constraint.name, list);
}

Status check_sequence(const TableSchema& table, const SequenceSchema& sequence) {
  if (sequence.column.value >= table.columns.size())
    return Status::invalid_argument("column `{}` referenced by def {} not found in table `{}`",
                                    sequence.column.value, sequence.name, table.name);
  const ColumnSchema& column = table.columns[sequence.column.value];
  if (!column.type.is_integer())
    return Status::invalid_argument(
        "invalid sequence column type: {} with type `{}` in sequence `{}`", column.name,
        schema::print(column.type), sequence.name);
  return {};
}

}  // namespace

std::optional<ColumnId> TableSchema::find_column(std::string_view column_name) const {
  for (size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == column_name) return ColumnId(static_cast<uint16_t>(i));
  for (size_t i = 0; i < columns.size(); ++i)
    if (columns[i].accessor == column_name) return ColumnId(static_cast<uint16_t>(i));
  return std::nullopt;
}

Result<TableSchemaPtr> compile_table_schema(TableSchema table) {
  if (table.columns.size() > UINT16_MAX)
    return Status::invalid_argument("table `{}` has {} columns", table.name, table.columns.size());
  if (table.accessor.empty()) table.accessor = table.name;
  table.row_type.elements.clear();
  for (ColumnSchema& column : table.columns) {
    if (column.accessor.empty()) column.accessor = column.name;
    table.row_type.elements.push_back({column.name, column.type});
  }
  WL_ASSIGN_OR_RETURN(table.layout, schema::RowLayout::compile(table.row_type));
  if (table.primary_key && table.primary_key->value >= table.columns.size())
    return Status::invalid_argument("table `{}`: primary key column {}", table.name,
                                    table.primary_key->value);
  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(table.indexes.begin(), table.indexes.end(), by_id);
  std::sort(table.constraints.begin(), table.constraints.end(), by_id);
  std::sort(table.sequences.begin(), table.sequences.end(), by_id);
  for (IndexSchema& index : table.indexes) WL_RETURN_IF_ERROR(compile_index(table, index));
  for (const auto& constraint : table.constraints)
    WL_RETURN_IF_ERROR(check_constraint(table, constraint));
  for (const auto& sequence : table.sequences) WL_RETURN_IF_ERROR(check_sequence(table, sequence));
  if (table.schedule && table.schedule->at_column.value >= table.columns.size())
    return Status::invalid_argument("schedule `{}`: column {}", table.schedule->name,
                                    table.schedule->at_column.value);
  return TableSchemaPtr(std::make_shared<const TableSchema>(std::move(table)));
}

}  // namespace worldline::storage
