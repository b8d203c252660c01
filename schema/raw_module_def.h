// schema/raw_module_def.h
//
// RawModuleDef: what a module says about itself, exactly as encoded, in the versions 8, 9 and 10.
// module_def.h turns it into the validated ModuleDef that everybody else uses.
//
// Invariants: decoding and encoding are inverse on whole definitions, order and repetition of
// sections included. Field and variant order is ABI [S 01/5]; structs mirror it one to one.
// Ownership and thread: plain values.
// Errors: kInvalidArgument with the texts of [S 01/2.4]; kTooLarge beyond
// kModuleDefBytesMax or kSubmoduleDepthMax.
// Sources: [S 01/5].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/wide_int.h"
#include "schema/algebraic_type.h"
#include "schema/raw_module_def_v8.h"
#include "schema/raw_module_types.h"

namespace worldline::schema {

inline constexpr size_t kModuleDefBytesMax = 8 * limits::MiB;  // Decoded it takes ~40 times that.
inline constexpr size_t kSubmoduleDepthMax = 32;  // Mounts within mounts; ours, not the format's.

// --- Version 9. ---

struct RawIndexDefV9 {
  OptionalName name, accessor_name;
  RawIndexAlgorithm algorithm;
};
struct RawConstraintDefV9 {
  OptionalName name;
  RawConstraintData data;
};
struct RawSequenceDefV9 {
  OptionalName name;
  uint16_t column = 0;
  OptionalInt128 start, min_value, max_value;
  Int128 increment = 1;
};
struct RawScheduleDefV9 {
  OptionalName name;
  std::string reducer_name;
  uint16_t scheduled_at_column = 0;
};
struct RawTableDefV9 {
  std::string name;
  uint32_t product_type_ref = 0;
  ColumnList primary_key;
  std::vector<RawIndexDefV9> indexes;
  std::vector<RawConstraintDefV9> constraints;
  std::vector<RawSequenceDefV9> sequences;
  std::optional<RawScheduleDefV9> schedule;
  TableKind table_type = TableKind::kUser;
  TableAccess table_access = TableAccess::kPublic;
};
struct RawReducerDefV9 {
  std::string name;
  ProductType params;
  std::optional<Lifecycle> lifecycle;
};
struct RawScopedTypeNameV9 {
  std::vector<std::string> scope;
  std::string name;
};
struct RawTypeDefV9 {
  RawScopedTypeNameV9 name;
  uint32_t ty = 0;
  bool custom_ordering = true;
};
struct RawColumnDefaultValueV9 {
  std::string table;
  uint16_t col_id = 0;
  ByteBuffer value;
};
struct RawProcedureDefV9 {
  std::string name;
  ProductType params;
  AlgebraicType return_type;
};
struct RawViewDefV9 {
  std::string name;
  uint32_t index = 0;
  bool is_public = true, is_anonymous = false;
  ProductType params;
  AlgebraicType return_type;
};
using RawMiscModuleExportV9 =
    std::variant<RawColumnDefaultValueV9, RawProcedureDefV9, RawViewDefV9>;
struct RawModuleDefV9 {
  Typespace typespace;
  std::vector<RawTableDefV9> tables;
  std::vector<RawReducerDefV9> reducers;
  std::vector<RawTypeDefV9> types;
  std::vector<RawMiscModuleExportV9> misc_exports;
  std::vector<RawRowLevelSecurity> row_level_security;
};

// --- Version 10. ---

struct RawIndexDefV10 {
  OptionalName source_name, accessor_name;
  RawIndexAlgorithm algorithm;
};
struct RawConstraintDefV10 {
  OptionalName source_name;
  RawConstraintData data;
};
struct RawSequenceDefV10 {
  OptionalName source_name;
  uint16_t column = 0;
  OptionalInt128 start, min_value, max_value;
  Int128 increment = 1;
};
struct RawColumnDefaultValueV10 {
  uint16_t col_id = 0;
  ByteBuffer value;
};
struct RawTableDefV10 {
  std::string source_name;
  uint32_t product_type_ref = 0;
  ColumnList primary_key;
  std::vector<RawIndexDefV10> indexes;
  std::vector<RawConstraintDefV10> constraints;
  std::vector<RawSequenceDefV10> sequences;
  TableKind table_type = TableKind::kUser;
  TableAccess table_access = TableAccess::kPublic;
  std::vector<RawColumnDefaultValueV10> default_values;
  bool is_event = false;
};
struct RawReducerDefV10 {
  std::string source_name;
  ProductType params;
  FunctionVisibility visibility = FunctionVisibility::kClientCallable;
  AlgebraicType ok_return_type;
  AlgebraicType err_return_type = AlgebraicType::string();
};
struct RawProcedureDefV10 {
  std::string source_name;
  ProductType params;
  AlgebraicType return_type;
  FunctionVisibility visibility = FunctionVisibility::kClientCallable;
};
struct RawViewDefV10 {
  std::string source_name;
  uint32_t index = 0;
  bool is_public = true, is_anonymous = false;
  ProductType params;
  AlgebraicType return_type;
};
struct RawViewPrimaryKeyDefV10 {
  std::string view_source_name;
  std::vector<std::string> columns;
};
struct RawScheduleDefV10 {
  OptionalName source_name;
  std::string table_name;
  uint16_t schedule_at_col = 0;
  std::string function_name;
};
struct RawLifeCycleReducerDefV10 {
  Lifecycle lifecycle_spec = Lifecycle::kInit;
  std::string function_name;
};
struct RawScopedTypeNameV10 {
  std::vector<std::string> scope;
  std::string source_name;
};
struct RawTypeDefV10 {
  RawScopedTypeNameV10 source_name;
  uint32_t ty = 0;
  bool custom_ordering = true;
};
struct NameMapping {
  std::string source_name, canonical_name;
};
enum class ExplicitNameKind : uint8_t { kTable, kFunction, kIndex };
struct ExplicitNameEntry {
  ExplicitNameKind kind = ExplicitNameKind::kTable;
  NameMapping mapping;
};
struct ExplicitNames {
  std::vector<ExplicitNameEntry> entries;
};
struct RawHttpHandlerDefV10 {
  std::string source_name;
};
struct HttpMethod {
  static constexpr uint8_t kExtension = 9;  // Below: Get, Head, Post, Put, Delete, Connect, ...
  uint8_t tag = 0;                          // [S 01/5.2].
  std::string extension;                    // Of kExtension.
  friend bool operator==(const HttpMethod&, const HttpMethod&) = default;
};
struct MethodOrAny {
  std::optional<HttpMethod> method;  // None: any.
};
struct RawHttpRouteDefV10 {
  std::string handler_function;
  MethodOrAny method;
  std::string path;
};
struct RawSubmoduleV10;
using RawModuleDefV10Section =
    std::variant<Typespace, std::vector<RawTypeDefV10>, std::vector<RawTableDefV10>,
                 std::vector<RawReducerDefV10>, std::vector<RawProcedureDefV10>,
                 std::vector<RawViewDefV10>, std::vector<RawScheduleDefV10>,
                 std::vector<RawLifeCycleReducerDefV10>, std::vector<RawRowLevelSecurity>,
                 CaseConversionPolicy, ExplicitNames, std::vector<RawHttpHandlerDefV10>,
                 std::vector<RawHttpRouteDefV10>, std::vector<RawViewPrimaryKeyDefV10>,
                 std::vector<RawSubmoduleV10>>;
struct RawModuleDefV10 {
  std::vector<RawModuleDefV10Section> sections;

  // The first section of a kind, the only one that counts; null if there is none.
  template <typename Section>
  const Section* find() const {
    for (const auto& section : sections)
      if (const auto* found = std::get_if<Section>(&section)) return found;
    return nullptr;
  }
};
struct RawSubmoduleV10 {
  std::string name_space;  // `namespace` in the encoding.
  RawModuleDefV10 module;
};

using RawModuleDef = std::variant<RawModuleDefV8, RawModuleDefV9, RawModuleDefV10>;

// Bytes behind the definition are ignored [S 01/2.4].
Result<RawModuleDef> decode_raw_module_def(Bytes input);
void encode_raw_module_def(const RawModuleDef& def, ByteBuffer& out);

// Every type reachable from RawModuleDef as SATS, for typed JSON and for the tests' comparison with
// the published table. Entry i of the typespace has name i; entry 0 is RawModuleDef.
struct TypeDescription {
  std::vector<std::string> names;
  Typespace typespace;
  std::optional<uint32_t> find(std::string_view name) const;
};
const TypeDescription& raw_module_def_types();

// Typed JSON: with the version envelope, and without it as the schema endpoint shows [S 01/7].
Result<std::string> print_raw_module_def_json(const RawModuleDef& def);
Result<std::string> print_raw_module_def_json(const RawModuleDefV9& def);
Result<std::string> print_raw_module_def_json(const RawModuleDefV10& def);
Result<RawModuleDef> parse_raw_module_def_json(std::string_view text);

}  // namespace worldline::schema
