// schema/raw_module_def_v8.h
//
// Version 8 of the module definition, from before 1.0: for the codec only. Such modules are
// recognised and refused [S 01/5.3]. Structs mirror the encoding one to one.
// Ownership and thread: plain values. Errors: none. Sources: [S 01/5.3].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/algebraic_type.h"
#include "schema/raw_module_types.h"

namespace worldline::schema {

enum class IndexTypeV8 : uint8_t { kBTree, kHash };
struct RawColumnDefV8 {
  std::string col_name;
  AlgebraicType col_type;
};
struct RawIndexDefV8 {
  std::string index_name;
  bool is_unique = false;
  IndexTypeV8 index_type = IndexTypeV8::kBTree;
  ColumnList columns;
};
struct RawConstraintDefV8 {
  std::string constraint_name;
  uint8_t constraints = 0;  // Bit set.
  ColumnList columns;
};
struct RawSequenceDefV8 {
  std::string sequence_name;
  uint16_t col_pos = 0;
  Int128 increment = 0;
  OptionalInt128 start, min_value, max_value;
  Int128 allocated = 0;
};
struct RawTableDefV8 {
  std::string table_name;
  std::vector<RawColumnDefV8> columns;
  std::vector<RawIndexDefV8> indexes;
  std::vector<RawConstraintDefV8> constraints;
  std::vector<RawSequenceDefV8> sequences;
  std::string table_type, table_access;
  OptionalName scheduled;
};
struct TableDescV8 {
  RawTableDefV8 schema;
  uint32_t data = 0;
};
struct ReducerDefV8 {
  std::string name;
  std::vector<ProductElement> args;
};
struct TypeAliasV8 {
  std::string name;
  uint32_t ty = 0;
};
struct MiscModuleExportV8 {
  TypeAliasV8 alias;  // The only variant.
};
struct RawModuleDefV8 {
  Typespace typespace;
  std::vector<TableDescV8> tables;
  std::vector<ReducerDefV8> reducers;
  std::vector<MiscModuleExportV8> misc_exports;
};

}  // namespace worldline::schema
