// schema/scope_validator.h
//
// Checks one module of the tree (without its submodules) and builds its parts. Internal to schema.
//
// Ownership: borrows its input; lives for one validation. Errors: collected in DefinitionErrors.
// Sources: [S 01/6.4-6.8].
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "schema/table_validator.h"

namespace worldline::schema {

struct ScopeParts {  // Ids and scope numbers are filled in by the assembler.
  std::vector<TableDef> tables;
  std::vector<ReducerDef> reducers;
  std::vector<ProcedureDef> procedures;
  std::vector<ViewDef> views;
  Typespace typespace;
  std::vector<TypeDef> types;
  std::vector<HttpHandlerDef> http_handlers;
  std::vector<HttpRouteDef> http_routes;
  std::vector<std::string> row_level_security;
};

class ScopeValidator {
 public:
  // `alias` is the innermost namespace, empty for the root. All borrowed; outlive this.
  ScopeValidator(const ModuleInput& input, const std::string& prefix, const std::string& alias,
                 DefinitionErrors& errors);

  ScopeParts build();

 private:
  void build_types();
  void build_tables();
  void build_reducers();
  void build_procedures();
  void build_lifecycles();
  void build_schedules();
  void build_schedule(const InputSchedule& schedule);
  void check_schedule_function(const ScheduleDef& schedule, const TableDef& table,
                               const ProductType& params);
  void build_views();
  std::optional<uint32_t> view_row_ref(const ViewDef& view);
  void check_view_columns(const ViewDef& view);
  void build_view_keys();
  void infer_view_key(ViewDef& view);
  void build_http();
  void check_route(const InputRoute& route);
  void build_row_level_security();

  void take_function_name(const std::string& name);
  void check_params(const ProductType& params, TypeUse use, const std::string& function);
  std::string converted_param_name(const std::string& name) const;
  void check_use(const AlgebraicType& type, const TypeLocation& location);
  ReducerDef* find_reducer(const std::string& name);
  ProcedureDef* find_procedure(const std::string& name);
  TableDef* find_table(const std::string& name);

  using Positions = std::map<std::string, size_t>;  // Name -> position; the first one counts.

  const ModuleInput& input_;
  const std::string& prefix_;
  const std::string& alias_;
  DefinitionErrors& errors_;
  TypeChecker checker_;
  NameSpace names_;
  std::set<std::string> function_names_;
  ScopeParts parts_;
  Positions table_positions_, reducer_positions_, procedure_positions_, view_positions_;
  std::set<std::string> handler_names_;
  std::map<std::string, std::set<std::string>> methods_by_path_;  // As printed.
};

}  // namespace worldline::schema
