// schema/module_input.h
//
// A raw definition of version 9 or 10 brought into one form, with all names resolved to source and
// canonical; still unchecked. Internal to schema: the step between RawModuleDef and ModuleDef.
//
// Ownership: values; types are shared. Thread: any. Errors: none; the validator finds them.
// Sources: [S 01/6.3-6.5].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/raw_module_def.h"

namespace worldline::schema {

struct InputName {
  std::string source;
  std::string canonical;
};

struct InputIndex {
  OptionalName given_name;   // Explicit canonical name; none: generate.
  OptionalName source_name;  // V9: none; the canonical name serves.
  OptionalName accessor_name;
  RawIndexAlgorithm algorithm;
};
struct InputConstraint {
  OptionalName given_name;
  ColumnList columns;
};
struct InputSequence {
  OptionalName given_name;
  uint16_t column = 0;
  OptionalInt128 start, min_value, max_value;
  Int128 increment = 1;
};
struct InputSchedule {
  OptionalName given_name;
  std::string table;     // Canonical.
  std::string function;  // Canonical.
  uint16_t at_column = 0;
};
struct InputDefault {
  uint16_t column = 0;
  ByteBuffer value;
};
struct InputTable {
  InputName name;
  uint32_t product_type_ref = 0;
  ColumnList primary_key;
  std::vector<InputIndex> indexes;
  std::vector<InputConstraint> constraints;
  std::vector<InputSequence> sequences;
  std::vector<InputDefault> defaults;
  TableKind kind = TableKind::kUser;
  TableAccess access = TableAccess::kPublic;
  bool is_event = false;
};
struct InputFunction {  // Reducer or procedure.
  InputName name;
  ProductType params;
  FunctionVisibility visibility = FunctionVisibility::kClientCallable;
  AlgebraicType return_type;  // Of a procedure; ok type of a reducer.
  AlgebraicType err_type = AlgebraicType::string();
};
struct InputLifecycle {
  Lifecycle event = Lifecycle::kInit;
  std::string function;  // Canonical.
};
struct InputView {
  InputName name;
  uint32_t index = 0;
  bool is_public = true, is_anonymous = false;
  ProductType params;
  AlgebraicType return_type;
};
struct InputViewKey {
  std::string view;                  // Canonical.
  std::vector<std::string> columns;  // Canonical.
};
struct InputRoute {
  std::string handler;  // Canonical.
  MethodOrAny method;
  std::string path;
};
struct InputType {
  std::vector<std::string> scope;
  std::string name;  // Both converted.
  uint32_t ty = 0;
  bool custom_ordering = true;
};
struct InputMount;
struct ModuleInput {
  int version = 10;
  CaseConversionPolicy policy = CaseConversionPolicy::kNone;  // Of version 9: none.
  Typespace source_types;
  Typespace types;  // Converted.
  std::vector<InputType> type_defs;
  std::vector<InputTable> tables;
  std::vector<InputFunction> reducers;
  std::vector<InputFunction> procedures;
  std::vector<InputView> views;
  std::vector<InputViewKey> view_keys;
  std::vector<InputSchedule> schedules;
  std::vector<InputLifecycle> lifecycles;
  std::vector<InputName> handlers;
  std::vector<InputRoute> routes;
  std::vector<std::string> row_level_security;
  std::vector<InputMount> mounts;
  std::vector<std::string> default_tables_unknown;  // V9: defaults of tables that do not exist.
};
struct InputMount {
  std::string name_space;
  ModuleInput module;
};

ModuleInput make_input(const RawModuleDefV9& raw);
ModuleInput make_input(const RawModuleDefV10& raw);

}  // namespace worldline::schema
