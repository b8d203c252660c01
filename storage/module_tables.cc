// storage/module_tables.cc
#include "storage/module_tables.h"

#include <algorithm>

namespace worldline::storage {
namespace {

IndexAlgorithm algorithm_of(schema::IndexAlgorithm algorithm) {
  switch (algorithm) {
    case schema::IndexAlgorithm::kBTree:
      return IndexAlgorithm::kBTree;
    case schema::IndexAlgorithm::kHash:
      return IndexAlgorithm::kHash;
    case schema::IndexAlgorithm::kDirect:
      return IndexAlgorithm::kDirect;
  }
  WL_CHECK(false);
  return IndexAlgorithm::kBTree;
}

TableDefinition definition_of(const schema::TableDef& table) {
  TableDefinition definition;
  definition.name = table.full_name;
  definition.accessor = table.full_accessor_name;
  definition.is_public = table.access == schema::TableAccess::kPublic;
  definition.is_event = table.is_event;
  definition.primary_key = table.primary_key;
  for (const schema::ColumnDef& column : table.columns)
    definition.columns.push_back({column.name, column.accessor_name, column.type});
  for (const schema::IndexDef& index : table.indexes)
    definition.indexes.push_back(
        {index.full_name, index.full_source_name, algorithm_of(index.algorithm), index.columns});
  for (const schema::ConstraintDef& constraint : table.constraints)
    definition.constraints.push_back({constraint.full_name, constraint.columns});
  for (const schema::SequenceDef& sequence : table.sequences)
    definition.sequences.push_back({sequence.full_name, sequence.column, sequence.increment,
                                    sequence.start, sequence.min_value, sequence.max_value});
  if (table.schedule)
    definition.schedule = ScheduleDefinition{
        table.schedule->name, table.schedule->full_function_name, table.schedule->at_column};
  return definition;
}

}  // namespace

Result<std::vector<TableDefinition>> module_table_definitions(const schema::ModuleDef& module) {
  std::vector<TableDefinition> definitions;
  for (const schema::TableDef& table : module.tables()) definitions.push_back(definition_of(table));
  std::sort(definitions.begin(), definitions.end(),
            [](const TableDefinition& a, const TableDefinition& b) { return a.name < b.name; });
  return definitions;
}

DataStatus create_module_tables(Transaction& tx, const schema::ModuleDef& module) {
  Result<std::vector<TableDefinition>> definitions = module_table_definitions(module);
  if (!definitions.ok()) return definitions.status();
  for (const schema::ModuleScope& scope : module.scopes())
    for (const std::string& sql : scope.row_level_security)
      WL_DATA_RETURN_IF_ERROR(tx.set_row_level_security(TableId(0), sql));
  for (const TableDefinition& definition : *definitions) {
    const DataResult<TableId> created = tx.create_table(definition);
    if (!created.ok()) return created.status();
  }
  return {};
}

}  // namespace worldline::storage
