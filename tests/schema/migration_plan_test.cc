// tests/schema/migration_plan_test.cc: plans, refusals, the printed plan and the token [S 04/1-3].
#include "schema/migration_plan.h"

#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "schema/publish_plan.h"
#include "schema/sats_json.h"
#include "tests/schema/module_fixture.h"

namespace worldline::schema {
namespace {

using Module = RawModuleDefV10;

ModuleDefPtr valid(const Module& module) {
  auto def = ModuleDef::validate(module);
  EXPECT_TRUE(def.ok()) << def.status().message();
  return def.ok() ? *def : nullptr;
}

void set_columns(Module& module, ProductType columns) {
  section<Typespace>(module).types[0] = AlgebraicType::product(std::move(columns));
}

void add_audit_log(Module& module) {
  auto& table = add_table(module, "auditLog",
                          {{{"id", type_of(TypeKind::kU64)}, {"note", AlgebraicType::string()}}});
  make_primary_key(table, 0);
  table.sequences.push_back({std::nullopt, 0, {}, {}, {}, 1});
  table.table_access = TableAccess::kPrivate;
}

TEST(MigrationPlan, OfTheSameDefinitionIsEmpty) {
  const auto plan = plan_migration(valid(person_module()), valid(person_module()));
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->steps.empty());
  EXPECT_TRUE(plan->function_changes.empty());
  EXPECT_FALSE(plan->breaks_clients());
}

TEST(MigrationPlan, NeedsNoStepForFunctions) {
  Module next = person_module();
  list<RawReducerDefV10>(next).clear();
  add_reducer(next, "add", {{{"id", type_of(TypeKind::kU64)}}});
  add_reducer(next, "remove");
  const auto plan = plan_migration(valid(person_module()), valid(next));
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->steps.empty());
  ASSERT_EQ(plan->function_changes.size(), 2u);
  EXPECT_EQ(plan->function_changes[0].full_name, "add");
  EXPECT_EQ(plan->function_changes[0].what, FunctionChange::What::kChanged);
  EXPECT_EQ(plan->function_changes[1].what, FunctionChange::What::kAdded);
  const auto back = plan_migration(valid(next), valid(person_module()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->function_changes[1].what, FunctionChange::What::kRemoved);
}

TEST(MigrationPlan, AllowsChangedDefaultsOfPresentColumns) {
  Module next = person_module();
  person_of(next).default_values = {{0, ByteBuffer(8, 1)}};
  const auto plan = plan_migration(valid(person_module()), valid(next));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_TRUE(plan->steps.empty());
}

TEST(MigrationPlan, AddsTablesSortedByPathThenName) {
  Module next = person_module();
  Module lib;
  add_table(lib, "a", {{{"id", type_of(TypeKind::kU64)}}});
  add_table(next, "zebra", {{{"id", type_of(TypeKind::kU64)}}});
  add_audit_log(next);
  list<RawSubmoduleV10>(next) = {{"billing", lib}};
  const auto plan = plan_migration(valid(person_module()), valid(next));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  std::vector<std::string> names;
  for (const auto& step : plan->steps) {
    EXPECT_EQ(step.kind, StepKind::kAddTable);
    names.push_back(step.full_name());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"audit_log", "zebra", "billing.a"}));
  EXPECT_FALSE(plan->breaks_clients());
}

struct RefusalCase {
  const char* name;
  std::function<void(Module&)> change;
  std::vector<std::string> errors;
};
const RefusalCase kRefusalCases[] = {
    {"RemovedTable",
     [](Module& m) { list<RawTableDefV10>(m).clear(); },
     {"Removing table `person` is not supported by this version"}},
    {"EventFlag",
     [](Module& m) { person_of(m).is_event = true; },
     {"Changing the event flag of table person requires a manual migration"}},
    {"TableKind",
     [](Module& m) { person_of(m).table_type = TableKind::kSystem; },
     {"Changing the table type of table person from User to System requires a manual migration"}},
    {"Access",
     [](Module& m) { person_of(m).table_access = TableAccess::kPrivate; },
     {"Changing the access of table `person` is not supported by this version"}},
    {"Accessor",
     [](Module& m) {
       person_of(m).source_name = "Person";
       person_of(m).indexes[0].source_name = "person_pk";
     },
     {"Changing the accessor name of table `person` from `person` to `Person` is not supported by "
      "this version"}},
    {"ColumnType",
     [](Module& m) {
       set_columns(m, {{{"id", type_of(TypeKind::kU64)}, {"name", type_of(TypeKind::kU8)}}});
     },
     {"Changing the type of column `name` of table `person` from String to U8 is not supported by "
      "this version"}},
    {"ColumnAdded",
     [](Module& m) {
       set_columns(m, {{{"id", type_of(TypeKind::kU64)},
                        {"name", AlgebraicType::string()},
                        {"age", type_of(TypeKind::kU8)}}});
     },
     {"Adding column `age` to table `person` is not supported by this version"}},
    {"ColumnRenamed",
     [](Module& m) {
       set_columns(m, {{{"id", type_of(TypeKind::kU64)}, {"nick", AlgebraicType::string()}}});
     },
     {"Removing column `name` of table `person` is not supported by this version",
      "Adding column `nick` to table `person` is not supported by this version"}},
    {"ColumnAccessor",
     [](Module& m) {
       set_columns(m, {{{"id", type_of(TypeKind::kU64)}, {"Name", AlgebraicType::string()}}});
     },
     {"Changing the accessor name of column `name` of table `person` is not supported by this "
      "version"}},
    {"IndexAdded",
     [](Module& m) { person_of(m).indexes.push_back(btree("by_name", {1})); },
     {"Adding index `person_name_idx_btree` to table `person` is not supported by this version"}},
    {"IndexAlgorithm",
     [](Module& m) { person_of(m).indexes[0].algorithm.kind = IndexAlgorithm::kHash; },
     {"Removing index `person_id_idx_btree` of table `person` is not supported by this version",
      "Adding index `person_id_idx_hash` to table `person` is not supported by this version"}},
    {"IndexAccessor",
     [](Module& m) { person_of(m).indexes[0].accessor_name = "by_id"; },
     {"Changing index `person_id_idx_btree` of table `person` is not supported by this version"}},
    {"PrimaryKeyRemoved",
     [](Module& m) { person_of(m).primary_key.clear(); },
     {"Changing the primary key of table `person` is not supported by this version"}},
    {"SequenceRemoved",
     [](Module& m) { person_of(m).sequences.clear(); },
     {"Removing auto-increment sequence `person_id_seq` of table `person` is not supported by this "
      "version"}},
    {"SequenceStart",
     [](Module& m) { person_of(m).sequences[0].start = Int128{7}; },
     {"Changing auto-increment sequence `person_id_seq` of table `person` is not supported by this "
      "version"}},
    {"UniqueRemoved",
     [](Module& m) {
       person_of(m).constraints.clear();
       person_of(m).primary_key.clear();
     },
     {"Removing unique constraint `person_id_key` of table `person` is not supported by this "
      "version",
      "Changing the primary key of table `person` is not supported by this version"}},
    {"ViewAdded",
     [](Module& m) {
       list<RawViewDefV10>(m).push_back(
           {"all", 0, true, true, {}, AlgebraicType::array(AlgebraicType::ref(0))});
     },
     {"Adding view `all` is not supported by this version"}},
    {"RuleAdded",
     [](Module& m) { list<RawRowLevelSecurity>(m).push_back({"SELECT 1"}); },
     {"Adding the row-level security rule `SELECT 1` is not supported by this version"}},
};
class RefusalTest : public testing::TestWithParam<RefusalCase> {};

TEST_P(RefusalTest, NamesEachDifference) {
  Module next = person_module();
  GetParam().change(next);
  const auto plan = plan_migration(valid(person_module()), valid(next));
  ASSERT_FALSE(plan.ok());
  std::string expected = "Errors occurred:\n";
  for (const auto& error : GetParam().errors) expected += error + "\n\n";
  EXPECT_EQ(plan.status().message(), expected);
}
INSTANTIATE_TEST_SUITE_P(S04, RefusalTest, testing::ValuesIn(kRefusalCases),
                         [](const auto& test) { return test.param.name; });

std::string rule_line() {
  std::string out;
  for (int i = 0; i < 60; ++i) out += "\xe2\x94\x81";
  return out + "\n";
}

TEST(PlanFormatter, PrintsOnlyTheHeaderOfAnEmptyPlan) {
  const auto plan = plan_migration(valid(person_module()), valid(person_module()));
  EXPECT_EQ(*format_plan(*plan, PlanStyle::kNoColor),
            rule_line() + "Database Migration Plan\n" + rule_line() + "\n");
}

TEST(PlanFormatter, PrintsTheSpecifiedExampleOfAnAddedTable) {
  Module next = person_module();
  add_audit_log(next);
  const auto plan = plan_migration(valid(person_module()), valid(next));
  const std::string text = *format_plan(*plan, PlanStyle::kNoColor);
  EXPECT_EQ(text, rule_line() + "Database Migration Plan\n" + rule_line() +
                      "\n"
                      "\xe2\x96\xb8 Created user table: audit_log (private)\n"
                      "    Columns:\n"
                      "        \xe2\x80\xa2 id: U64\n"
                      "        \xe2\x80\xa2 note: String\n"
                      "    Unique constraints:\n"
                      "        \xe2\x80\xa2 audit_log_id_key on [id]\n"
                      "    Indexes:\n"
                      "        \xe2\x80\xa2 audit_log_id_idx_btree on [id]\n"
                      "    Auto-increment constraints:\n"
                      "        \xe2\x80\xa2 audit_log_id_seq on id\n"
                      "\n");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(PlanFormatter, ColoursRuns) {
  Module next = person_module();
  add_table(next, "t", {{{"id", type_of(TypeKind::kU64)}}});
  const auto plan = plan_migration(valid(person_module()), valid(next));
  const std::string text = *format_plan(*plan, PlanStyle::kAnsiColor);
  EXPECT_NE(text.find("\x1b[0m\x1b[1m\x1b[34mDatabase Migration Plan\x1b[0m\n"), std::string::npos);
  EXPECT_NE(text.find("\xe2\x96\xb8 \x1b[0m\x1b[1m\x1b[32mCreated\x1b[0m user table: "
                      "\x1b[0m\x1b[1m\x1b[36mt\x1b[0m (\x1b[0m\x1b[32mpublic\x1b[0m)\n"),
            std::string::npos);
  EXPECT_NE(text.find("    \x1b[0m\x1b[1m\x1b[34mColumns:\x1b[0m\n        \xe2\x80\xa2 id: "
                      "\x1b[0m\x1b[35mU64\x1b[0m\n"),
            std::string::npos);
}

TEST(PlanFormatter, KeepsUnchangedRulesSilent) {
  Module module = person_module();
  list<RawRowLevelSecurity>(module).push_back({"SELECT * FROM person"});
  const auto plan = plan_migration(valid(module), valid(module));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->steps.size(), 2u);
  EXPECT_EQ(*format_plan(*plan, PlanStyle::kNoColor),
            rule_line() + "Database Migration Plan\n" + rule_line() + "\n");
}

TEST(PlanFormatter, WarnsOfDisconnection) {
  auto plan = plan_migration(valid(person_module()), valid(person_module()));
  plan->steps.push_back({StepKind::kDisconnectAllUsers, {}, ""});
  EXPECT_TRUE(plan->breaks_clients());
  EXPECT_TRUE(format_plan(*plan, PlanStyle::kNoColor)
                  ->ends_with("!!! Warning: All clients will be disconnected due to breaking "
                              "schema changes\n"));
  plan->steps.push_back({StepKind::kRemoveIndex, {}, "x"});
  EXPECT_EQ(format_plan(*plan, PlanStyle::kNoColor).status().code(), StatusCode::kNotSupported);
}

ProgramChange vector_change() {
  return {*Identity::parse("c20000000000000000000000000000000000000000000000000000000000002a"),
          keccak256(as_bytes("old")), keccak256(as_bytes("new"))};
}

TEST(MigrationToken, MatchesTheVectorOfTheSpecification) {
  const Hash256 token = migration_token(vector_change());
  EXPECT_EQ(token.to_hex(), "4510716b5fb82e33080bbc01e743d752cc1772a1232b9b59863cea21813fc040");
  EXPECT_EQ(token.to_json_text(),
            "0x40c03f8121ea3c86599b2b23a17217cc52d743e701bc0b08332eb85f6b711045");
  EXPECT_EQ(parse_migration_token(token.to_json_text()), token);
  EXPECT_EQ(parse_migration_token("nonsense"), std::nullopt);
  EXPECT_EQ(parse_migration_token("5")->bytes[0], 5);
}

TEST(MigrationPolicy, AllowsBreakingPlansOnlyWithTheToken) {
  auto plan = plan_migration(valid(person_module()), valid(person_module()));
  const ProgramChange change = vector_change();
  const Hash256 token = migration_token(change);
  using enum MigrationPolicy;
  EXPECT_TRUE(check_migration_policy(*plan, kCompatible, std::nullopt, change).ok());
  EXPECT_TRUE(check_migration_policy(*plan, kBreakClients, token, change).ok());
  EXPECT_EQ(check_migration_policy(*plan, kBreakClients, Hash256{}, change).message(),
            "Token provided is invalid or does not match expected hash");
  plan->steps.push_back({StepKind::kDisconnectAllUsers, {}, ""});
  EXPECT_EQ(check_migration_policy(*plan, kCompatible, token, change).message(),
            "Migration plan contains a client-breaking change which is disallowed under current "
            "policy");
  EXPECT_TRUE(check_migration_policy(*plan, kBreakClients, token, change).ok());
}

TEST(PrePublish, AnswersWithPlanOrReason) {
  Module next = person_module();
  add_audit_log(next);
  const ModuleDefPtr old_def = valid(person_module());
  const auto planned = pre_publish_json(old_def, valid(next), vector_change(), PlanStyle::kNoColor);
  ASSERT_TRUE(planned.ok());
  const auto answer = nlohmann::json::parse(*planned).at("AutoMigrate");
  EXPECT_NE(answer.at("migrate_plan").get<std::string>().find("audit_log"), std::string::npos);
  EXPECT_EQ(answer.at("break_clients"), false);
  EXPECT_EQ(answer.at("token"), migration_token(vector_change()).to_json_text());
  EXPECT_EQ(answer.at("major_version_upgrade"), false);

  const auto refused = pre_publish_json(valid(next), old_def, vector_change(), PlanStyle::kNoColor);
  const auto reason = nlohmann::json::parse(*refused).at("ManualMigrate");
  EXPECT_EQ(reason.at("reason"),
            "Errors occurred:\nRemoving table `audit_log` is not supported by this version\n\n");
}

}  // namespace
}  // namespace worldline::schema
