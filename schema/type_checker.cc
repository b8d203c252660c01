#include "schema/type_checker.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "schema/case_conversion.h"

namespace worldline::schema {
namespace {

constexpr const char* kInvalidRef = "internal codegen error: invalid AlgebraicTypeRef";

std::optional<std::string> element_name_problem(const AlgebraicType& type,
                                                const std::optional<std::string>& name) {
  if (!name)
    return fmt::format("internal codegen error: all type elements require names: {}", print(type));
  const Status status = validate_identifier(*name);
  if (status.ok()) return std::nullopt;
  return fmt::format("type {} contains identifier error {}", print(type), status.message());
}

// Recursion follows a resolved type.
size_t count_nodes(const AlgebraicType& type) {
  size_t nodes = 1;
  if (type.is_array()) nodes += count_nodes(type.element());
  if (type.is_product())
    for (const auto& element : type.as_product().elements) nodes += count_nodes(element.type);
  if (type.is_sum())
    for (const auto& variant : type.as_sum().variants) nodes += count_nodes(variant.type);
  return nodes;
}

template <typename Members>
bool in_default_order(const Members& members) {
  for (size_t i = 1; i < members.size(); ++i)
    if (members[i].name < members[i - 1].name) return false;  // nullopt is below every name.
  return true;
}

}  // namespace

TypeChecker::TypeChecker(const Typespace& typespace)
    : typespace_(typespace),
      is_declared_(typespace.types.size(), false),
      ref_states_(typespace.types.size(), RefState::kUnknown) {}

void TypeChecker::declare(uint32_t ref) {
  is_declared_[ref] = true;
}

// Recursion is bounded by limits::kValueDepthMax.
std::optional<std::string> TypeChecker::find_use_problem(const AlgebraicType& type) {
  if (type.kind() >= TypeKind::kString || type.is_unit() || type.is_never()) return std::nullopt;
  if (depth_ >= limits::kValueDepthMax)
    return fmt::format("type is nested deeper than {} levels", limits::kValueDepthMax);
  ++depth_;
  auto problem = check_compound(type);
  --depth_;
  return problem;
}

std::optional<std::string> TypeChecker::check_compound(const AlgebraicType& type) {
  if (type.is_ref()) return check_ref(type.ref_index());
  if (type.is_array()) return find_use_problem(type.element());
  if (type.is_option()) return find_use_problem(type.as_sum().variants[0].type);
  if (type.is_result()) {
    auto problem = find_use_problem(type.as_sum().variants[0].type);
    return problem ? problem : find_use_problem(type.as_sum().variants[1].type);
  }
  if (type.is_special()) return std::nullopt;
  return fmt::format(
      "internal codegen error: non-special product or sum type {} cannot be used to generate a "
      "client type use",
      print(type));
}

std::optional<std::string> TypeChecker::check_ref(uint32_t ref) {
  if (ref >= is_declared_.size()) return kInvalidRef;
  if (is_declared_[ref]) return std::nullopt;
  if (ref_states_[ref] == RefState::kFit) return std::nullopt;
  if (ref_states_[ref] == RefState::kOpen) return kInvalidRef;  // An anonymous cycle.
  ref_states_[ref] = RefState::kOpen;
  auto problem = find_use_problem(typespace_.types[ref]);
  ref_states_[ref] = problem ? RefState::kUnfit : RefState::kFit;
  return problem;
}

Result<AlgebraicType> TypeChecker::resolve_column(const AlgebraicType& type,
                                                  const Typespace& converted) {
  if (column_nodes_ > kModuleNodesMax)
    return Status::too_large("the module's column types expand to more than {} nodes",
                             kModuleNodesMax);
  WL_ASSIGN_OR_RETURN(AlgebraicType resolved, resolve(type, converted));
  column_nodes_ += count_nodes(resolved);
  return resolved;
}

std::vector<std::string> TypeChecker::find_definition_problems(uint32_t ref) {
  const AlgebraicType& type = typespace_.types[ref];
  std::vector<std::string> problems;
  auto check = [this, &type, &problems](const auto& members) {
    for (const auto& member : members) {
      if (problems.size() >= kProblemsMax) return;
      if (auto problem = element_name_problem(type, member.name))
        problems.push_back(std::move(*problem));
      if (auto problem = find_use_problem(member.type)) problems.push_back(std::move(*problem));
    }
  };
  if (type.is_product()) {
    check(type.as_product().elements);
  } else if (type.is_sum()) {
    check(type.as_sum().variants);
  } else {
    problems.push_back(fmt::format(
        "internal codegen error: type {} is not valid for generating a definition", print(type)));
  }
  return problems;
}

bool has_default_order(const AlgebraicType& type) {
  if (type.is_product()) return in_default_order(type.as_product().elements);
  if (type.is_sum()) return in_default_order(type.as_sum().variants);
  return true;
}

}  // namespace worldline::schema
