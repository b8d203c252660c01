// tests/schema/module_fixture.h
//
// Builds raw module definitions for tests: a small valid one to be damaged or changed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "schema/module_def.h"

namespace worldline::schema {

inline AlgebraicType type_of(TypeKind kind) {
  return AlgebraicType::primitive(kind);
}

// The section of a kind, made if missing.
template <typename Section>
Section& section(RawModuleDefV10& module) {
  for (auto& item : module.sections)
    if (auto* found = std::get_if<Section>(&item)) return *found;
  return std::get<Section>(module.sections.emplace_back(Section{}));
}
template <typename Item>
std::vector<Item>& list(RawModuleDefV10& module) {
  return section<std::vector<Item>>(module);
}

inline uint32_t add_type(RawModuleDefV10& module, const std::string& name, AlgebraicType type) {
  auto& types = section<Typespace>(module).types;
  const auto ref = static_cast<uint32_t>(types.size());
  types.push_back(std::move(type));
  list<RawTypeDefV10>(module).push_back({{{}, name}, ref, true});
  return ref;
}

inline RawIndexDefV10 btree(const std::string& source, ColumnList columns) {
  return {source, std::nullopt, {IndexAlgorithm::kBTree, std::move(columns)}};
}

// A public table with those columns and nothing else.
inline RawTableDefV10& add_table(RawModuleDefV10& module, const std::string& name,
                                 ProductType columns) {
  RawTableDefV10 table;
  table.source_name = name;
  table.product_type_ref =
      add_type(module, name + "Row", AlgebraicType::product(std::move(columns)));
  return list<RawTableDefV10>(module).emplace_back(std::move(table));
}

inline void make_primary_key(RawTableDefV10& table, uint16_t column) {
  table.indexes.push_back(btree(table.source_name + "_pk", {column}));
  table.constraints.push_back({std::nullopt, {{{column}}}});
  table.primary_key = {column};
}

inline RawReducerDefV10& add_reducer(RawModuleDefV10& module, const std::string& name,
                                     ProductType params = {}) {
  RawReducerDefV10 reducer;
  reducer.source_name = name;
  reducer.params = std::move(params);
  return list<RawReducerDefV10>(module).emplace_back(std::move(reducer));
}

// person(id u64 primary key auto-inc, name string), reducer add(name string).
inline RawModuleDefV10 person_module() {
  RawModuleDefV10 module;
  RawTableDefV10& person = add_table(
      module, "person", {{{"id", type_of(TypeKind::kU64)}, {"name", AlgebraicType::string()}}});
  make_primary_key(person, 0);
  person.sequences.push_back({std::nullopt, 0, {}, {}, {}, 1});
  add_reducer(module, "add", {{{"name", AlgebraicType::string()}}});
  return module;
}
inline RawTableDefV10& person_of(RawModuleDefV10& module) {
  return list<RawTableDefV10>(module)[0];
}

}  // namespace worldline::schema
