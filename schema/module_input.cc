#include "schema/module_input.h"

#include <map>

#include "schema/case_conversion.h"

namespace worldline::schema {
namespace {

// Applies one module's policy and explicit names.
class Namer {
 public:
  explicit Namer(const RawModuleDefV10& raw) {
    if (const auto* policy = raw.find<CaseConversionPolicy>()) policy_ = *policy;
    const auto* explicit_names = raw.find<ExplicitNames>();
    if (explicit_names == nullptr) return;
    for (const auto& entry : explicit_names->entries)  // The last entry for a name wins.
      explicit_[static_cast<size_t>(entry.kind)][entry.mapping.source_name] =
          entry.mapping.canonical_name;
  }

  CaseConversionPolicy policy() const { return policy_; }
  std::string convert(const std::string& name, NameCase target) const {
    return policy_ == CaseConversionPolicy::kNone ? name : convert_name(name, target);
  }
  OptionalName find_explicit(ExplicitNameKind kind, const std::string& source) const {
    const auto& names = explicit_[static_cast<size_t>(kind)];
    const auto found = names.find(source);
    return found == names.end() ? std::nullopt : OptionalName(found->second);
  }
  std::string canonical(ExplicitNameKind kind, const std::string& source) const {
    if (auto name = find_explicit(kind, source)) return *name;
    return convert(source, NameCase::kSnake);
  }
  InputName table(const std::string& source) const {
    return {source, canonical(ExplicitNameKind::kTable, source)};
  }
  InputName function(const std::string& source) const {
    return {source, canonical(ExplicitNameKind::kFunction, source)};
  }

  // Element names of products to snake, of sums to camel; special types stay whole, with whatever
  // is inside an Option or Result. Recursion follows the type.
  AlgebraicType convert(const AlgebraicType& type) const {
    if (policy_ == CaseConversionPolicy::kNone || type.is_special()) return type;
    if (type.is_array()) return AlgebraicType::array(convert(type.element()));
    if (type.is_product()) {
      ProductType product = type.as_product();
      for (auto& element : product.elements) {
        if (element.name) element.name = convert(*element.name, NameCase::kSnake);
        element.type = convert(element.type);
      }
      return AlgebraicType::product(std::move(product));
    }
    if (!type.is_sum()) return type;
    SumType sum = type.as_sum();
    for (auto& variant : sum.variants) {
      if (variant.name) variant.name = convert(*variant.name, NameCase::kCamel);
      variant.type = convert(variant.type);
    }
    return AlgebraicType::sum(std::move(sum));
  }

 private:
  CaseConversionPolicy policy_ = CaseConversionPolicy::kSnakeCase;
  std::map<std::string, std::string> explicit_[3];  // By ExplicitNameKind: source -> canonical.
};

template <typename T>
const std::vector<T>& list_of(const RawModuleDefV10& raw) {
  static const std::vector<T> kNone;
  const auto* found = raw.find<std::vector<T>>();
  return found == nullptr ? kNone : *found;
}

InputTable make_table(const RawTableDefV10& raw, const Namer& namer) {
  InputTable table;
  table.name = namer.table(raw.source_name);
  table.product_type_ref = raw.product_type_ref;
  table.primary_key = raw.primary_key;
  for (const auto& index : raw.indexes) {
    InputIndex out{std::nullopt, index.source_name, index.accessor_name, index.algorithm};
    if (index.source_name)
      out.given_name = namer.find_explicit(ExplicitNameKind::kIndex, *index.source_name);
    table.indexes.push_back(std::move(out));
  }
  for (const auto& constraint : raw.constraints)  // Their names are always generated.
    table.constraints.push_back({std::nullopt, constraint.data.unique.columns});
  for (const auto& sequence : raw.sequences)
    table.sequences.push_back({sequence.source_name, sequence.column, sequence.start,
                               sequence.min_value, sequence.max_value, sequence.increment});
  for (const auto& value : raw.default_values)
    table.defaults.push_back({value.col_id, value.value});
  table.kind = raw.table_type;
  table.access = raw.table_access;
  table.is_event = raw.is_event;
  return table;
}

void add_functions(const RawModuleDefV10& raw, const Namer& namer, ModuleInput& out) {
  for (const auto& reducer : list_of<RawReducerDefV10>(raw))
    out.reducers.push_back({namer.function(reducer.source_name), reducer.params, reducer.visibility,
                            reducer.ok_return_type, reducer.err_return_type});
  for (const auto& procedure : list_of<RawProcedureDefV10>(raw))
    out.procedures.push_back({namer.function(procedure.source_name), procedure.params,
                              procedure.visibility, procedure.return_type,
                              AlgebraicType::string()});
  for (const auto& view : list_of<RawViewDefV10>(raw))
    out.views.push_back({namer.function(view.source_name), view.index, view.is_public,
                         view.is_anonymous, view.params, view.return_type});
  for (const auto& key : list_of<RawViewPrimaryKeyDefV10>(raw)) {
    InputViewKey converted{namer.function(key.view_source_name).canonical, {}};
    for (const auto& column : key.columns)
      converted.columns.push_back(namer.convert(column, NameCase::kSnake));
    out.view_keys.push_back(std::move(converted));
  }
  for (const auto& lifecycle : list_of<RawLifeCycleReducerDefV10>(raw))
    out.lifecycles.push_back(
        {lifecycle.lifecycle_spec, namer.function(lifecycle.function_name).canonical});
  for (const auto& handler : list_of<RawHttpHandlerDefV10>(raw))
    out.handlers.push_back(namer.function(handler.source_name));
  for (const auto& route : list_of<RawHttpRouteDefV10>(raw))
    out.routes.push_back(
        {namer.function(route.handler_function).canonical, route.method, route.path});
}

void add_misc_exports(const RawModuleDefV9& raw, ModuleInput& out) {
  std::map<std::string, size_t> tables;
  for (size_t i = 0; i < out.tables.size(); ++i) tables.emplace(out.tables[i].name.canonical, i);
  for (const auto& item : raw.misc_exports) {
    if (const auto* value = std::get_if<RawColumnDefaultValueV9>(&item)) {
      const auto table = tables.find(value->table);
      if (table == tables.end()) {
        out.default_tables_unknown.push_back(value->table);
      } else {
        out.tables[table->second].defaults.push_back({value->col_id, value->value});
      }
    } else if (const auto* procedure = std::get_if<RawProcedureDefV9>(&item)) {
      out.procedures.push_back({{procedure->name, procedure->name},
                                procedure->params,
                                FunctionVisibility::kClientCallable,
                                procedure->return_type,
                                AlgebraicType::string()});
    } else if (const auto* view = std::get_if<RawViewDefV9>(&item)) {
      out.views.push_back({{view->name, view->name},
                           view->index,
                           view->is_public,
                           view->is_anonymous,
                           view->params,
                           view->return_type});
    }
  }
}

InputTable make_table(const RawTableDefV9& raw) {
  InputTable table;
  table.name = {raw.name, raw.name};
  table.product_type_ref = raw.product_type_ref;
  table.primary_key = raw.primary_key;
  for (const auto& index : raw.indexes)
    table.indexes.push_back({index.name, std::nullopt, index.accessor_name, index.algorithm});
  for (const auto& constraint : raw.constraints)
    table.constraints.push_back({constraint.name, constraint.data.unique.columns});
  for (const auto& sequence : raw.sequences)
    table.sequences.push_back({sequence.name, sequence.column, sequence.start, sequence.min_value,
                               sequence.max_value, sequence.increment});
  table.kind = raw.table_type;
  table.access = raw.table_access;
  return table;
}

}  // namespace

ModuleInput make_input(const RawModuleDefV9& raw) {
  ModuleInput out;
  out.version = 9;
  out.source_types = raw.typespace;
  out.types = raw.typespace;
  for (const auto& type : raw.types)
    out.type_defs.push_back({type.name.scope, type.name.name, type.ty, type.custom_ordering});
  for (const auto& table : raw.tables) {
    out.tables.push_back(make_table(table));
    if (table.schedule)
      out.schedules.push_back({table.schedule->name, table.name, table.schedule->reducer_name,
                               table.schedule->scheduled_at_column});
  }
  for (const auto& reducer : raw.reducers) {
    out.reducers.push_back({{reducer.name, reducer.name},
                            reducer.params,
                            FunctionVisibility::kClientCallable,
                            AlgebraicType::unit(),
                            AlgebraicType::string()});
    if (reducer.lifecycle) out.lifecycles.push_back({*reducer.lifecycle, reducer.name});
  }
  add_misc_exports(raw, out);
  for (const auto& rule : raw.row_level_security) out.row_level_security.push_back(rule.sql);
  return out;
}

// Recursion follows the mounts, which the decoder limits to kSubmoduleDepthMax.
ModuleInput make_input(const RawModuleDefV10& raw) {
  const Namer namer(raw);
  ModuleInput out;
  out.policy = namer.policy();
  if (const auto* typespace = raw.find<Typespace>()) out.source_types = *typespace;
  for (const auto& type : out.source_types.types) out.types.types.push_back(namer.convert(type));
  for (const auto& type : list_of<RawTypeDefV10>(raw)) {
    InputType converted{{},
                        namer.convert(type.source_name.source_name, NameCase::kPascal),
                        type.ty,
                        type.custom_ordering};
    for (const auto& segment : type.source_name.scope)
      converted.scope.push_back(namer.convert(segment, NameCase::kPascal));
    out.type_defs.push_back(std::move(converted));
  }
  for (const auto& table : list_of<RawTableDefV10>(raw))
    out.tables.push_back(make_table(table, namer));
  for (const auto& schedule : list_of<RawScheduleDefV10>(raw))  // Its name is always generated.
    out.schedules.push_back({std::nullopt, namer.table(schedule.table_name).canonical,
                             namer.function(schedule.function_name).canonical,
                             schedule.schedule_at_col});
  add_functions(raw, namer, out);
  for (const auto& rule : list_of<RawRowLevelSecurity>(raw))
    out.row_level_security.push_back(rule.sql);
  for (const auto& mount : list_of<RawSubmoduleV10>(raw))
    out.mounts.push_back({mount.name_space, make_input(mount.module)});
  return out;
}

}  // namespace worldline::schema
