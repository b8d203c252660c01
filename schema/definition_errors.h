// schema/definition_errors.h
//
// Collects what is wrong with a module definition and prints it in the order of the catalogue.
// Internal to schema. Ownership: a value of one validation; not thread-safe.
// Invariant: the enumerators are in catalogue order, which is the sort order [S 01/6.7]; errors of
// a kind are sorted by what they insert into their text [S 01/6.1].
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "schema/module_def.h"

namespace worldline::schema {

enum class DefinitionError : uint8_t {
  kDuplicateName,
  kDuplicateTypeName,
  kMultipleLifecycles,
  kIdentifier,
  kUnnamedColumn,
  kCustomOrdering,
  kUnknownColumn,
  kMultiplePrimaryKeys,
  kSecondSequence,
  kUniqueWithoutIndex,
  kDirectIndexType,
  kRepeatedColumns,
  kSequenceType,
  kSequenceRange,
  kViewReturnType,
  kViewKeyUnknownView,
  kViewKeyTwice,
  kViewKeySeveralColumns,
  kViewKeyUnknownColumn,
  kBadRowProduct,
  kBadTypeRef,
  kScheduleColumns,
  kTypeShape,
  kPrimaryKeyWithoutUnique,
  kScheduleFunctionMissing,
  kScheduleParameters,
  kReservedTableName,
  kBadDefault,
  kTwoDefaults,
  kUnknownTable,
  kDuplicateFunction,
  kDuplicateHandler,
  kRouteConflict,
  kRoutePath,
  kRouteHandler,
  kLifecycleFunction,
  kTwoSchedules,
  kReducerReturnType,
  kSubmoduleLifecycle,
  kNamespaceTooLong,
  // Ours: what the reference finds later or crashes on.
  kDuplicateColumn,
  kTooManyColumns,
  kIndexWithoutName,
  kNoColumns,
  kEventSchedule,
};

// Where a module uses a type; in the order of the catalogue, which is the sort order.
enum class TypeUse : uint8_t {
  kReducerArgument,
  kProcedureArgument,
  kViewArgument,
  kProcedureReturn,
  kViewReturn,
  kTypespaceRef,
};
struct TypeLocation {
  TypeUse use = TypeUse::kTypespaceRef;
  std::string function;                // Empty for kTypespaceRef.
  uint64_t position = 0;               // Of the argument, or the ref.
  std::optional<std::string> param{};  // Name of the argument.
};

class DefinitionErrors {
 public:
  explicit DefinitionErrors(DefinitionOrigin origin) : origin_(origin) {}

  // False of rules that came after definitions without them were accepted and stored.
  bool asks_later_rules() const { return origin_ == DefinitionOrigin::kPublisher; }

  // The arguments, in their order, are the content that errors of a kind are sorted by.
  template <typename... Args>
  void add(DefinitionError kind, fmt::format_string<Args...> format, Args&&... args) {
    if (text_bytes_ >= kErrorBytesMax) return;  // Enough to work on.
    Content content;
    (content.push_back(part_of(args)), ...);
    insert(kind, std::move(content), fmt::format(format, std::forward<Args>(args)...));
  }
  // `error at {location}: {problem}`.
  void add_type_shape(const TypeLocation& location, std::string_view problem);
  // Adds `module contains invalid identifier: ...` if `name` is none.
  void check_identifier(std::string_view name);

  bool empty() const { return errors_.empty(); }
  // OK if empty; else kInvalidArgument with `Errors occurred:` and each error once, sorted.
  Status to_status() const;

 private:
  static constexpr size_t kErrorBytesMax = 1 * limits::MiB;  // Of all texts; one may exceed it.

  using Part = std::variant<uint64_t, std::string>;  // Numbers sort as such, text by its bytes.
  using Content = std::vector<Part>;

  template <typename T>
  static Part part_of(const T& value) {
    if constexpr (std::is_integral_v<T>) {
      return uint64_t{value};
    } else {
      return std::string(value);
    }
  }
  void insert(DefinitionError kind, Content content, std::string text);

  const DefinitionOrigin origin_;
  size_t text_bytes_ = 0;
  std::set<std::tuple<DefinitionError, Content, std::string>> errors_;
};

// Error lists as users see them: a heading, then each text followed by an empty line.
std::string print_error_list(const std::vector<std::string>& texts);

}  // namespace worldline::schema
