// schema/type_checker.h
//
// Is a type fit as a use (column, parameter, element) or as a named definition? The shape that
// client code generation imposes, [S 01/1.4]. Internal to schema.
//
// Ownership: borrows the typespace. Not thread-safe: remembers what it found out about refs.
// Errors: the problem texts of [S 01/6.7]; nullopt means fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/algebraic_type.h"

namespace worldline::schema {

class TypeChecker {
 public:
  explicit TypeChecker(const Typespace& typespace);

  void declare(uint32_t ref);  // Entry `ref` is named in Types. REQUIRES: in bounds.

  std::optional<std::string> find_use_problem(const AlgebraicType& type);
  // The problems of entry `ref` as a definition, at most kProblemsMax. REQUIRES: in bounds.
  std::vector<std::string> find_definition_problems(uint32_t ref);

  // Resolves a column type; fails like resolve(), and once the columns of the module together
  // expand to more than kModuleNodesMax nodes.
  Result<AlgebraicType> resolve_column(const AlgebraicType& type, const Typespace& converted);

 private:
  enum class RefState : uint8_t { kUnknown, kOpen, kFit, kUnfit };

  static constexpr size_t kProblemsMax = 16;  // Each shows the whole type.
  static constexpr size_t kModuleNodesMax = 16 * kResolvedTypeNodesMax;

  std::optional<std::string> check_compound(const AlgebraicType& type);
  std::optional<std::string> check_ref(uint32_t ref);

  const Typespace& typespace_;        // Borrowed; outlives this.
  std::vector<bool> is_declared_;     // Per entry.
  std::vector<RefState> ref_states_;  // Per entry that is no definition.
  size_t depth_ = 0;
  size_t column_nodes_ = 0;
};

// Unnamed elements first, then names ascending [S 01/1.6].
bool has_default_order(const AlgebraicType& type);

}  // namespace worldline::schema
