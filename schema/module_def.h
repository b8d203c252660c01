// schema/module_def.h
//
// ModuleDef: a module definition after validation, with every name settled and every type resolved.
// This is what storage creates tables from, what the runtime dispatches calls by, and what the
// migration planner compares.
//
// Invariants: all rules of [S 01/6] hold, of a stored definition all that its publish asked.
// `tables()` is sorted by full name, the order in which a new database creates them; `reducers()`
// and `procedures()` are in id order (depth-first through submodules). Names called `full` carry
// the dotted namespace, others are local [S 04/4.2]. Ownership: shared and frozen; may cross
// threads. Views into it live as long as it does. Errors: kInvalidArgument with the whole error
// list of [S 01/6.1]; kNotSupported for version 8. Sources: [S 01/6-7], [S 04/4].
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "schema/algebraic_type.h"
#include "schema/raw_module_def.h"

namespace worldline::schema {

enum class FunctionKind : uint8_t;

struct ColumnDef {
  std::string name;                         // Canonical.
  std::string accessor_name;                // As in the module's source.
  AlgebraicType type;                       // Resolved.
  std::optional<ByteBuffer> default_value;  // BSATN of `type`.
};

struct IndexDef {
  std::string name;  // Canonical.
  std::string full_name;
  std::string source_name;  // Alias for the module's own look-ups; V9: the canonical name.
  std::string full_source_name;
  OptionalName accessor_name;  // For client code.
  IndexAlgorithm algorithm = IndexAlgorithm::kBTree;
  std::vector<ColumnId> columns;  // In index order.
};

struct ConstraintDef {  // Unique.
  std::string name;
  std::string full_name;
  std::vector<ColumnId> columns;  // Ascending.
};

struct SequenceDef {
  std::string name;
  std::string full_name;
  ColumnId column;
  OptionalInt128 start, min_value, max_value;  // None: the defaults of [S 01/6.5].
  Int128 increment = 1;
};

struct ScheduleDef {
  std::string name;           // Stored without namespace.
  ColumnId at_column;         // Of type ScheduleAt.
  std::string function_name;  // Canonical, local.
  std::string full_function_name;
  FunctionKind function_kind;  // Reducer or procedure.
};

struct TableDef {
  std::string name;
  std::string full_name;
  std::string accessor_name;
  std::string full_accessor_name;
  uint32_t scope = 0;  // Into ModuleDef::scopes().
  uint32_t product_type_ref = 0;
  ProductType row_type;  // Resolved, canonical column names.
  std::vector<ColumnDef> columns;
  std::optional<ColumnId> primary_key;
  std::vector<IndexDef> indexes;  // The three sorted by name.
  std::vector<ConstraintDef> constraints;
  std::vector<SequenceDef> sequences;
  std::optional<ScheduleDef> schedule;
  TableKind kind = TableKind::kUser;
  TableAccess access = TableAccess::kPublic;
  bool is_event = false;
};

struct ReducerDef {
  ReducerId id;
  std::string name;
  std::string full_name;
  std::string source_name;
  uint32_t scope = 0;  // Its typespace is scopes()[scope].typespace.
  ProductType params;  // Not resolved; parameter names as in the source.
  std::optional<Lifecycle> lifecycle;
  FunctionVisibility visibility = FunctionVisibility::kClientCallable;
};

struct ProcedureDef {
  uint32_t id = 0;
  std::string name;
  std::string full_name;
  std::string source_name;
  uint32_t scope = 0;
  ProductType params;
  AlgebraicType return_type;
  FunctionVisibility visibility = FunctionVisibility::kClientCallable;
};

struct ViewDef {
  std::string name;
  std::string full_name;
  std::string source_name;
  uint32_t scope = 0;
  uint32_t index = 0;    // As declared, among the views of its kind in its module.
  uint32_t call_id = 0;  // As passed to the module [S 01/6.8].
  bool is_public = true;
  bool is_anonymous = false;
  ProductType params;
  AlgebraicType return_type;
  uint32_t product_type_ref = 0;
  std::optional<ColumnId> primary_key;
  bool primary_key_is_declared = false;  // By ViewPrimaryKeys, not inferred.
};

struct HttpRouteDef {
  std::string handler_name;  // Canonical.
  MethodOrAny method;
  std::string path;
};

struct HttpHandlerDef {
  std::string name;
  std::string source_name;
};

struct TypeDef {
  std::vector<std::string> scope;
  std::string name;  // Converted.
  uint32_t ty = 0;
  bool custom_ordering = true;
};

// One module of the tree: the root, or what is mounted below it.
struct ModuleScope {
  std::string path;              // "" for the root, else "a.b".
  std::string prefix;            // "" or "a.b.".
  std::string alias;             // Last segment of the path.
  std::vector<uint32_t> mounts;  // Direct submodules, in section order.
  Typespace typespace;           // Case-converted.
  std::vector<TypeDef> types;    // Sorted by (scope, name).
  std::vector<HttpHandlerDef> http_handlers;
  std::vector<HttpRouteDef> http_routes;
  std::vector<std::string> row_level_security;  // SQL texts, without repetitions.
};

// Where a definition comes from. One that was accepted once must load for ever: of a stored one no
// rule is asked that came later and that serving it does not need.
enum class DefinitionOrigin : uint8_t { kPublisher, kStorage };

class ModuleDef;
using ModuleDefPtr = std::shared_ptr<const ModuleDef>;

class ModuleDef {
 public:
  ModuleDef(const ModuleDef&) = delete;
  ModuleDef& operator=(const ModuleDef&) = delete;

  static Result<ModuleDefPtr> validate(const RawModuleDef& raw,
                                       DefinitionOrigin origin = DefinitionOrigin::kPublisher);
  // From the bytes of __describe_module__. Messages are complete, as a publisher sees them.
  static Result<ModuleDefPtr> load(Bytes description,
                                   DefinitionOrigin origin = DefinitionOrigin::kPublisher);

  const std::vector<TableDef>& tables() const { return tables_; }
  const std::vector<ReducerDef>& reducers() const { return reducers_; }
  const std::vector<ProcedureDef>& procedures() const { return procedures_; }
  const std::vector<ViewDef>& views() const { return views_; }        // Depth-first.
  const std::vector<ModuleScope>& scopes() const { return scopes_; }  // Depth-first; root first.
  const ModuleScope& scope_of(uint32_t scope) const { return scopes_[scope]; }
  const Typespace& typespace_of(const ReducerDef& reducer) const {
    return scopes_[reducer.scope].typespace;
  }
  const Typespace& typespace_of(const ProcedureDef& procedure) const {
    return scopes_[procedure.scope].typespace;
  }
  int raw_version() const { return raw_version_; }  // 9 or 10.

  // By full canonical name; null if there is none. O(1).
  const ReducerDef* find_reducer(std::string_view full_name) const;
  const TableDef* find_table(std::string_view full_name) const;
  const ProcedureDef* find_procedure(std::string_view full_name) const;
  const ViewDef* find_view(std::string_view full_name) const;
  const ReducerDef* find_lifecycle(Lifecycle event) const;  // Root only, by nature.

  // The definition converted back [S 01/7].
  RawModuleDefV9 to_raw_v9() const;
  RawModuleDefV10 to_raw_v10() const;
  // Body of the schema endpoint; kInvalidArgument if `version` is neither 9 nor 10.
  Result<std::string> schema_json(int version) const;

 private:
  friend class ModuleAssembler;
  ModuleDef() = default;
  void build_lookups();
  RawModuleDefV10 scope_to_raw_v10(uint32_t scope) const;

  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  using NameMap = std::unordered_map<std::string, uint32_t, NameHash, std::equal_to<>>;

  int raw_version_ = 10;
  std::vector<ModuleScope> scopes_;
  std::vector<TableDef> tables_;
  std::vector<ReducerDef> reducers_;
  std::vector<ProcedureDef> procedures_;
  std::vector<ViewDef> views_;
  NameMap reducer_names_, table_names_, procedure_names_, view_names_;  // Never iterated.
};

const char* lifecycle_name(Lifecycle event);  // "Init", "OnConnect", "OnDisconnect".

// The text for a table that is both, which neither module nor catalog may have [S 04/5.1].
std::string event_schedule_refusal(std::string_view table);

// The text of a version 8 definition's refusal.
inline constexpr std::string_view kVersion8Refusal =
    "error getting module description: module definition version 8 is not supported; rebuild the "
    "module with the bindings of 1.0 or newer";

}  // namespace worldline::schema
