// tests/schema/module_errors_test.cc: every error of the catalogue, its text and the sort order
// [S 01/6.7].
#include <functional>

#include <gtest/gtest.h>

#include "tests/schema/module_fixture.h"

namespace worldline::schema {
namespace {

using Module = RawModuleDefV10;

AlgebraicType inline_product() {
  return AlgebraicType::product({{{"x", AlgebraicType::string()}}});
}

RawTableDefV10& add_timer(Module& module) {
  RawTableDefV10& timer = add_table(
      module, "timer",
      {{{"scheduledId", type_of(TypeKind::kU64)}, {"scheduledAt", AlgebraicType::schedule_at()}}});
  make_primary_key(timer, 0);
  const uint32_t ref = timer.product_type_ref;
  add_reducer(module, "tick", {{{"row", AlgebraicType::ref(ref)}}});
  list<RawScheduleDefV10>(module).push_back({std::nullopt, "timer", 1, "tick"});
  return list<RawTableDefV10>(module)[1];
}

void add_view(Module& module, AlgebraicType returns, const std::string& name = "seen") {
  list<RawViewDefV10>(module).push_back({name, 0, true, false, {}, std::move(returns)});
}

void mount(Module& module, const std::string& name, Module inner = {}) {
  list<RawSubmoduleV10>(module).push_back({name, std::move(inner)});
}

struct ErrorCase {
  const char* name;
  std::function<void(Module&)> damage;
  std::vector<std::string> errors;  // In the order of the message.
};

const ErrorCase kErrorCases[] = {
    {"TwoTablesOfOneName",
     [](Module& m) {
       add_table(m, "Person", {{{"x", AlgebraicType::string()}}});
     },
     {"name `person` is used for multiple entities",
      "name `PersonRow` is used for multiple types"}},
    {"SameNamespaceTwice",
     [](Module& m) {
       mount(m, "lib");
       mount(m, "lib");
     },
     {"name `lib` is used for multiple entities"}},
    {"TypeNameTwice",
     [](Module& m) { add_type(m, "PersonRow", inline_product()); },
     {"name `PersonRow` is used for multiple types"}},
    {"TwoInitReducers",
     [](Module& m) {
       add_reducer(m, "a");
       add_reducer(m, "b");
       list<RawLifeCycleReducerDefV10>(m) = {{Lifecycle::kInit, "a"}, {Lifecycle::kInit, "b"}};
     },
     {"Multiple reducers defined for lifecycle event Init"}},
    {"OneReducerForTwoEvents",
     [](Module& m) {
       add_reducer(m, "a");
       list<RawLifeCycleReducerDefV10>(m) = {{Lifecycle::kInit, "a"}, {Lifecycle::kOnConnect, "a"}};
     },
     {"Multiple reducers defined for lifecycle event OnConnect"}},
    {"EmptyIdentifier",
     [](Module& m) { add_reducer(m, "_"); },
     {"module contains invalid identifier: Empty identifiers are forbidden."}},
    {"UnnamedColumn",
     [](Module& m) {
       auto& table = add_table(m, "t", {{{std::nullopt, AlgebraicType::string()}}});
       list<RawTypeDefV10>(m).pop_back();
       table.source_name = "t";
     },
     {"table `t` has unnamed column `0`, which is forbidden."}},
    {"UndeclaredCustomOrder",
     [](Module& m) {
       list<RawTypeDefV10>(m)[0].custom_ordering = false;
       auto& types = section<Typespace>(m).types;
       types[0] = AlgebraicType::product(
           {{{"name", AlgebraicType::string()}, {"id", type_of(TypeKind::kU64)}}});
       person_of(m).primary_key = {};
       person_of(m).sequences = {};
     },
     {"type `\"PersonRow\"` is not annotated with a custom ordering, but uses one: "
      "(name: String, id: U64)"}},
    {"IndexOnUnknownColumn",
     [](Module& m) { person_of(m).indexes.push_back(btree("x", {7})); },
     {"column `7` referenced by def person_col_7_idx_btree not found in table `person`"}},
    {"TwoPrimaryKeyColumns",
     [](Module& m) {
       person_of(m).primary_key = {0, 1};
     },
     {"table `person` has multiple primary key annotations"}},
    {"TwoSequencesOnAColumn",
     [](Module& m) {
       person_of(m).sequences.push_back({"other", 0, {}, {}, {}, 1});
     },
     {"Attempt to define table `person` column `id` with more than 1 auto_inc sequence"}},
    {"UniqueWithoutIndex",
     [](Module& m) {
       person_of(m).constraints.push_back({std::nullopt, {{{1}}}});
     },
     {"No index found to support unique constraint `person_name_key` for columns `[ColId(1)]`"}},
    {"DirectIndexOnString",
     [](Module& m) {
       person_of(m).indexes.push_back({"d", std::nullopt, {IndexAlgorithm::kDirect, {1}}});
     },
     {"Direct index does not support type `String` in column `table `person` column `name`` in "
      "index `person_name_idx_direct`"}},
    {"RepeatedColumns",
     [](Module& m) {
       person_of(m).indexes.push_back(btree("x", {0, 0}));
     },
     {"def `person_id_id_idx_btree` has duplicate columns: [ColId(0), ColId(0)]"}},
    {"SequenceOnString",
     [](Module& m) {
       person_of(m).sequences = {{std::nullopt, 1, {}, {}, {}, 1}};
     },
     {"invalid sequence column type: table `person` column `name` with type `String` in sequence "
      "`person_name_seq`"}},
    {"SequenceRange",
     [](Module& m) {
       person_of(m).sequences = {{std::nullopt, 0, Int128{5}, Int128{-7}, Int128{4}, 1}};
     },
     {"invalid sequence range information: expected Some(-7) <= Some(5) <= Some(4) in sequence "
      "`person_id_seq`"}},
    {"ViewReturnsAnInteger",
     [](Module& m) { add_view(m, type_of(TypeKind::kU8)); },
     {"View seen has invalid return type U8"}},
    {"ViewKeyOfUnknownView",
     [](Module& m) {
       list<RawViewPrimaryKeyDefV10>(m).push_back({"ghost", {"id"}});
     },
     {"View ghost referenced by primary key definition not found"}},
    {"ViewKeyTwice",
     [](Module& m) {
       add_view(m, AlgebraicType::array(AlgebraicType::ref(0)));
       list<RawViewPrimaryKeyDefV10>(m) = {{"seen", {"id"}}, {"seen", {"id"}}};
     },
     {"View seen has multiple primary key definitions"}},
    {"ViewKeyOfTwoColumns",
     [](Module& m) {
       add_view(m, AlgebraicType::array(AlgebraicType::ref(0)));
       list<RawViewPrimaryKeyDefV10>(m) = {{"seen", {"id", "name"}}};
     },
     {"View seen has multiple primary key columns: [\"id\", \"name\"]"}},
    {"ViewKeyOfUnknownColumn",
     [](Module& m) {
       add_view(m, AlgebraicType::array(AlgebraicType::ref(0)));
       list<RawViewPrimaryKeyDefV10>(m) = {{"seen", {"size"}}};
     },
     {"Primary key column size for view seen not found"}},
    {"RowTypeOutOfBounds",
     [](Module& m) { person_of(m).product_type_ref = 9; },
     {"Table person has invalid product_type_ref &9"}},
    {"TypeRefOutOfBounds",
     [](Module& m) {
       list<RawTypeDefV10>(m).push_back({{{}, "Ghost"}, 9, true});
     },
     {"Type \"Ghost\" has invalid ref: &9"}},
    {"ScheduleColumns",
     [](Module& m) {
       add_timer(m);
       list<RawScheduleDefV10>(m)[0].schedule_at_col = 0;
     },
     {"A scheduled table must have columns `scheduled_id: u64` and `scheduled_at: ScheduledAt`, "
      "but table `timer` has columns ProductType { elements: [ProductTypeElement { name: "
      "Some(\"scheduled_id\"), algebraic_type: U64 }, ProductTypeElement { name: "
      "Some(\"scheduled_at\"), algebraic_type: Sum(SumType { variants: [SumTypeVariant { name: "
      "Some(\"Interval\"), algebraic_type: Product(ProductType { elements: [ProductTypeElement { "
      "name: Some(\"__time_duration_micros__\"), algebraic_type: I64 }] }) }, SumTypeVariant { "
      "name: Some(\"Time\"), algebraic_type: Product(ProductType { elements: [ProductTypeElement { "
      "name: Some(\"__timestamp_micros_since_unix_epoch__\"), algebraic_type: I64 }] }) }] }) }] "
      "}"}},
    {"InlineProductInParameter",
     [](Module& m) {
       add_reducer(m, "bad", {{{"x", inline_product()}}});
     },
     {"error at reducer `bad` argument 0 (`x`): internal codegen error: non-special product or sum "
      "type (x: String) cannot be used to generate a client type use"}},
    {"BadRefInParameter",
     [](Module& m) {
       add_reducer(m, "bad", {{{"x", AlgebraicType::ref(9)}}});
     },
     {"error at reducer `bad` argument 0 (`x`): internal codegen error: invalid "
      "AlgebraicTypeRef"}},
    {"UnnamedElementInDefinition",
     [](Module& m) {
       add_type(m, "Pair", AlgebraicType::product({{{std::nullopt, AlgebraicType::string()}}}));
     },
     {"error at typespace ref `&1`: internal codegen error: all type elements require names: (0: "
      "String)"}},
    {"UnnamedParameter",
     [](Module& m) {
       add_reducer(m, "bad", {{{std::nullopt, AlgebraicType::string()}}});
     },
     {"error at reducer `bad` argument 0: internal codegen error: all reducer parameters require "
      "names"}},
    {"DefinitionOfAString",
     [](Module& m) { add_type(m, "Text", AlgebraicType::string()); },
     {"error at typespace ref `&1`: internal codegen error: type String is not valid for "
      "generating a definition"}},
    {"RecursiveColumn",
     [](Module& m) {
       add_table(m, "node", {{{"next", AlgebraicType::option(AlgebraicType::ref(1))}}});
     },
     {"error at typespace ref `&1`: Found recursive type reference &1"}},
    {"RecursiveColumnOfAView",
     [](Module& m) {
       const uint32_t ref = add_type(
           m, "Node",
           AlgebraicType::product({{{"next", AlgebraicType::option(AlgebraicType::ref(1))}}}));
       add_view(m, AlgebraicType::array(AlgebraicType::ref(ref)));
     },
     {"error at typespace ref `&1`: Found recursive type reference &1"}},
    {"PrimaryKeyWithoutUnique",
     [](Module& m) { person_of(m).primary_key = {1}; },
     {"table `person` column `name` is primary key but has no unique constraint"}},
    {"ScheduleFunctionMissing",
     [](Module& m) {
       add_timer(m);
       list<RawScheduleDefV10>(m)[0].function_name = "ghost";
     },
     {"Schedule timer_sched refers to a scheduled reducer or procedure ghost that does not exist"}},
    {"ScheduleParameters",
     [](Module& m) {
       add_timer(m);
       list<RawScheduleDefV10>(m)[0].function_name = "add";
     },
     {"Scheduled reducer add expected to have type (0: &1), but has type (name: String)"}},
    {"ReservedTableName",
     [](Module& m) { person_of(m).source_name = "st_person"; },
     {"Table name is reserved for system use: st_person"}},
    {"BadDefault",
     [](Module& m) {
       person_of(m).default_values = {{0, {1, 2}}};
     },
     {"Failed to deserialize default value for table person column 0: data too short for u64: "
      "Expected 8, given 2"}},
    {"ScheduleForUnknownTable",
     [](Module& m) {
       list<RawScheduleDefV10>(m).push_back({std::nullopt, "ghost", 0, "add"});
     },
     {"Table ghost not found"}},
    {"TwoFunctionsOfOneName",
     [](Module& m) { add_reducer(m, "Add"); },
     {"Name add is used for multiple reducers, procedures and/or views"}},
    {"TwoHandlersOfOneName",
     [](Module& m) {
       list<RawHttpHandlerDefV10>(m) = {{"hello"}, {"Hello"}};
     },
     {"HTTP handler name hello is used for multiple HTTP handlers"}},
    {"RouteConflict",
     [](Module& m) {
       list<RawHttpHandlerDefV10>(m) = {{"hello"}};
       list<RawHttpRouteDefV10>(m) = {{"hello", {HttpMethod{0, ""}}, "/a"}, {"hello", {}, "/a"}};
     },
     {"HTTP route duplicates method Any for path /a"}},
    {"RoutePath",
     [](Module& m) {
       list<RawHttpHandlerDefV10>(m) = {{"hello"}};
       list<RawHttpRouteDefV10>(m) = {{"hello", {}, "/A b"}};
     },
     {"HTTP route path `/A b` is invalid; allowed characters are ASCII lowercase letters, digits "
      "and `-_~/`"}},
    {"RouteHandlerUnknown",
     [](Module& m) {
       list<RawHttpRouteDefV10>(m) = {{"ghost", {}, "/a"}};
     },
     {"HTTP route refers to unknown HTTP handler `ghost`"}},
    {"LifecycleFunctionUnknown",
     [](Module& m) {
       list<RawLifeCycleReducerDefV10>(m) = {{Lifecycle::kOnConnect, "ghost"}};
     },
     {"lifecycle event OnConnect without reducer"}},
    {"TwoSchedulesForATable",
     [](Module& m) {
       add_timer(m);
       list<RawScheduleDefV10>(m).push_back({std::nullopt, "timer", 1, "tick"});
     },
     {"table timer is assigned in multiple schedules"}},
    {"ReducerReturnType",
     [](Module& m) { add_reducer(m, "bad").ok_return_type = type_of(TypeKind::kU8); },
     {"reducer bad has invalid return type: found Result<U8, String>"}},
    {"LifecycleInSubmodule",
     [](Module& m) {
       Module inner;
       add_reducer(inner, "start");
       list<RawLifeCycleReducerDefV10>(inner) = {{Lifecycle::kInit, "start"}};
       mount(m, "lib", std::move(inner));
     },
     {"lifecycle event Init is not permitted in submodule under namespace `lib`; lifecycle "
      "reducers may only be declared in the root module"}},
    {"NamespaceTooLong",
     [](Module& m) { mount(m, std::string(64, 'n')); },
     {"submodule namespace `" + std::string(64, 'n') +
      "` is 64 bytes, which exceeds the 63-byte limit"}},
    {"NamespaceWithDot",
     [](Module& m) { mount(m, "a.b"); },
     {"module contains invalid identifier: Identifier `a.b` contains a character '.' that is not "
      "an XID_continue character (according to Unicode Standard Annex 31, "
      "https://www.unicode.org/reports/tr31/) and cannot be used for entities in a module."}},
    {"ColumnsEqualAfterConversion",
     [](Module& m) {
       add_table(m, "t",
                 {{{"fooBar", AlgebraicType::string()}, {"foo_bar", AlgebraicType::string()}}});
     },
     {"table `t` has more than one column named `foo_bar`"}},
    {"ViewColumnsEqualAfterConversion",
     [](Module& m) {
       const uint32_t ref = add_type(
           m, "Pair",
           AlgebraicType::product(
               {{{"fooBar", AlgebraicType::string()}, {"foo_bar", AlgebraicType::string()}}}));
       add_view(m, AlgebraicType::array(AlgebraicType::ref(ref)));
     },
     {"view `seen` has more than one column named `foo_bar`"}},
    {"ErrorsOfAKindAreSortedByContentNotByText",
     [](Module& m) {
       for (const uint16_t column : ColumnList{10, 7})
         person_of(m).indexes.push_back(btree("x", {column}));
       // As text, "`ab" comes before "`a`".
       for (const char* name : {"ab", "a"})
         list<RawScheduleDefV10>(m).push_back({std::nullopt, name, 0, "add"});
       ProductType params;
       for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"})
         params.elements.push_back({name, type_of(TypeKind::kU8)});
       params.elements[2].type = params.elements[10].type = inline_product();
       add_reducer(m, "bad", params);
     },
     {"name `x` is used for multiple entities",
      "column `7` referenced by def person_col_7_idx_btree not found in table `person`",
      "column `10` referenced by def person_col_10_idx_btree not found in table `person`",
      "error at reducer `bad` argument 2 (`c`): internal codegen error: non-special product or sum "
      "type (x: String) cannot be used to generate a client type use",
      "error at reducer `bad` argument 10 (`k`): internal codegen error: non-special product or "
      "sum type (x: String) cannot be used to generate a client type use",
      "Table a not found", "Table ab not found"}},
    {"IndexWithoutSourceName",
     [](Module& m) { person_of(m).indexes[0].source_name.reset(); },
     {"index `person_id_idx_btree` of table `person` has no source name"}},
    {"IndexWithoutColumns",
     [](Module& m) { person_of(m).indexes.push_back(btree("x", {})); },
     {"def `person__idx_btree` of table `person` has no columns"}},
    {"EventTableWithSchedule",
     [](Module& m) { add_timer(m).is_event = true; },
     {"table `timer` cannot be both an event table and a schedule table"}},
    {"ParameterOfUnderscoreIsEmptyAfterConversion",
     [](Module& m) {
       add_reducer(m, "bad", {{{"_", AlgebraicType::string()}}});
     },
     {"module contains invalid identifier: Empty identifiers are forbidden."}},
    {"ParameterBeginsWithADigitAfterConversion",
     [](Module& m) {
       add_reducer(m, "bad", {{{"_2d", AlgebraicType::string()}}});
     },
     {"module contains invalid identifier: Identifier `2_d`'s starting character '2' is neither an "
      "underscore ('_') nor a Unicode XID_start character (according to Unicode Standard Annex 31, "
      "https://www.unicode.org/reports/tr31/) and cannot be used for entities in a module."}},
    {"ParameterIsNotConvertedWithoutPolicy",
     [](Module& m) {
       section<CaseConversionPolicy>(m) = CaseConversionPolicy::kNone;
       add_reducer(m, "bad", {{{"a-b", AlgebraicType::string()}}});
     },
     {"module contains invalid identifier: Identifier `a-b` contains a character '-' that is not "
      "an XID_continue character (according to Unicode Standard Annex 31, "
      "https://www.unicode.org/reports/tr31/) and cannot be used for entities in a module."}},
    {"SeveralErrorsInCatalogueOrderEachOnce",
     [](Module& m) {
       add_reducer(m, "Add");
       add_reducer(m, "add");
       person_of(m).primary_key = {1};
       person_of(m).indexes.push_back(btree("x", {7}));
       add_table(m, "Person", {{{"x", AlgebraicType::string()}}});
     },
     {"name `person` is used for multiple entities", "name `PersonRow` is used for multiple types",
      "column `7` referenced by def person_col_7_idx_btree not found in table `person`",
      "table `person` column `name` is primary key but has no unique constraint",
      "Name add is used for multiple reducers, procedures and/or views"}},
};

class ModuleErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(ModuleErrorTest, IsReportedWithTheTextOfTheCatalogue) {
  Module module = person_module();
  GetParam().damage(module);
  const auto def = ModuleDef::validate(module);
  std::string expected = "Errors occurred:\n";
  for (const auto& error : GetParam().errors) expected += error + "\n\n";
  ASSERT_FALSE(def.ok());
  EXPECT_EQ(def.status().message(), expected);
}

INSTANTIATE_TEST_SUITE_P(S01, ModuleErrorTest, testing::ValuesIn(kErrorCases),
                         [](const auto& test) { return test.param.name; });

TEST(ModuleErrors, JudgeAParameterByItsConvertedNameAndKeepTheSourceName) {
  Module module = person_module();
  add_reducer(module, "move", {{{"top-left", AlgebraicType::string()}}});
  const auto def = ModuleDef::validate(module);
  ASSERT_TRUE(def.ok()) << def.status().message();
  EXPECT_EQ((*def)->find_reducer("move")->params.elements[0].name, "top-left");
  section<CaseConversionPolicy>(module) = CaseConversionPolicy::kNone;
  list<RawReducerDefV10>(module).back().params.elements[0].name = "_";
  EXPECT_TRUE(ModuleDef::validate(module).ok());
}

// Versions before these rules accepted such modules; their databases must start.
TEST(ModuleErrors, OfLaterRulesDoNotStopWhatIsStored) {
  Module module = person_module();
  add_timer(module).is_event = true;
  add_reducer(module, "bad", {{{"_", AlgebraicType::string()}}});
  EXPECT_FALSE(ModuleDef::validate(module).ok());
  const auto def = ModuleDef::validate(module, DefinitionOrigin::kStorage);
  ASSERT_TRUE(def.ok()) << def.status().message();
  EXPECT_TRUE((*def)->find_table("timer")->schedule);
  EXPECT_EQ((*def)->find_reducer("bad")->params.elements[0].name, "_");
  add_reducer(module, "bad");
  EXPECT_FALSE(ModuleDef::validate(module, DefinitionOrigin::kStorage).ok()) << "an earlier rule";
}

TEST(ModuleErrors, OfVersion9AreTwoDefaultsAndUnknownTables) {
  RawModuleDefV9 module;
  module.typespace.types = {AlgebraicType::product({{{"id", type_of(TypeKind::kU8)}}})};
  module.types = {{{{}, "T"}, 0, true}};
  module.tables.emplace_back().name = "t";
  module.misc_exports = {RawColumnDefaultValueV9{"t", 0, {1}}, RawColumnDefaultValueV9{"t", 0, {2}},
                         RawColumnDefaultValueV9{"ghost", 0, {1}}};
  EXPECT_EQ(ModuleDef::validate(module).status().message(),
            "Errors occurred:\nMultiple default values for table t column 0\n\nTable ghost not "
            "found\n\n");
}

TEST(ModuleErrors, OfAnUndecodableDescriptionPrintTheChain) {
  const ByteBuffer bytes = {9};
  const std::string cause = "unknown tag 0x9 for sum type RawModuleDef";
  EXPECT_EQ(ModuleDef::load(bytes).status().message(),
            "error getting module description: error decoding module description: " + cause +
                ": error decoding module description: " + cause + ": " + cause);
}

TEST(ModuleErrors, ChainsOfRefsAreCutBeforeTheStackEnds) {
  Module module = person_module();
  auto& types = section<Typespace>(module).types;
  for (uint32_t i = 0; i < 100'000; ++i)
    types.push_back(
        AlgebraicType::array(AlgebraicType::ref(static_cast<uint32_t>(types.size()) + 1)));
  types.push_back(AlgebraicType::string());
  add_reducer(module, "deep", {{{"x", AlgebraicType::ref(1)}}});
  EXPECT_FALSE(ModuleDef::validate(module).ok());
}

TEST(ModuleErrors, TypesThatExpandExponentiallyAreRefused) {
  Module module;
  uint32_t last =
      add_type(module, "T0", AlgebraicType::product({{{"a", AlgebraicType::string()}}}));
  for (int i = 1; i < 40; ++i) {
    const AlgebraicType ref = AlgebraicType::ref(last);
    last =
        add_type(module, "T" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i),
                 AlgebraicType::product({{{"a", ref}, {"b", ref}}}));
  }
  add_table(module, "big", {{{"x", AlgebraicType::ref(last)}}});
  const auto def = ModuleDef::validate(module);
  ASSERT_FALSE(def.ok());
  EXPECT_NE(def.status().message().find("expands to more than"), std::string::npos);
}

}  // namespace
}  // namespace worldline::schema
