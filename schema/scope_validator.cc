#include "schema/scope_validator.h"

#include <algorithm>

#include <fmt/format.h>

#include "schema/case_conversion.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

std::string print_scoped_name(const InputType& type) {
  std::string out;
  for (const auto& segment : type.scope) out.append(segment).append("::");
  return out + type.name;
}

std::string print_method_debug(const MethodOrAny& method) {
  static constexpr const char* kNames[] = {"Get",     "Head",    "Post",  "Put",  "Delete",
                                           "Connect", "Options", "Trace", "Patch"};
  if (!method.method) return "Any";
  if (method.method->tag == HttpMethod::kExtension)
    return fmt::format("Method(Extension(\"{}\"))", method.method->extension);
  return fmt::format("Method({})", kNames[method.method->tag]);
}

template <typename Defs>
auto find_at(Defs& defs, const std::map<std::string, size_t>& positions, const std::string& name)
    -> decltype(defs.data()) {
  const auto found = positions.find(name);
  return found == positions.end() ? nullptr : &defs[found->second];
}

bool is_route_path(const std::string& path) {
  if (path.empty()) return true;
  if (path[0] != '/') return false;
  return std::all_of(path.begin(), path.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~' ||
           c == '/';
  });
}

}  // namespace

ScopeValidator::ScopeValidator(const ModuleInput& input, const std::string& prefix,
                               const std::string& alias, DefinitionErrors& errors)
    : input_(input),
      prefix_(prefix),
      alias_(alias),
      errors_(errors),
      checker_(input.source_types),
      names_(errors) {}

ScopeParts ScopeValidator::build() {
  parts_.typespace = input_.types;
  build_types();
  build_tables();
  build_reducers();
  build_procedures();
  build_views();
  build_lifecycles();
  build_schedules();
  build_view_keys();
  build_http();
  build_row_level_security();
  return std::move(parts_);
}

void ScopeValidator::build_types() {
  std::set<std::string> seen;
  for (const auto& type : input_.type_defs) {
    for (const auto& segment : type.scope) errors_.check_identifier(segment);
    errors_.check_identifier(type.name);
    const std::string name = print_scoped_name(type);
    if (!seen.insert(name).second)
      errors_.add(DefinitionError::kDuplicateTypeName, "name `{}` is used for multiple types",
                  name);
    if (input_.source_types.find(type.ty) == nullptr) {
      errors_.add(DefinitionError::kBadTypeRef, "Type \"{}\" has invalid ref: &{}", name, type.ty);
      continue;
    }
    checker_.declare(type.ty);
    parts_.types.push_back({type.scope, type.name, type.ty, type.custom_ordering});
  }
  // Only when all are declared can the uses within them be judged.
  for (const auto& type : input_.type_defs) {
    const AlgebraicType* target = input_.source_types.find(type.ty);
    if (target == nullptr) continue;
    for (const auto& problem : checker_.find_definition_problems(type.ty))
      errors_.add_type_shape({TypeUse::kTypespaceRef, {}, type.ty}, problem);
    if (!type.custom_ordering && !has_default_order(*target))
      errors_.add(DefinitionError::kCustomOrdering,
                  "type `\"{}\"` is not annotated with a custom ordering, but uses one: {}",
                  print_scoped_name(type), print(*target));
  }
  std::sort(parts_.types.begin(), parts_.types.end(), [](const TypeDef& a, const TypeDef& b) {
    return std::tie(a.scope, a.name) < std::tie(b.scope, b.name);
  });
}

void ScopeValidator::build_tables() {
  const ValidationContext context{input_, prefix_, checker_, names_, errors_};
  for (const auto& table : input_.tables) {
    table_positions_.emplace(table.name.canonical, parts_.tables.size());
    parts_.tables.push_back(TableValidator(context, table).build());
  }
  for (const auto& table : input_.default_tables_unknown)
    errors_.add(DefinitionError::kUnknownTable, "Table {} not found", table);
}

void ScopeValidator::take_function_name(const std::string& name) {
  errors_.check_identifier(name);
  if (!function_names_.insert(name).second)
    errors_.add(DefinitionError::kDuplicateFunction,
                "Name {} is used for multiple reducers, procedures and/or views", name);
}

void ScopeValidator::check_use(const AlgebraicType& type, const TypeLocation& location) {
  if (const auto problem = checker_.find_use_problem(type))
    errors_.add_type_shape(location, *problem);
}

// The stored definition keeps the source name, but client code must be able to say the converted
// one [S 01/6.2, 6.3].
std::string ScopeValidator::converted_param_name(const std::string& name) const {
  return input_.policy == CaseConversionPolicy::kNone ? name : convert_name(name, NameCase::kSnake);
}

void ScopeValidator::check_params(const ProductType& params, TypeUse use,
                                  const std::string& function) {
  TypeLocation location{use, function};
  for (const auto& param : params.elements) {
    location.param = param.name;
    if (param.name) {
      if (errors_.asks_later_rules()) errors_.check_identifier(converted_param_name(*param.name));
    } else {
      errors_.add_type_shape(location,
                             "internal codegen error: all reducer parameters require names");
    }
    check_use(param.type, location);
    ++location.position;
  }
}

void ScopeValidator::build_reducers() {
  for (const auto& reducer : input_.reducers) {
    take_function_name(reducer.name.canonical);
    check_params(reducer.params, TypeUse::kReducerArgument, reducer.name.canonical);
    if (!reducer.return_type.is_unit() || !reducer.err_type.is_string())
      errors_.add(DefinitionError::kReducerReturnType,
                  "reducer {} has invalid return type: found Result<{}, {}>",
                  reducer.name.canonical, print(reducer.return_type), print(reducer.err_type));
    ReducerDef def;
    def.name = reducer.name.canonical;
    def.full_name = prefix_ + def.name;
    def.source_name = reducer.name.source;
    def.params = reducer.params;
    def.visibility = reducer.visibility;
    reducer_positions_.emplace(def.name, parts_.reducers.size());
    parts_.reducers.push_back(std::move(def));
  }
}

void ScopeValidator::build_procedures() {
  for (const auto& procedure : input_.procedures) {
    take_function_name(procedure.name.canonical);
    check_params(procedure.params, TypeUse::kProcedureArgument, procedure.name.canonical);
    check_use(procedure.return_type, {TypeUse::kProcedureReturn, procedure.name.canonical});
    ProcedureDef def;
    def.name = procedure.name.canonical;
    def.full_name = prefix_ + def.name;
    def.source_name = procedure.name.source;
    def.params = procedure.params;
    def.return_type = procedure.return_type;
    def.visibility = procedure.visibility;
    procedure_positions_.emplace(def.name, parts_.procedures.size());
    parts_.procedures.push_back(std::move(def));
  }
}

ReducerDef* ScopeValidator::find_reducer(const std::string& name) {
  return find_at(parts_.reducers, reducer_positions_, name);
}

ProcedureDef* ScopeValidator::find_procedure(const std::string& name) {
  return find_at(parts_.procedures, procedure_positions_, name);
}

TableDef* ScopeValidator::find_table(const std::string& name) {
  return find_at(parts_.tables, table_positions_, name);
}

void ScopeValidator::build_lifecycles() {
  std::set<Lifecycle> seen;
  for (const auto& lifecycle : input_.lifecycles) {
    const char* const event = lifecycle_name(lifecycle.event);
    if (!alias_.empty())
      errors_.add(DefinitionError::kSubmoduleLifecycle,
                  "lifecycle event {} is not permitted in submodule under namespace `{}`; "
                  "lifecycle reducers may only be declared in the root module",
                  event, alias_);
    ReducerDef* reducer = find_reducer(lifecycle.function);
    if (reducer == nullptr) {
      errors_.add(DefinitionError::kLifecycleFunction, "lifecycle event {} without reducer", event);
      continue;
    }
    if (!seen.insert(lifecycle.event).second || reducer->lifecycle)
      errors_.add(DefinitionError::kMultipleLifecycles,
                  "Multiple reducers defined for lifecycle event {}", event);
    reducer->lifecycle = lifecycle.event;
    if (input_.version == 10) reducer->visibility = FunctionVisibility::kPrivate;
  }
}

void ScopeValidator::build_schedules() {
  for (const auto& schedule : input_.schedules) build_schedule(schedule);
}

void ScopeValidator::build_schedule(const InputSchedule& input) {
  TableDef* table = find_table(input.table);
  if (table == nullptr) {
    errors_.add(DefinitionError::kUnknownTable, "Table {} not found", input.table);
    return;
  }
  if (table->schedule) {
    errors_.add(DefinitionError::kTwoSchedules, "table {} is assigned in multiple schedules",
                table->name);
    return;
  }
  // Its row would be gone when the timer fires [S 04/5.1].
  if (table->is_event && errors_.asks_later_rules())
    errors_.add(DefinitionError::kEventSchedule, "{}", event_schedule_refusal(table->name));
  ScheduleDef def;
  def.name = input.given_name.value_or(table->name + "_sched");
  def.at_column = ColumnId{input.at_column};
  def.function_name = input.function;
  def.full_function_name = prefix_ + input.function;
  def.function_kind = FunctionKind::kReducer;
  errors_.check_identifier(def.name);
  names_.take(def.name);
  if (input.at_column >= table->columns.size()) {
    errors_.add(DefinitionError::kUnknownColumn,
                "column `{}` referenced by def {} not found in table `{}`", input.at_column,
                def.name, table->name);
    return;
  }
  const bool has_key =
      table->primary_key && table->columns[table->primary_key->value].type.kind() == TypeKind::kU64;
  if (!has_key || !table->columns[input.at_column].type.is_schedule_at())
    errors_.add(DefinitionError::kScheduleColumns,
                "A scheduled table must have columns `scheduled_id: u64` and `scheduled_at: "
                "ScheduledAt`, but table `{}` has columns {}",
                table->name, print_debug(table->row_type));
  if (ReducerDef* reducer = find_reducer(def.function_name)) {
    check_schedule_function(def, *table, reducer->params);
    if (input_.version == 10) reducer->visibility = FunctionVisibility::kPrivate;
  } else if (ProcedureDef* procedure = find_procedure(def.function_name)) {
    def.function_kind = FunctionKind::kProcedure;
    check_schedule_function(def, *table, procedure->params);
    if (input_.version == 10) procedure->visibility = FunctionVisibility::kPrivate;
  } else {
    errors_.add(DefinitionError::kScheduleFunctionMissing,
                "Schedule {} refers to a scheduled reducer or procedure {} that does not exist",
                def.name, def.function_name);
  }
  table->schedule = std::move(def);
}

void ScopeValidator::check_schedule_function(const ScheduleDef& schedule, const TableDef& table,
                                             const ProductType& params) {
  const AlgebraicType expected = AlgebraicType::ref(table.product_type_ref);
  if (params.elements.size() == 1 && params.elements[0].type == expected) return;
  errors_.add(DefinitionError::kScheduleParameters,
              "Scheduled reducer {} expected to have type {}, but has type {}",
              schedule.function_name, print(ProductType{{{std::nullopt, expected}}}),
              print(params));
}

void ScopeValidator::build_views() {
  for (const auto& view : input_.views) {
    take_function_name(view.name.canonical);
    names_.take(view.name.canonical);
    check_params(view.params, TypeUse::kViewArgument, view.name.canonical);
    ViewDef def;
    def.name = view.name.canonical;
    def.full_name = prefix_ + def.name;
    def.source_name = view.name.source;
    def.index = view.index;
    def.is_public = view.is_public;
    def.is_anonymous = view.is_anonymous;
    def.params = view.params;
    def.return_type = view.return_type;
    const auto ref = view_row_ref(def);
    if (ref) {
      def.product_type_ref = *ref;
      check_view_columns(def);
    }
    view_positions_.emplace(def.name, parts_.views.size());
    parts_.views.push_back(std::move(def));
  }
}

std::optional<uint32_t> ScopeValidator::view_row_ref(const ViewDef& view) {
  const AlgebraicType& type = view.return_type;
  std::optional<uint32_t> ref = type.query_view_ref();
  if (type.is_option() && type.as_sum().variants[0].type.is_ref())
    ref = type.as_sum().variants[0].type.ref_index();
  if (type.is_array() && type.element().is_ref()) ref = type.element().ref_index();
  if (!ref) {
    errors_.add(DefinitionError::kViewReturnType, "View {} has invalid return type {}", view.name,
                print(type));
    return std::nullopt;
  }
  const AlgebraicType* target = input_.source_types.find(*ref);
  if (target != nullptr && target->is_product()) return ref;
  errors_.add(DefinitionError::kBadRowProduct, "Table {} has invalid product_type_ref &{}",
              view.name, *ref);
  return std::nullopt;
}

void ScopeValidator::check_view_columns(const ViewDef& view) {
  const uint32_t ref = view.product_type_ref;
  const auto& elements = input_.types.types[ref].as_product().elements;
  const auto& sources = input_.source_types.types[ref].as_product().elements;
  const TypeLocation location{TypeUse::kTypespaceRef, {}, ref};
  std::set<std::string> seen;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (const auto problem = checker_.find_use_problem(sources[i].type)) {
      errors_.add_type_shape(location, *problem);
    } else if (const auto resolved = checker_.resolve_column(elements[i].type, input_.types);
               !resolved.ok()) {  // Its backing table has these columns [S 01/1.2].
      errors_.add_type_shape(location, resolved.status().message());
    }
    if (!elements[i].name) {
      errors_.add(DefinitionError::kUnnamedColumn,
                  "table `{}` has unnamed column `{}`, which is forbidden.", view.name, i);
      continue;
    }
    errors_.check_identifier(*elements[i].name);
    if (!seen.insert(*elements[i].name).second)
      errors_.add(DefinitionError::kDuplicateColumn,
                  "view `{}` has more than one column named `{}`", view.name, *elements[i].name);
  }
}

void ScopeValidator::build_view_keys() {
  std::set<std::string> seen;
  for (const auto& key : input_.view_keys) {
    ViewDef* view = find_at(parts_.views, view_positions_, key.view);
    if (view == nullptr) {
      errors_.add(DefinitionError::kViewKeyUnknownView,
                  "View {} referenced by primary key definition not found", key.view);
      continue;
    }
    if (!seen.insert(key.view).second)
      errors_.add(DefinitionError::kViewKeyTwice, "View {} has multiple primary key definitions",
                  key.view);
    if (key.columns.size() > 1)
      errors_.add(DefinitionError::kViewKeySeveralColumns,
                  "View {} has multiple primary key columns: [{}]", key.view,
                  fmt::format("\"{}\"", fmt::join(key.columns, "\", \"")));
    const AlgebraicType* row = input_.types.find(view->product_type_ref);
    for (const auto& name : key.columns) {
      const auto column =
          row != nullptr && row->is_product() ? row->as_product().find(name) : std::nullopt;
      if (!column) {
        errors_.add(DefinitionError::kViewKeyUnknownColumn,
                    "Primary key column {} for view {} not found", name, key.view);
        continue;
      }
      view->primary_key = ColumnId{*column};
      view->primary_key_is_declared = true;
    }
  }
  for (auto& view : parts_.views)
    if (!view.primary_key && view.return_type.query_view_ref()) infer_view_key(view);
}

// All tables of that row type that have a primary key must agree on it [S 01/5.5].
void ScopeValidator::infer_view_key(ViewDef& view) {
  std::optional<ColumnId> common;
  for (const auto& table : parts_.tables) {
    if (table.product_type_ref != view.product_type_ref || !table.primary_key) continue;
    if (common && *common != *table.primary_key) return;
    common = table.primary_key;
  }
  view.primary_key = common;
}

void ScopeValidator::build_http() {
  for (const auto& handler : input_.handlers) {
    errors_.check_identifier(handler.canonical);
    if (!handler_names_.insert(handler.canonical).second)
      errors_.add(DefinitionError::kDuplicateHandler,
                  "HTTP handler name {} is used for multiple HTTP handlers", handler.canonical);
    parts_.http_handlers.push_back({handler.canonical, handler.source});
  }
  for (const auto& route : input_.routes) {
    check_route(route);
    parts_.http_routes.push_back({route.handler, route.method, route.path});
  }
}

void ScopeValidator::check_route(const InputRoute& route) {
  if (!is_route_path(route.path))
    errors_.add(DefinitionError::kRoutePath,
                "HTTP route path `{}` is invalid; allowed characters are ASCII lowercase letters, "
                "digits and `-_~/`",
                route.path);
  if (handler_names_.find(route.handler) == handler_names_.end())
    errors_.add(DefinitionError::kRouteHandler, "HTTP route refers to unknown HTTP handler `{}`",
                route.handler);
  auto& methods = methods_by_path_[route.path];
  const std::string method = print_method_debug(route.method);
  const bool any_meets_some = !route.method.method && !methods.empty();
  const bool has_any = methods.find("Any") != methods.end();
  if (!methods.insert(method).second || any_meets_some || has_any)
    errors_.add(DefinitionError::kRouteConflict, "HTTP route duplicates method {} for path {}",
                method, route.path);
}

void ScopeValidator::build_row_level_security() {
  std::set<std::string> seen;
  for (const auto& sql : input_.row_level_security)
    if (seen.insert(sql).second) parts_.row_level_security.push_back(sql);
}

}  // namespace worldline::schema
