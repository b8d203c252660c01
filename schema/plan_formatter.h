// schema/plan_formatter.h
//
// The text a publisher is shown before a migration, plain or with ANSI colours.
// Pure function; any thread. Errors: kNotSupported for a step kind that has no line here, which
// the planner does not produce. Sources: [S 04/3].
#pragma once

#include <string>

#include "base/status.h"
#include "schema/migration_plan.h"

namespace worldline::schema {

enum class PlanStyle : uint8_t { kAnsiColor, kNoColor };

Result<std::string> format_plan(const MigrationPlan& plan, PlanStyle style);

}  // namespace worldline::schema
