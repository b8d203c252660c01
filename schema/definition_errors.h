// schema/definition_errors.h
//
// Collects what is wrong with a module definition and prints it in the order of the catalogue.
// Internal to schema. Ownership: a value of one validation; not thread-safe.
// Invariant: the enumerators are in catalogue order, which is the sort order [S 01/6.7].
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/status.h"

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
};

class DefinitionErrors {
 public:
  template <typename... Args>
  void add(DefinitionError kind, fmt::format_string<Args...> format, Args&&... args) {
    if (text_bytes_ >= kErrorBytesMax) return;  // Enough to work on.
    insert(kind, fmt::format(format, std::forward<Args>(args)...));
  }
  // Adds `module contains invalid identifier: ...` if `name` is none.
  void check_identifier(std::string_view name);

  bool empty() const { return errors_.empty(); }
  // OK if empty; else kInvalidArgument with `Errors occurred:` and each error once, sorted.
  Status to_status() const;

 private:
  static constexpr size_t kErrorBytesMax = 1 * limits::MiB;  // Of all texts; one may exceed it.

  void insert(DefinitionError kind, std::string text);

  size_t text_bytes_ = 0;
  std::set<std::pair<DefinitionError, std::string>> errors_;
};

// Error lists as users see them: a heading, then each text followed by an empty line.
std::string print_error_list(const std::vector<std::string>& texts);

}  // namespace worldline::schema
