// runtime/reducer_table.h
//
// ReducerTable finds a module's reducers by dotted name and keeps what a call needs, compiled once:
// the id, the layout of the arguments, who may call it.
//
// Invariants: built from a validated definition; entries do not move. Thread: frozen, any.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "schema/module_def.h"
#include "schema/row_layout.h"

namespace worldline::runtime {

struct ReducerEntry {
  ReducerId id;
  std::string_view name;               // Dotted; borrowed from the definition.
  const schema::ReducerDef* def;       // Borrowed from the definition.
  schema::RowLayout arguments;         // Of the resolved parameter product.
  bool is_private = false;
};

class ReducerTable {
 public:
  ReducerTable() = default;
  // `def` is kept alive by the table.
  static Result<ReducerTable> build(std::shared_ptr<const schema::ModuleDef> def);

  const ReducerEntry* find(std::string_view name) const;
  const ReducerEntry* find(schema::Lifecycle lifecycle) const;

 private:
  std::shared_ptr<const schema::ModuleDef> def_;
  std::vector<ReducerEntry> entries_;
  std::unordered_map<std::string_view, const ReducerEntry*> by_name_;
};

}  // namespace worldline::runtime
