// tests/schema/sats_json_test.cc: accepted and refused JSON input, error texts and paths, float
// notation, limits [S 01/3].
#include "schema/sats_json.h"

#include <gtest/gtest.h>

#include "schema/number_text.h"
#include "tests/schema/module_fixture.h"

namespace worldline::schema {
namespace {

AlgebraicType point() {
  return AlgebraicType::product({{{"x", type_of(TypeKind::kI32)}, {"y", type_of(TypeKind::kI32)}}});
}
AlgebraicType status_type() {
  return AlgebraicType::sum(
      {{{"active", AlgebraicType::unit()}, {"bannedUntil", type_of(TypeKind::kU32)}}});
}

struct InputCase {
  const char* name;
  AlgebraicType type;
  const char* json;
  const char* hex;    // Null if refused.
  const char* error;  // Beginning of the message if refused.
};
const InputCase kInputCases[] = {
    {"Bool", AlgebraicType::boolean(), " true ", "01", nullptr},
    {"BoolFromNumber", AlgebraicType::boolean(), "1", nullptr, "invalid type: integer `1`"},
    {"I8Minimum", type_of(TypeKind::kI8), "-128", "80", nullptr},
    {"I8BelowMinimum", type_of(TypeKind::kI8), "-129", nullptr,
     "invalid value: integer `-129`, expected i8"},
    {"U8FromFraction", type_of(TypeKind::kU8), "1.0", nullptr, "invalid type: floating point"},
    {"U8FromExponent", type_of(TypeKind::kU8), "1e3", nullptr, "invalid type: floating point"},
    {"U8Negative", type_of(TypeKind::kU8), "-1", nullptr, "invalid value: integer `-1`"},
    {"U8TooLarge", type_of(TypeKind::kU8), "256", nullptr,
     "invalid value: integer `256`, expected u8"},
    {"I64Minimum", type_of(TypeKind::kI64), "-9223372036854775808", "0000000000000080", nullptr},
    {"U64Maximum", type_of(TypeKind::kU64), "18446744073709551615", "ffffffffffffffff", nullptr},
    {"U64TooLarge", type_of(TypeKind::kU64), "18446744073709551616", nullptr, "invalid value"},
    {"U128Maximum", type_of(TypeKind::kU128), "340282366920938463463374607431768211455",
     "ffffffffffffffffffffffffffffffff", nullptr},
    {"U128TooLarge", type_of(TypeKind::kU128), "340282366920938463463374607431768211456", nullptr,
     "invalid value"},
    {"I128Minimum", type_of(TypeKind::kI128), "-170141183460469231731687303715884105728",
     "00000000000000000000000000000080", nullptr},
    {"I128BelowMinimum", type_of(TypeKind::kI128), "-170141183460469231731687303715884105729",
     nullptr, "invalid value"},
    {"U256WithZeros", type_of(TypeKind::kU256), "\"0x000A\"",
     "0a00000000000000000000000000000000000000000000000000000000000000", nullptr},
    {"U256WithPlus", type_of(TypeKind::kU256), "\"+0x1\"",
     "0100000000000000000000000000000000000000000000000000000000000000", nullptr},
    {"U256WithMinus", type_of(TypeKind::kU256), "\"-0x1\"", nullptr, "invalid value"},
    {"U256BareHex", type_of(TypeKind::kU256), "\"ff\"", nullptr, "invalid value"},
    {"U256Number", type_of(TypeKind::kU256), "1", nullptr, "invalid type: integer `1`"},
    {"U256NoDigits", type_of(TypeKind::kU256), "\"0x\"", nullptr, "invalid value"},
    {"F64FromInteger", type_of(TypeKind::kF64), "2", "0000000000000040", nullptr},
    {"F64Null", type_of(TypeKind::kF64), "null", nullptr, "invalid type: null"},
    {"F64TooLarge", type_of(TypeKind::kF64), "1e400", nullptr, "number out of range"},
    {"F32TooLarge", type_of(TypeKind::kF32), "1e39", nullptr, "number out of range"},
    {"String", AlgebraicType::string(), "\"\\u00e9\\n\"", "03000000c3a90a", nullptr},
    {"BytesFromHex", AlgebraicType::bytes(), "\"01Ff\"", "0200000001ff", nullptr},
    {"BytesFromArray", AlgebraicType::bytes(), "[1, 255]", "0200000001ff", nullptr},
    {"BytesOddHex", AlgebraicType::bytes(), "\"012\"", nullptr, "Odd number of digits"},
    {"BytesBase64", AlgebraicType::bytes(), "\"AQ==\"", nullptr, "Invalid hexadecimal digits"},
    {"ProductFromArray", point(), "[1,2]", "0100000002000000", nullptr},
    {"ProductInOtherOrder", point(), "{\"y\":2,\"x\":1}", "0100000002000000", nullptr},
    {"ProductMissing", point(), "{\"x\":1}", nullptr, "missing field `y`"},
    {"ProductDuplicate", point(), "{\"x\":1,\"x\":1}", nullptr, "duplicate field `x`"},
    {"ProductUnknown", point(), "{\"z\":1}", nullptr, "unknown field `z`, expected"},
    {"ProductExtra", point(), "{\"x\":1,\"y\":1,\"z\":1}", nullptr, "trailing comma"},
    {"ProductShort", point(), "[1]", nullptr,
     "invalid length 1, expected product type <product> with 2 elements"},
    {"ProductLong", point(), "[1,2,3]", nullptr, "trailing characters"},
    {"UnitFromObject", AlgebraicType::unit(), "{}", "", nullptr},
    {"UnitFromNull", AlgebraicType::unit(), "null", nullptr, "invalid type: null"},
    {"SumByName", status_type(), "{\"bannedUntil\":5}", "0105000000", nullptr},
    {"SumByTagText", status_type(), "{\"1\":5}", "0105000000", nullptr},
    {"SumByTag", status_type(), "[1,5]", "0105000000", nullptr},
    {"SumByNameInArray", status_type(), "[\"active\",{}]", "00", nullptr},
    {"SumBareString", status_type(), "\"active\"", nullptr, "invalid type: string"},
    {"SumUnknownName", status_type(), "{\"gone\":5}", nullptr, "unknown variant `gone`, expected"},
    {"SumUnknownTag", status_type(), "[7,5]", nullptr, "unknown tag 0x7 for sum type <unknown>"},
    {"SumTwoKeys", status_type(), "{\"active\":[],\"bannedUntil\":5}", nullptr,
     "expected map representing sum type to have exactly one field"},
    {"SumEmpty", status_type(), "{}", nullptr,
     "expected map representing sum type to have exactly one field"},
    {"SumShortArray", status_type(), "[1]", nullptr,
     "expected seq representing sum type to have exactly two fields"},
    {"SumUnitNull", status_type(), "{\"active\":null}", nullptr, "invalid type: null"},
    {"OptionNull", AlgebraicType::option(type_of(TypeKind::kU8)), "null", "01", nullptr},
    {"OptionBareValue", AlgebraicType::option(type_of(TypeKind::kU8)), "7", nullptr,
     "invalid type: integer `7`"},
    {"IdentityBareText", AlgebraicType::identity(), "\"0x1\"", nullptr, "invalid type: string"},
    {"NestedObjectsOutOfOrder",
     AlgebraicType::product({{{"a", point()}, {"b", AlgebraicType::string()}}}),
     "{\"b\":\"z\",\"a\":{\"y\":2,\"x\":1}}", "0100000002000000010000007a", nullptr},
    {"TrailingText", AlgebraicType::boolean(), "true x", nullptr, "trailing characters"},
    {"Nothing", AlgebraicType::boolean(), "", nullptr, "EOF while parsing a value"},
    {"Broken", AlgebraicType::boolean(), "[", nullptr, "invalid type: sequence"},
};

std::string print_name(const testing::TestParamInfo<InputCase>& test) {
  return test.param.name;
}

class JsonInputTest : public testing::TestWithParam<InputCase> {};

TEST_P(JsonInputTest, IsAcceptedOrRefusedAsSpecified) {
  const InputCase& c = GetParam();
  ByteBuffer out;
  const Status status = parse_json(c.json, c.type, Typespace::empty(), out);
  if (c.hex != nullptr) {
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(to_hex(out), c.hex);
    return;
  }
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(status.message().starts_with(c.error)) << status.message();
  EXPECT_NE(status.message().find(" at line 1 column "), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(S01, JsonInputTest, testing::ValuesIn(kInputCases), print_name);

const ProductType kParams{
    {{"name", AlgebraicType::string()}, {"spot", AlgebraicType::option(point())}}};

FunctionSignature add_function() {
  return {FunctionKind::kReducer, "add", kParams, Typespace::empty()};
}

struct ArgumentCase {
  const char* name;
  const char* json;
  const char* error;
};
const ArgumentCase kArgumentCases[] = {
    {"TooFew", "[\"a\"]",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: invalid "
     "length 1, expected reducer args for add with 2 elements at line 1 column 5"},
    {"TooMany", "[\"a\",null,3]",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: trailing "
     "characters at line 1 column 11"},
    {"Unknown", "{\"x\":1}",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: unknown "
     "reducer argument `x`, expected `name` or `spot` at line 1 column 4"},
    {"Missing", "{\"name\":\"a\"}",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: missing "
     "reducer argument `spot` at line 1 column 12"},
    {"Duplicate", "{\"name\":\"a\",\"name\":\"b\"}",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: duplicate "
     "reducer argument `name` at line 1 column 18"},
    {"DeepInArray", "[\"a\",\n{\"some\":{\"x\":true,\"y\":1}}]",
     "invalid arguments for reducer add: [1].some.x: invalid arguments for function add: "
     "[1].some.x: [1].some.x: invalid type: boolean `true`, expected i32 at line 2 column 17"},
    {"DeepInObject", "{\"spot\":[0,[1,\"z\"]]}",
     "invalid arguments for reducer add: spot[1][1]: invalid arguments for function add: "
     "spot[1][1]: spot[1][1]: invalid type: string \"z\", expected i32 at line 1 column 17"},
    {"TrailingCharacters", "[\"a\",null] x",
     "invalid arguments for reducer add: trailing characters at line 1 column 12: invalid "
     "arguments "
     "for function add: trailing characters at line 1 column 12: trailing characters at line 1 "
     "column 12"},
    {"NotAList", "5",
     "invalid arguments for reducer add: .: invalid arguments for function add: .: .: invalid "
     "type: integer `5`, expected reducer args at line 1 column 1"},
};
class JsonArgumentTest : public testing::TestWithParam<ArgumentCase> {};

TEST_P(JsonArgumentTest, FailsWithTheWholeChain) {
  const auto result = parse_json_arguments(GetParam().json, add_function());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(S01, JsonArgumentTest, testing::ValuesIn(kArgumentCases),
                         [](const auto& test) { return test.param.name; });

TEST(JsonArguments, ComeAsArrayOrObject) {
  const auto from_array = parse_json_arguments("[\"a\", {\"some\": [1, 2]}]", add_function());
  const auto from_object = parse_json_arguments(
      "{\"spot\": {\"0\": {\"y\": 2, \"x\": 1}}, \"name\": \"a\"}", add_function());
  ASSERT_TRUE(from_array.ok());
  ASSERT_TRUE(from_object.ok()) << from_object.status().message();
  EXPECT_EQ(to_hex(*from_array), "0100000061000100000002000000");
  EXPECT_EQ(*from_array, *from_object);
}

TEST(BsatnArguments, AllowTrailingBytesAndNameTheFault) {
  const FunctionSignature function = add_function();
  EXPECT_TRUE(validate_bsatn_arguments(ByteBuffer{1, 0, 0, 0, 'a', 1, 99}, function).ok());
  const std::string cause = "data too short for u32: Expected 4, given 1";
  EXPECT_EQ(validate_bsatn_arguments(ByteBuffer{1}, function).message(),
            "invalid arguments for reducer add: " + cause +
                ": invalid arguments for function add: " + cause + ": " + cause);
}

TEST(JsonLimits, NestingBeyond127LevelsIsRefused) {
  Typespace typespace;  // type 0 = Array<&0>
  typespace.types = {AlgebraicType::array(AlgebraicType::ref(0))};
  for (const auto& [levels, accepted] : {std::pair{127, true}, std::pair{128, false}}) {
    ByteBuffer out;
    const std::string text = std::string(static_cast<size_t>(levels), '[') +
                             std::string(static_cast<size_t>(levels), ']');
    const Status status = parse_json(text, AlgebraicType::ref(0), typespace, out);
    EXPECT_EQ(status.ok(), accepted) << status.message();
    if (!accepted) {
      EXPECT_TRUE(status.message().starts_with("recursion limit exceeded"));
    }
  }
}

TEST(JsonLimits, ZeroSizeElementsCannotFillMemory) {
  const ByteBuffer huge = {0xff, 0xff, 0xff, 0xff};
  const AlgebraicType units = AlgebraicType::array(AlgebraicType::unit());
  std::string out;
  EXPECT_EQ(append_json(units, Typespace::empty(), huge, JsonStyle::kUntyped, out).status().code(),
            StatusCode::kTooLarge);
}

TEST(JsonLimits, MessagesDoNotRepeatLargeInput) {
  ByteBuffer out;
  const std::string text = "\"" + std::string(1'000'000, 'x') + "\"";
  const Status status = parse_json(text, AlgebraicType::boolean(), Typespace::empty(), out);
  EXPECT_LT(status.message().size(), 1000u);
}

TEST(JsonOutput, OfStoredRowsMixesObjectsAndPositions) {
  const ProductType row{
      {{"at", point()}, {"state", status_type()}, {"trail", AlgebraicType::array(point())}}};
  ByteBuffer bytes;
  ASSERT_TRUE(
      parse_json("[[1,2],[1,5],[[3,4]]]", AlgebraicType::product(row), Typespace::empty(), bytes)
          .ok());
  std::string out;
  ASSERT_TRUE(append_json(row, Typespace::empty(), bytes, JsonStyle::kStoredRow, out).ok());
  EXPECT_EQ(out, "{\"at\":{\"x\":1,\"y\":2},\"state\":[1,5],\"trail\":[[3,4]]}");
}

struct FloatCase {
  double value;
  const char* f64;
  const char* f32;  // Of the value narrowed.
};
const FloatCase kFloatCases[] = {
    {1.0, "1.0", "1.0"},
    {-0.0, "-0.0", "-0.0"},
    {0.1, "0.1", "0.1"},
    {1e-5, "0.00001", "0.00001"},
    {1e-6, "1e-6", "0.000001"},
    {1e-7, "1e-7", "1e-7"},
    {1.5e-7, "1.5e-7", "1.5e-7"},
    {123456.75, "123456.75", "123456.75"},
    {1e12, "1000000000000.0", "1000000000000.0"},
    {1e13, "10000000000000.0", "1e13"},
    {1e15, "1000000000000000.0", "1e15"},
    {1e16, "1e16", "1e16"},
    {1.25e20, "1.25e20", "1.25e20"},
};

TEST(JsonOutput, OfFloatsIsTheShortestInTheSpecifiedNotation) {
  for (const FloatCase& c : kFloatCases) {
    std::string f64, f32;
    append_float(c.value, f64);
    append_float(static_cast<float>(c.value), f32);
    EXPECT_EQ(f64, c.f64);
    EXPECT_EQ(f32, c.f32);
  }
}

TEST(JsonOutput, EscapesControlCharacters) {
  std::string out;
  append_json_string(std::string("a\"\\\b\f\n\r\t\x01\x7f", 10), out);
  EXPECT_EQ(out, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\"");
}

}  // namespace
}  // namespace worldline::schema
