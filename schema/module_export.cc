// ModuleDef -> raw definitions of version 9 and 10, the bodies of the schema endpoint [S 01/7].
#include <algorithm>

#include "schema/module_def.h"

namespace worldline::schema {
namespace {

ColumnList numbers_of(const std::vector<ColumnId>& columns) {
  ColumnList out;
  for (const ColumnId column : columns) out.push_back(column.value);
  return out;
}

ColumnList numbers_of(const std::optional<ColumnId>& column) {
  return column ? ColumnList{column->value} : ColumnList{};
}

RawIndexAlgorithm algorithm_of(const IndexDef& index) {
  return {index.algorithm, numbers_of(index.columns)};
}

RawTableDefV9 table_to_v9(const TableDef& table) {
  RawTableDefV9 out;
  out.name = table.name;
  out.product_type_ref = table.product_type_ref;
  out.primary_key = numbers_of(table.primary_key);
  for (const auto& index : table.indexes)
    out.indexes.push_back({index.name, index.accessor_name, algorithm_of(index)});
  for (const auto& constraint : table.constraints)
    out.constraints.push_back({constraint.name, {{numbers_of(constraint.columns)}}});
  for (const auto& sequence : table.sequences)
    out.sequences.push_back({sequence.name, sequence.column.value, sequence.start,
                             sequence.min_value, sequence.max_value, sequence.increment});
  if (table.schedule)
    out.schedule = RawScheduleDefV9{table.schedule->name, table.schedule->function_name,
                                    table.schedule->at_column.value};
  out.table_type = table.kind;
  out.table_access = table.access;
  return out;
}

RawTableDefV10 table_to_v10(const TableDef& table) {
  RawTableDefV10 out;
  out.source_name = table.accessor_name;
  out.product_type_ref = table.product_type_ref;
  out.primary_key = numbers_of(table.primary_key);
  for (const auto& index : table.indexes)
    out.indexes.push_back({index.source_name, index.accessor_name, algorithm_of(index)});
  for (const auto& constraint : table.constraints)
    out.constraints.push_back({constraint.name, {{numbers_of(constraint.columns)}}});
  for (const auto& sequence : table.sequences)
    out.sequences.push_back({sequence.name, sequence.column.value, sequence.start,
                             sequence.min_value, sequence.max_value, sequence.increment});
  out.table_type = table.kind;
  out.table_access = table.access;
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (table.columns[i].default_value)
      out.default_values.push_back({static_cast<uint16_t>(i), *table.columns[i].default_value});
  out.is_event = table.is_event;
  return out;
}

template <typename Item>
void add_section(RawModuleDefV10& module, std::vector<Item> items) {
  if (!items.empty()) module.sections.emplace_back(std::move(items));
}

ExplicitNameEntry name_entry(ExplicitNameKind kind, const std::string& source,
                             const std::string& canonical) {
  return {kind, {source, canonical}};
}

// Collects the lists of one module of the tree, in the order of the sections.
struct ScopeExport {
  std::vector<RawTypeDefV10> types;
  std::vector<RawTableDefV10> tables;
  std::vector<RawReducerDefV10> reducers;
  std::vector<RawProcedureDefV10> procedures;
  std::vector<RawHttpHandlerDefV10> handlers;
  std::vector<RawHttpRouteDefV10> routes;
  std::vector<RawViewDefV10> views;
  std::vector<RawViewPrimaryKeyDefV10> view_keys;
  std::vector<RawScheduleDefV10> schedules;
  std::vector<RawLifeCycleReducerDefV10> lifecycles;
  std::vector<RawRowLevelSecurity> rules;
  ExplicitNames names;

  void add(const TableDef& table) {
    tables.push_back(table_to_v10(table));
    names.entries.push_back(name_entry(ExplicitNameKind::kTable, table.accessor_name, table.name));
    if (table.schedule)
      schedules.push_back({table.schedule->name, table.name, table.schedule->at_column.value,
                           table.schedule->function_name});
  }
  void add(const ReducerDef& reducer) {
    reducers.push_back({reducer.source_name, reducer.params, reducer.visibility,
                        AlgebraicType::unit(), AlgebraicType::string()});
    names.entries.push_back(
        name_entry(ExplicitNameKind::kFunction, reducer.source_name, reducer.name));
    if (reducer.lifecycle) lifecycles.push_back({*reducer.lifecycle, reducer.name});
  }
  void add(const ProcedureDef& procedure) {
    procedures.push_back(
        {procedure.source_name, procedure.params, procedure.return_type, procedure.visibility});
    names.entries.push_back(
        name_entry(ExplicitNameKind::kFunction, procedure.source_name, procedure.name));
  }
  void add(const ViewDef& view, const Typespace& typespace) {
    views.push_back({view.source_name, view.index, view.is_public, view.is_anonymous, view.params,
                     view.return_type});
    names.entries.push_back(name_entry(ExplicitNameKind::kFunction, view.source_name, view.name));
    const bool is_query_view = view.return_type.query_view_ref().has_value();
    if (!view.primary_key || is_query_view) return;
    const auto& row = typespace.types[view.product_type_ref].as_product();
    view_keys.push_back(
        {view.source_name, {row.elements[view.primary_key->value].name.value_or("")}});
  }
  void add(const ModuleScope& scope) {
    for (const auto& type : scope.types)
      types.push_back({{type.scope, type.name}, type.ty, type.custom_ordering});
    for (const auto& handler : scope.http_handlers) handlers.push_back({handler.source_name});
    for (const auto& route : scope.http_routes)
      routes.push_back({route.handler_name, route.method, route.path});
    for (const auto& sql : scope.row_level_security) rules.push_back({sql});
  }
};

}  // namespace

RawModuleDefV9 ModuleDef::to_raw_v9() const {
  RawModuleDefV9 out;
  const ModuleScope& root = scopes_[0];
  out.typespace = root.typespace;
  std::vector<RawMiscModuleExportV9> defaults;
  for (const auto& table : tables_) {
    if (table.scope != 0) continue;  // Submodules are lost.
    out.tables.push_back(table_to_v9(table));
    for (size_t i = 0; i < table.columns.size(); ++i)
      if (table.columns[i].default_value)
        out.misc_exports.emplace_back(RawColumnDefaultValueV9{table.name, static_cast<uint16_t>(i),
                                                              *table.columns[i].default_value});
  }
  for (const auto& reducer : reducers_)
    if (reducer.scope == 0)
      out.reducers.push_back({reducer.name, reducer.params, reducer.lifecycle});
  for (const auto& type : root.types)
    out.types.push_back({{type.scope, type.name}, type.ty, type.custom_ordering});
  for (const auto& procedure : procedures_)
    if (procedure.scope == 0)
      out.misc_exports.emplace_back(
          RawProcedureDefV9{procedure.name, procedure.params, procedure.return_type});
  for (const auto& view : views_)
    if (view.scope == 0)
      out.misc_exports.emplace_back(RawViewDefV9{view.name, view.index, view.is_public,
                                                 view.is_anonymous, view.params, view.return_type});
  for (const auto& sql : root.row_level_security) out.row_level_security.push_back({sql});
  return out;
}

RawModuleDefV10 ModuleDef::to_raw_v10() const {
  return scope_to_raw_v10(0);
}

// Recursion follows the mounts, at most kSubmoduleDepthMax deep.
RawModuleDefV10 ModuleDef::scope_to_raw_v10(uint32_t scope) const {
  const ModuleScope& here = scopes_[scope];
  ScopeExport lists;
  lists.add(here);
  auto add_own = [scope, &lists](const auto& defs) {
    for (const auto& def : defs)
      if (def.scope == scope) lists.add(def);
  };
  add_own(tables_);
  add_own(reducers_);
  add_own(procedures_);
  for (const auto& view : views_)
    if (view.scope == scope) lists.add(view, here.typespace);
  std::stable_sort(
      lists.lifecycles.begin(), lists.lifecycles.end(),
      [](const auto& a, const auto& b) { return a.lifecycle_spec < b.lifecycle_spec; });

  RawModuleDefV10 out;
  out.sections.emplace_back(here.typespace);
  add_section(out, std::move(lists.types));
  add_section(out, std::move(lists.tables));
  add_section(out, std::move(lists.reducers));
  add_section(out, std::move(lists.procedures));
  add_section(out, std::move(lists.handlers));
  add_section(out, std::move(lists.routes));
  add_section(out, std::move(lists.views));
  add_section(out, std::move(lists.view_keys));
  add_section(out, std::move(lists.schedules));
  add_section(out, std::move(lists.lifecycles));
  add_section(out, std::move(lists.rules));
  out.sections.emplace_back(std::move(lists.names));
  std::vector<RawSubmoduleV10> mounts;
  for (const uint32_t mount : here.mounts)
    mounts.push_back({scopes_[mount].alias, scope_to_raw_v10(mount)});
  add_section(out, std::move(mounts));
  return out;
}

Result<std::string> ModuleDef::schema_json(int version) const {
  if (version == 9) return print_raw_module_def_json(to_raw_v9());
  if (version == 10) return print_raw_module_def_json(to_raw_v10());
  return Status::invalid_argument("schema version must be 9 or 10, got {}", version);
}

}  // namespace worldline::schema
