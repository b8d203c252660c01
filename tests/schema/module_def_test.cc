// tests/schema/module_def_test.cc: what validation derives: names, ids, visibility, lookups.
#include "schema/module_def.h"

#include <gtest/gtest.h>

#include "schema/sats_json.h"
#include "tests/schema/module_fixture.h"
#include "tests/schema/schema_fixture.h"

namespace worldline::schema {
namespace {

ModuleDefPtr load_vector(const std::string& name) {
  for (const auto& module : load_vectors("module_defs.json", "modules")) {
    if (module.at("name") != name) continue;
    auto def = ModuleDef::load(from_hex(module.at("hex")));
    EXPECT_TRUE(def.ok()) << def.status().message();
    return def.ok() ? *def : nullptr;
  }
  ADD_FAILURE() << name;
  return nullptr;
}

TEST(ModuleDef, ResolvesTheNamesOfTheSpecifiedExample) {
  const ModuleDefPtr def = load_vector("big");
  ASSERT_NE(def, nullptr);
  const TableDef* player = def->find_table("Player1Canonical");
  ASSERT_NE(player, nullptr);
  EXPECT_EQ(player->accessor_name, "Player1");
  EXPECT_EQ(player->columns[0].name, "player_1_id");
  EXPECT_EQ(player->columns[0].accessor_name, "Player1Id");
  EXPECT_EQ(player->indexes[1].name, "Player1Canonical_player_1_id_idx_btree");
  EXPECT_EQ(player->indexes[1].source_name, "Player1_Player1Id_idx_btree");
  EXPECT_EQ(player->constraints[1].name, "Player1Canonical_player_1_id_key");
  EXPECT_EQ(player->primary_key, ColumnId{0});
  EXPECT_EQ(print(player->columns[3].type), "(active1: () | bannedUntil: U32)");
  EXPECT_EQ(to_hex(*player->columns[2].default_value), "07000000");
  EXPECT_NE(def->find_reducer("banPlayer1"), nullptr);
  EXPECT_EQ(def->find_reducer("BanPlayer1"), nullptr);
  EXPECT_NE(def->find_view("Level2Person"), nullptr);
  EXPECT_NE(def->find_procedure("count_all"), nullptr);
  EXPECT_EQ(def->scopes()[0].http_handlers.size(), 1u);
  EXPECT_TRUE(def->find_table("evt")->is_event);
}

TEST(ModuleDef, MakesLifecycleAndScheduledReducersPrivate) {
  const ModuleDefPtr def = load_vector("big");
  for (const char* name : {"tick", "on_init", "on_connect"})
    EXPECT_EQ(def->find_reducer(name)->visibility, FunctionVisibility::kPrivate) << name;
  EXPECT_EQ(def->find_reducer("banPlayer1")->visibility, FunctionVisibility::kClientCallable);
  EXPECT_EQ(def->find_lifecycle(Lifecycle::kInit), def->find_reducer("on_init"));
  EXPECT_EQ(def->find_lifecycle(Lifecycle::kOnDisconnect), nullptr);
  const TableDef* timer = def->find_table("timer");
  ASSERT_TRUE(timer->schedule.has_value());
  EXPECT_EQ(timer->schedule->name, "timer_sched");
  EXPECT_EQ(timer->schedule->function_kind, FunctionKind::kReducer);
}

TEST(ModuleDef, KeepsVersion9ReducersCallable) {
  const ModuleDefPtr def = load_vector("v9_small");
  EXPECT_EQ(def->raw_version(), 9);
  EXPECT_EQ(def->find_reducer("init")->visibility, FunctionVisibility::kClientCallable);
  EXPECT_EQ(def->find_lifecycle(Lifecycle::kInit)->id, ReducerId{1});
}

// [S 04/4.3]: root has 1 reducer, `nested` 2, `nested.child` 1.
TEST(ModuleDef, NumbersReducersDepthFirstThroughSubmodules) {
  RawModuleDefV10 child, nested, sibling, root;
  add_reducer(child, "emit");
  add_table(child, "childEvents", {{{"id", type_of(TypeKind::kU64)}}});
  add_reducer(nested, "first");
  add_reducer(nested, "secondOne");
  list<RawSubmoduleV10>(nested).push_back({"child", child});
  add_reducer(sibling, "first");
  add_reducer(root, "main");
  list<RawSubmoduleV10>(root) = {{"nested", nested}, {"sibling", sibling}};
  const auto def = ModuleDef::validate(root);
  ASSERT_TRUE(def.ok()) << def.status().message();
  std::vector<std::string> names;
  for (const auto& reducer : (*def)->reducers()) names.push_back(reducer.full_name);
  EXPECT_EQ(names, (std::vector<std::string>{"main", "nested.first", "nested.second_one",
                                             "nested.child.emit", "sibling.first"}));
  EXPECT_EQ((*def)->find_reducer("nested.child.emit")->id, ReducerId{3});
  const TableDef* events = (*def)->find_table("nested.child.child_events");
  ASSERT_NE(events, nullptr);
  EXPECT_EQ(events->full_accessor_name, "nested.child.childEvents");
  EXPECT_EQ((*def)->scope_of(events->scope).path, "nested.child");
  EXPECT_EQ((*def)->to_raw_v10().find<std::vector<RawSubmoduleV10>>()->size(), 2u);
}

TEST(ModuleDef, ListsTablesInByteOrderOfTheirFullNames) {
  RawModuleDefV10 lib, root;
  add_table(lib, "zebra", {{{"id", type_of(TypeKind::kU64)}}});
  add_table(root, "zoo", {{{"id", type_of(TypeKind::kU64)}}});
  add_table(root, "apple", {{{"id", type_of(TypeKind::kU64)}}});
  list<RawSubmoduleV10>(root) = {{"lib", lib}};
  const auto def = ModuleDef::validate(root);
  ASSERT_TRUE(def.ok());
  std::vector<std::string> names;
  for (const auto& table : (*def)->tables()) names.push_back(table.full_name);
  EXPECT_EQ(names, (std::vector<std::string>{"apple", "lib.zebra", "zoo"}));
}

TEST(ModuleDef, UsesOnlyTheFirstSectionOfAKind) {
  RawModuleDefV10 module = person_module();
  module.sections.emplace_back(std::vector<RawReducerDefV10>{{"ghost", {}, {}, {}, {}}});
  const auto def = ModuleDef::validate(module);
  ASSERT_TRUE(def.ok());
  EXPECT_EQ((*def)->reducers().size(), 1u);
}

TEST(ModuleDef, KeepsNamesUnderPolicyNone) {
  RawModuleDefV10 module;
  section<CaseConversionPolicy>(module) = CaseConversionPolicy::kNone;
  add_table(module, "Table1", {{{"fooBar", type_of(TypeKind::kU64)}}});
  const auto def = ModuleDef::validate(module);
  ASSERT_TRUE(def.ok());
  EXPECT_NE((*def)->find_table("Table1"), nullptr);
  EXPECT_EQ((*def)->tables()[0].columns[0].name, "fooBar");
}

TEST(ModuleDef, TakesTheLastOfSeveralExplicitNamesAndDefaults) {
  RawModuleDefV10 module = person_module();
  section<ExplicitNames>(module).entries = {{ExplicitNameKind::kTable, {"person", "Human"}},
                                            {ExplicitNameKind::kTable, {"person", "People"}},
                                            {ExplicitNameKind::kIndex, {"person_pk", "by_id"}}};
  list<RawTableDefV10>(module)[0].default_values = {{0, ByteBuffer(8, 1)}, {0, ByteBuffer(9, 2)}};
  const auto def = ModuleDef::validate(module);
  ASSERT_TRUE(def.ok()) << def.status().message();
  const TableDef* table = (*def)->find_table("People");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->indexes[0].name, "by_id");
  EXPECT_EQ(table->constraints[0].name, "People_id_key");
  EXPECT_EQ(*table->columns[0].default_value, ByteBuffer(8, 2)) << "trailing bytes are dropped";
}

TEST(ModuleDef, NumbersViewsAcrossModulesByKind) {
  RawModuleDefV10 lib, root;
  for (RawModuleDefV10* module : {&lib, &root}) {
    add_table(*module, "t", {{{"id", type_of(TypeKind::kU64)}}});
    const AlgebraicType rows = AlgebraicType::array(AlgebraicType::ref(0));
    list<RawViewDefV10>(*module) = {{"mine", 0, true, false, {}, rows},
                                    {"all", 0, true, true, {}, rows}};
  }
  list<RawSubmoduleV10>(root) = {{"lib", lib}};
  const auto def = ModuleDef::validate(root);
  ASSERT_TRUE(def.ok()) << def.status().message();
  EXPECT_EQ((*def)->find_view("mine")->call_id, 0u);
  EXPECT_EQ((*def)->find_view("lib.mine")->call_id, 1u);
  EXPECT_EQ((*def)->find_view("lib.all")->call_id, 1u);
}

}  // namespace
}  // namespace worldline::schema
