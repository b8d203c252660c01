// tests/cli/text_test.cc: how values, tables, log records and signatures are shown [S 07/7].
#include <gtest/gtest.h>

#include "cli/log_line.h"
#include "cli/module_schema.h"
#include "cli/timestamp_text.h"
#include "cli/value_text.h"

namespace worldline::cli {
namespace {

JsonTree json(std::string_view text) {
  auto tree = JsonTree::parse(text);
  EXPECT_TRUE(tree.ok()) << text << ": " << tree.status().message();
  return tree.ok() ? *tree : JsonTree{};
}

std::string product_of(const std::string& field, const std::string& type) {
  return R"({"Product":{"elements":[{"name":{"some":")" + field + R"("},"algebraic_type":{")" +
         type + R"(":[]}}]}})";
}

struct ValueCase {
  const char* name;
  std::string type;
  std::string value;
  std::string text;
};

class ValueTextTest : public testing::TestWithParam<ValueCase> {};

TEST_P(ValueTextTest, IsThatOfTheSpecification) {
  const ValueCase& c = GetParam();
  EXPECT_EQ(value_text(json(c.type), json(c.value)), c.text);
}

const std::string kOption =
    R"({"Sum":{"variants":[{"name":{"some":"some"},"algebraic_type":{"I32":[]}},)"
    R"({"name":{"some":"none"},"algebraic_type":{"Product":{"elements":[]}}}]}})";

INSTANTIATE_TEST_SUITE_P(
    S07, ValueTextTest,
    testing::Values(
        ValueCase{"Bool", R"({"Bool":[]})", "true", "true"},
        ValueCase{"Float", R"({"F64":[]})", "594806.56", "594806.56"},
        ValueCase{"WideInteger", R"({"U128":[]})", "340282366920938463463374607431768211455",
                  "340282366920938463463374607431768211455"},
        ValueCase{"Integer256", R"({"U256":[]})", R"("0x1f")", "0x1f"},
        ValueCase{"String", R"({"String":[]})", R"("a \"b\"")", R"("a "b"")"},
        ValueCase{"Bytes", R"({"Array":{"U8":[]}})", R"("00ff")", "0x00ff"},
        ValueCase{"Array", R"({"Array":{"I32":[]}})", "[1,2]", "[1, 2]"},
        ValueCase{"Identity", product_of("__identity__", "U256"), R"(["0xc2"])",
                  "0x" + std::string(62, '0') + "c2"},
        ValueCase{"ConnectionId", product_of("__connection_id__", "U128"), "[255]",
                  "0x" + std::string(30, '0') + "ff"},
        ValueCase{"Timestamp", product_of("__timestamp_micros_since_unix_epoch__", "I64"), "[0]",
                  "1970-01-01T00:00:00+00:00"},
        ValueCase{"Duration", product_of("__time_duration_micros__", "I64"), "[-1500000]",
                  "-1.500000"},
        ValueCase{"Uuid", product_of("__uuid__", "U128"), "[2038248931870793702824066173118709760]",
                  "\"01888d6e-5c00-7000-8000-000000000000\""},
        ValueCase{"Some", kOption, "[0, 1]", "(some = 1)"},
        ValueCase{"None", kOption, "[1, []]", "(none = ())"},
        ValueCase{"NamedVariant", kOption, R"({"some": 5})", "(some = 5)"},
        ValueCase{"Unit", R"({"Product":{"elements":[]}})", "[]", "()"},
        ValueCase{"Unnamed",
                  R"({"Product":{"elements":[{"name":{"none":[]},"algebraic_type":{"I8":[]}},)"
                  R"({"name":{"none":[]},"algebraic_type":{"I8":[]}}]}})",
                  "[1,2]", "(col_0 = 1, col_1 = 2)"},
        ValueCase{"TagOutOfRange", kOption, "[9, 1]", "[9,1]"},
        ValueCase{"WrongCount", R"({"Product":{"elements":[]}})", "[1]", "[1]"}),
    [](const auto& test) { return test.param.name; });

TEST(TableTextTest, PadsCellsByTheirWidthAndRulesTheHeader) {
  EXPECT_EQ(table_text({"id", "text"}, {{"1", "\"h\u00e4\""}, {"100", "\"x\""}}),
            " id  | text \n"
            "-----+------\n"
            " 1   | \"h\u00e4\" \n"
            " 100 | \"x\"  \n");
}

TEST(TableTextTest, AStatementWithoutColumnsShowsNothing) {
  EXPECT_EQ(statement_text(json(R"({"schema":{"elements":[]},"rows":[]})")), "");
}

TEST(TableTextTest, AStatementWithoutRowsStillShowsItsHeader) {
  EXPECT_EQ(statement_text(
                json(R"({"schema":{"elements":[{"name":{"some":"id"},"algebraic_type":{"U8":[]}},)"
                     R"({"name":{"none":[]},"algebraic_type":{"U8":[]}}]},"rows":[]})")),
            " id | column 1 \n----+----------\n");
}

TEST(TimestampTextTest, HasAsManyFractionDigitsAsNeeded) {
  EXPECT_EQ(timestamp_text(0, TimestampStyle::kZulu), "1970-01-01T00:00:00Z");
  EXPECT_EQ(timestamp_text(1'700'000'000'120'000, TimestampStyle::kZulu),
            "2023-11-14T22:13:20.120Z");
  EXPECT_EQ(timestamp_text(1'700'000'000'000'001, TimestampStyle::kZulu),
            "2023-11-14T22:13:20.000001Z");
  EXPECT_EQ(timestamp_text(-1, TimestampStyle::kOffset), "1969-12-31T23:59:59.999999+00:00");
  EXPECT_EQ(timestamp_text(951'782'400'000'000, TimestampStyle::kZulu), "2000-02-29T00:00:00Z");
}

TEST(LogLineTest, ShowsLocationOnlyWhenThereIsOne) {
  EXPECT_EQ(log_record_text(json(R"({"ts":0,"level":"Info","message":"hi"})"), Colour::kOff),
            "1970-01-01T00:00:00Z  INFO: hi\n");
  EXPECT_EQ(log_record_text(json(R"({"ts":0,"level":"Error","message":"hi","function":"f",)"
                                 R"("filename":"a.ts","line_number":3})"),
                            Colour::kOff),
            "1970-01-01T00:00:00Z ERROR: f a.ts:3: hi\n");
  EXPECT_EQ(
      log_record_text(json(R"({"ts":0,"level":"Warn","message":"hi","function":"__spacetimedb__",)"
                           R"("filename":"__spacetimedb__"})"),
                      Colour::kOff),
      "1970-01-01T00:00:00Z  WARN: hi\n");
}

TEST(LogLineTest, PanicsListTheirFrames) {
  EXPECT_EQ(
      log_record_text(json(R"({"ts":0,"level":"Panic","message":"p","trace":[{"func_name":"f"}]})"),
                      Colour::kOff),
      "1970-01-01T00:00:00Z PANIC: p\n    in <unknown> :: f\n");
}

TEST(LogLineTest, LevelsFilterUpwardsOrExactly) {
  LogsOptions options;
  options.level = LogLevel::kWarn;
  EXPECT_FALSE(passes_level(json(R"({"level":"Info"})"), options));
  EXPECT_TRUE(passes_level(json(R"({"level":"Warn"})"), options));
  EXPECT_TRUE(passes_level(json(R"({"level":"Panic"})"), options));
  options.level_exact = true;
  EXPECT_FALSE(passes_level(json(R"({"level":"Error"})"), options));
}

constexpr const char* kTypedSchema = R"({"sections":[
  {"Typespace":{"types":[{"Product":{"elements":[]}}]}},
  {"Reducers":[
    {"source_name":"sendMessage","params":{"elements":[
      {"name":{"some":"text"},"algebraic_type":{"String":[]}},
      {"name":{"some":"tags"},"algebraic_type":{"Array":{"U32":[]}}}]}},
    {"source_name":"init","params":{"elements":[]}}]},
  {"Procedures":[{"source_name":"count","params":{"elements":[]}}]},
  {"LifeCycleReducers":[{"lifecycle_spec":{"Init":[]},"function_name":"init"}]},
  {"Tables":[{"source_name":"message"}]},
  {"ExplicitNames":{"entries":[
    {"Function":{"source_name":"sendMessage","canonical_name":"send_message"}}]}},
  {"Submodules":[{"namespace":"lib","module":{"sections":[
    {"Reducers":[{"source_name":"inner","params":{"elements":[]}}]},
    {"Tables":[{"source_name":"t"}]}]}}]}
]})";

TEST(ModuleSchemaTest, FindsFunctionsByCanonicalAndDottedNames) {
  const ModuleSchema schema(json(kTypedSchema));
  ASSERT_NE(schema.find_function("send_message"), nullptr);
  EXPECT_EQ(ModuleSchema::signature(*schema.find_function("send_message")),
            "send_message(text: String, tags: Vec<u32>)");
  EXPECT_EQ(schema.find_function("init")->kind, FunctionSchema::Kind::kLifecycle);
  EXPECT_EQ(schema.find_function("count")->kind, FunctionSchema::Kind::kProcedure);
  EXPECT_NE(schema.find_function("lib.inner"), nullptr);
  EXPECT_NE(schema.find_table("lib.t"), nullptr);
  EXPECT_EQ(schema.find_function("sendMessage"), nullptr);
}

TEST(ModuleSchemaTest, AnUnknownFunctionGetsTheNearestNameOrLists) {
  const ModuleSchema schema(json(kTypedSchema));
  EXPECT_NE(schema.not_found_text("send_mesage", "db", "id")
                .find("A reducer with a similar name exists: `send_message`"),
            std::string::npos);
  const std::string lists = schema.not_found_text("zzz", "db", "id");
  EXPECT_NE(lists.find("\n- send_message"), std::string::npos);
  EXPECT_NE(lists.find("\n- count"), std::string::npos);
  EXPECT_EQ(lists.find("\n- init"), std::string::npos) << "lifecycle reducers cannot be called";
}

TEST(ModuleSchemaTest, TypesThatNameThemselvesEnd) {
  const JsonTree typespace = json(R"({"types":[{"Product":{"elements":[
    {"name":{"some":"next"},"algebraic_type":{"Ref":0}}]}}]})");
  EXPECT_NE(type_text(json(R"({"Ref":0})"), &typespace).find("..."), std::string::npos);
}

TEST(JsonTreeTest, KeepsDigitsAndOrderAndRefusesDeepNesting) {
  const std::string text = R"({"b":18446744073709551616,"a":[1.50,-0.0],"c":{}})";
  EXPECT_EQ(json(text).print(), text);
  EXPECT_FALSE(JsonTree::parse(std::string(kJsonDepthMax + 1, '[')).ok());
  EXPECT_FALSE(JsonTree::parse("{\"a\":}").ok());
}

}  // namespace
}  // namespace worldline::cli
