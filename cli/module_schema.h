// cli/module_schema.h
//
// ModuleSchema: what the commands need of a raw module definition in SATS-JSON (version 9 or 10
// with its sections): finding functions and tables, and printing signatures [S 07/7.1, 7.5].
//
// Invariants: the document comes from a server and is not trusted; what is missing is empty.
// Ownership: keeps the document. Thread: immutable after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json_tree.h"

namespace worldline::cli {

struct FunctionSchema {
  enum class Kind : uint8_t { kReducer, kProcedure, kLifecycle };
  std::string name;  // Dotted in mounted submodules.
  Kind kind = Kind::kReducer;
  const JsonTree* params = nullptr;     // ProductType; owned by the ModuleSchema.
  const JsonTree* typespace = nullptr;  // Of its module; likewise.
  const JsonTree* definition = nullptr;
};

struct TableEntry {
  std::string name;
  const JsonTree* definition = nullptr;
};

class ModuleSchema {
 public:
  explicit ModuleSchema(JsonTree document);
  ModuleSchema(const ModuleSchema&) = delete;
  ModuleSchema& operator=(const ModuleSchema&) = delete;

  const JsonTree& document() const { return document_; }
  // Reducers first, then procedures; nullptr if unknown.
  const FunctionSchema* find_function(std::string_view name) const;
  const TableEntry* find_table(std::string_view name) const;

  // name(arg: type, ...) with Rust-like type names.
  static std::string signature(const FunctionSchema& function);
  // What `call` says about a function that does not exist.
  std::string not_found_text(std::string_view function, std::string_view database,
                             std::string_view identity) const;

 private:
  void read_module(const JsonTree& module, const std::string& prefix, int depth);
  void read_v10(const JsonTree& module, const std::string& prefix, int depth);
  void read_v9(const JsonTree& module);
  void add_function(const JsonTree& definition, FunctionSchema::Kind kind,
                    const JsonTree* typespace, const std::string& prefix);
  void list_nearest(std::string_view function, FunctionSchema::Kind kind, const char* heading,
                    std::string& out) const;

  JsonTree document_;
  std::vector<FunctionSchema> functions_;
  std::vector<TableEntry> tables_;
  std::vector<std::string> lifecycle_;  // Names of lifecycle reducers (version 10).
};

// Rust-like name of a type parameter or field.
std::string type_text(const JsonTree& type, const JsonTree* typespace, int depth = 0);

// Number of insertions, deletions and substitutions between two words.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace worldline::cli
