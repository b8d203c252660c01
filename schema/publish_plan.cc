#include "schema/publish_plan.h"

#include <fmt/format.h>

#include "schema/number_text.h"
#include "schema/sats_json.h"

namespace worldline::schema {
namespace {

const char* json_bool(bool value) {
  return value ? "true" : "false";
}

}  // namespace

Hash256 migration_token(const ProgramChange& change) {
  return keccak256(as_bytes(change.database.to_hex() + change.old_program.to_hex() +
                            change.new_program.to_hex()));
}

std::optional<Hash256> parse_migration_token(std::string_view text) {
  auto number = parse_hex_u256(text);
  if (!number) number = parse_decimal_u256(text);
  if (!number) return std::nullopt;
  Hash256 token;
  store_le(token.bytes.data(), *number);
  return token;
}

Status check_migration_policy(const MigrationPlan& plan, MigrationPolicy policy,
                              const std::optional<Hash256>& token, const ProgramChange& change) {
  switch (policy) {
    case MigrationPolicy::kCompatible:
      if (!plan.breaks_clients()) return {};
      return Status::failed_precondition(
          "Migration plan contains a client-breaking change which is disallowed under current "
          "policy");
    case MigrationPolicy::kBreakClients:
      if (token == migration_token(change)) return {};
      return Status::failed_precondition(
          "Token provided is invalid or does not match expected hash");
  }
  return Status::internal("unknown migration policy");
}

Result<std::string> pre_publish_json(const ModuleDefPtr& old_def, const ModuleDefPtr& new_def,
                                     const ProgramChange& change, PlanStyle style) {
  const auto plan = plan_migration(old_def, new_def);
  std::string out;
  if (!plan.ok()) {
    const bool upgrade = old_def->raw_version() < 10 && new_def->raw_version() == 10;
    out = "{\"ManualMigrate\":{\"reason\":";
    append_json_string(plan.status().message(), out);
    out += fmt::format(",\"major_version_upgrade\":{}}}}}", json_bool(upgrade));
    return out;
  }
  WL_ASSIGN_OR_RETURN(const std::string text, format_plan(*plan, style));
  out = "{\"AutoMigrate\":{\"migrate_plan\":";
  append_json_string(text, out);
  out += fmt::format(",\"break_clients\":{},\"token\":\"{}\",\"major_version_upgrade\":{}}}}}",
                     json_bool(plan->breaks_clients()), migration_token(change).to_json_text(),
                     json_bool(plan->is_major_version_upgrade()));
  return out;
}

}  // namespace worldline::schema
