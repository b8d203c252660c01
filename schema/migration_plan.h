// schema/migration_plan.h
//
// Compares two module definitions and says how to get from one to the other: the pure planner. It
// never looks at data.
//
// So far it knows changes of functions, of names without effect on tables, and added tables. Every
// other difference is refused, each named in the error list; nothing is planned by halves. A
// further kind of step is added by detecting its difference in migration_plan.cc (instead of
// refusing it), by a line in plan_formatter.cc, and by a case in the executor.
//
// Invariants: objects are matched by (namespace path, local canonical name), never by position or
// accessor. Steps are sorted by kind, then path segment by segment, then name.
// Ownership: a plan shares both definitions; frozen; any thread.
// Errors: kNotSupported or kFailedPrecondition with an error list [S 04/1.5].
// Sources: [S 04/2].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "schema/module_def.h"

namespace worldline::schema {

// In execution order; the numbers of [S 04/2.2].
enum class StepKind : uint8_t {
  kRemoveIndex = 1,
  kRemoveConstraint = 2,
  kRemoveSequence = 3,
  kRemoveSchedule = 4,
  kRemoveView = 5,
  kRemoveRowLevelSecurity = 6,
  kRemoveTable = 7,
  kChangeColumns = 8,
  kReschemaEventTable = 9,
  kAddColumns = 10,
  kChangeIndexSourceName = 11,
  kChangeTableAccessorName = 12,
  kChangeColumnAccessorName = 13,
  kAddTable = 14,
  kAddIndex = 15,
  kAddConstraint = 16,
  kAddSequence = 17,
  kAddSchedule = 18,
  kAddView = 19,
  kAddRowLevelSecurity = 20,
  kChangeAccess = 21,
  kChangePrimaryKey = 22,
  kUpdateView = 23,
  kDisconnectAllUsers = 24,
};

struct PlanStep {
  StepKind kind;
  std::vector<std::string> path;  // Namespace segments; empty for the root.
  std::string name;               // Local canonical name; the SQL text of a row-level rule.

  std::string full_name() const;  // Dotted.
  friend bool operator==(const PlanStep&, const PlanStep&) = default;
  friend auto operator<=>(const PlanStep&, const PlanStep&) = default;
};

// For summaries and logs: functions need no step.
struct FunctionChange {
  enum class What : uint8_t { kAdded, kRemoved, kChanged } what;
  FunctionKind kind;
  std::string full_name;
};

struct MigrationPlan {
  ModuleDefPtr old_def;
  ModuleDefPtr new_def;
  std::vector<PlanStep> steps;
  std::vector<FunctionChange> function_changes;  // Sorted by kind and name.

  bool breaks_clients() const;            // Contains kDisconnectAllUsers.
  bool is_major_version_upgrade() const;  // From raw version 9 or older to 10.
};

Result<MigrationPlan> plan_migration(ModuleDefPtr old_def, ModuleDefPtr new_def);

}  // namespace worldline::schema
