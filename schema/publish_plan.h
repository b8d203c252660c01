// schema/publish_plan.h
//
// What surrounds a plan at publish: the token that confirms a breaking plan, the policy check and
// the answer of the pre-publish route.
// Pure functions; any thread. Sources: [S 04/1.4-1.5].
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "schema/migration_plan.h"
#include "schema/plan_formatter.h"

namespace worldline::schema {

struct ProgramChange {
  Identity database;
  Hash256 old_program;
  Hash256 new_program;
};

// Confirms exactly this change; stale as soon as the running program is another.
Hash256 migration_token(const ProgramChange& change);
// `0x` and hex, or decimal, of the token read as a little-endian number; nullopt if neither.
std::optional<Hash256> parse_migration_token(std::string_view text);

enum class MigrationPolicy : uint8_t { kCompatible, kBreakClients };

// kFailedPrecondition with the texts of [S 04/1.4]. `token` is needed with kBreakClients.
Status check_migration_policy(const MigrationPlan& plan, MigrationPolicy policy,
                              const std::optional<Hash256>& token, const ProgramChange& change);

// Body of the 200 answer: AutoMigrate, or ManualMigrate if planning was refused. Fails only if the
// formatter does.
Result<std::string> pre_publish_json(const ModuleDefPtr& old_def, const ModuleDefPtr& new_def,
                                     const ProgramChange& change, PlanStyle style);

}  // namespace worldline::schema
