// runtime/reducer_table.h
//
// ReducerTable finds a module's reducers by dotted name and keeps what a call needs, compiled once:
// the id, the layout of the arguments, who may call it.
//
// Invariants: built from a validated definition, which it keeps alive; entry i has id i.
// Thread: frozen, any.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/module_def.h"
#include "schema/row_layout.h"

namespace worldline::runtime {

struct ReducerEntry {
  const schema::ReducerDef* def;       // Borrowed from the definition.
  const schema::Typespace* typespace;  // Of its module; borrowed likewise.
  schema::RowLayout arguments;         // Of the resolved parameter product.
  bool is_private() const { return def->visibility == schema::FunctionVisibility::kPrivate; }
};

class ReducerTable {
 public:
  ReducerTable() = default;
  static Result<ReducerTable> build(std::shared_ptr<const schema::ModuleDef> def);

  const ReducerEntry* find(std::string_view name) const;
  const ReducerEntry* find(schema::Lifecycle event) const;

 private:
  std::shared_ptr<const schema::ModuleDef> def_;
  std::vector<ReducerEntry> entries_;
};

// The BSATN to pass to the module: BSATN arguments as they came, trailing bytes included, or what
// the JSON encodes, built in `decoded`. Errors: the complete text of [S 03/4.1].
Result<Bytes> bsatn_arguments(const ReducerEntry& reducer, Bytes bsatn);
Result<Bytes> json_arguments(const ReducerEntry& reducer, Bytes json, ByteBuffer& decoded);

}  // namespace worldline::runtime
