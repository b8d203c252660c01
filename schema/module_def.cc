#include "schema/module_def.h"

#include <algorithm>

#include "base/check.h"
#include "schema/module_input.h"
#include "schema/sats_json.h"
#include "schema/scope_validator.h"

namespace worldline::schema {

// Walks the tree depth-first, numbers what needs numbers and flattens the parts.
class ModuleAssembler {
 public:
  ModuleAssembler(int raw_version, DefinitionOrigin origin)
      : def_(new ModuleDef()), errors_(origin) {
    def_->raw_version_ = raw_version;
  }

  // Recursion follows the mounts, which the decoder limits to kSubmoduleDepthMax.
  uint32_t add(const ModuleInput& input, std::string path, const std::string& alias) {
    const auto scope = static_cast<uint32_t>(def_->scopes_.size());
    def_->scopes_.emplace_back();
    {
      ModuleScope& here = def_->scopes_[scope];
      here.prefix = path.empty() ? "" : path + ".";
      here.path = path;
      here.alias = alias;
    }
    const std::string prefix = def_->scopes_[scope].prefix;
    take(ScopeValidator(input, prefix, alias, errors_).build(), scope);
    std::set<std::string> siblings;
    for (const auto& mount : input.mounts) {
      check_namespace(mount.name_space, siblings);
      const uint32_t child = add(mount.module, prefix + mount.name_space, mount.name_space);
      def_->scopes_[scope].mounts.push_back(child);
    }
    return scope;
  }

  Result<ModuleDefPtr> finish() {
    WL_RETURN_IF_ERROR(errors_.to_status());
    std::sort(def_->tables_.begin(), def_->tables_.end(),
              [](const TableDef& a, const TableDef& b) { return a.full_name < b.full_name; });
    def_->build_lookups();
    return ModuleDefPtr(std::move(def_));
  }

 private:
  static constexpr size_t kNamespaceBytesMax = 63;

  void check_namespace(const std::string& name, std::set<std::string>& siblings) {
    errors_.check_identifier(name);
    if (name.size() > kNamespaceBytesMax)
      errors_.add(DefinitionError::kNamespaceTooLong,
                  "submodule namespace `{}` is {} bytes, which exceeds the 63-byte limit", name,
                  name.size());
    if (!siblings.insert(name).second)
      errors_.add(DefinitionError::kDuplicateName, "name `{}` is used for multiple entities", name);
  }

  void take(ScopeParts parts, uint32_t scope) {
    ModuleScope& here = def_->scopes_[scope];
    here.typespace = std::move(parts.typespace);
    here.types = std::move(parts.types);
    here.http_handlers = std::move(parts.http_handlers);
    here.http_routes = std::move(parts.http_routes);
    here.row_level_security = std::move(parts.row_level_security);
    for (auto& table : parts.tables) {
      table.scope = scope;
      def_->tables_.push_back(std::move(table));
    }
    for (auto& reducer : parts.reducers) {
      reducer.scope = scope;
      reducer.id = ReducerId{static_cast<uint32_t>(def_->reducers_.size())};
      def_->reducers_.push_back(std::move(reducer));
    }
    for (auto& procedure : parts.procedures) {
      procedure.scope = scope;
      procedure.id = static_cast<uint32_t>(def_->procedures_.size());
      def_->procedures_.push_back(std::move(procedure));
    }
    uint32_t own_views[2] = {0, 0};  // Sender-scoped, anonymous.
    for (auto& view : parts.views) {
      const size_t kind = view.is_anonymous ? 1 : 0;
      ++own_views[kind];
      view.scope = scope;
      view.call_id = view.index + views_before_[kind];
      def_->views_.push_back(std::move(view));
    }
    for (size_t kind = 0; kind < 2; ++kind) views_before_[kind] += own_views[kind];
  }

  std::unique_ptr<ModuleDef> def_;
  DefinitionErrors errors_;
  uint32_t views_before_[2] = {0, 0};
};

Result<ModuleDefPtr> ModuleDef::validate(const RawModuleDef& raw, DefinitionOrigin origin) {
  if (const auto* v9 = std::get_if<RawModuleDefV9>(&raw)) {
    ModuleAssembler assembler(9, origin);
    assembler.add(make_input(*v9), "", "");
    return assembler.finish();
  }
  if (const auto* v10 = std::get_if<RawModuleDefV10>(&raw)) {
    ModuleAssembler assembler(10, origin);
    assembler.add(make_input(*v10), "", "");
    return assembler.finish();
  }
  return Status(StatusCode::kNotSupported, std::string(kVersion8Refusal));
}

Result<ModuleDefPtr> ModuleDef::load(Bytes description, DefinitionOrigin origin) {
  auto raw = decode_raw_module_def(description);
  if (!raw.ok()) {
    // The chain of causes as the reference prints it [S 01/6.1].
    const std::string& cause = raw.status().message();
    return Status(raw.status().code(),
                  fmt::format("error getting module description: error decoding module "
                              "description: {}: error decoding module description: {}: {}",
                              cause, cause, cause));
  }
  return validate(*raw, origin);
}

void ModuleDef::build_lookups() {
  auto index = [](const auto& defs, NameMap& names) {
    for (size_t i = 0; i < defs.size(); ++i)
      names.emplace(defs[i].full_name, static_cast<uint32_t>(i));
  };
  index(reducers_, reducer_names_);
  index(tables_, table_names_);
  index(procedures_, procedure_names_);
  index(views_, view_names_);
}

const ReducerDef* ModuleDef::find_reducer(std::string_view full_name) const {
  const auto found = reducer_names_.find(full_name);
  return found == reducer_names_.end() ? nullptr : &reducers_[found->second];
}

const TableDef* ModuleDef::find_table(std::string_view full_name) const {
  const auto found = table_names_.find(full_name);
  return found == table_names_.end() ? nullptr : &tables_[found->second];
}

const ProcedureDef* ModuleDef::find_procedure(std::string_view full_name) const {
  const auto found = procedure_names_.find(full_name);
  return found == procedure_names_.end() ? nullptr : &procedures_[found->second];
}

const ViewDef* ModuleDef::find_view(std::string_view full_name) const {
  const auto found = view_names_.find(full_name);
  return found == view_names_.end() ? nullptr : &views_[found->second];
}

const ReducerDef* ModuleDef::find_lifecycle(Lifecycle event) const {
  for (const auto& reducer : reducers_)
    if (reducer.lifecycle == event) return &reducer;
  return nullptr;
}

std::string event_schedule_refusal(std::string_view table) {
  return fmt::format("table `{}` cannot be both an event table and a schedule table", table);
}

const char* lifecycle_name(Lifecycle event) {
  switch (event) {
    case Lifecycle::kInit:
      return "Init";
    case Lifecycle::kOnConnect:
      return "OnConnect";
    case Lifecycle::kOnDisconnect:
      return "OnDisconnect";
  }
  return "";
}

}  // namespace worldline::schema
