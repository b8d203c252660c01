// tests/query/literal_test.cc: literals by type [S 06/1.10].
#include "query/literal.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "schema/algebraic_type.h"

namespace worldline::query {
namespace {

using schema::AlgebraicType;
using schema::TypeKind;

std::string hex_of(std::string_view text, const AlgebraicType& type) {
  const auto bytes = parse_literal(text, type);
  return bytes ? to_hex(*bytes) : "refused";
}

AlgebraicType primitive(TypeKind kind) {
  return AlgebraicType::primitive(kind);
}

struct LiteralCase {
  const char* text;
  AlgebraicType type;
  const char* hex;
};

TEST(Literal, BecomesBytesOfTheExpectedType) {
  const LiteralCase cases[] = {
      {"127", primitive(TypeKind::kI8), "7f"},
      {"-128", primitive(TypeKind::kI8), "80"},
      {"-129", primitive(TypeKind::kI8), "refused"},
      {"128", primitive(TypeKind::kI8), "refused"},
      {"255", primitive(TypeKind::kU8), "ff"},
      {"256", primitive(TypeKind::kU8), "refused"},
      {"-1", primitive(TypeKind::kU8), "refused"},
      {"-0", primitive(TypeKind::kU8), "00"},
      {"2.5e1", primitive(TypeKind::kU8), "19"},
      {"2.55e1", primitive(TypeKind::kU8), "refused"},
      {"5.", primitive(TypeKind::kU8), "05"},
      {"+5", primitive(TypeKind::kU8), "05"},
      {"1e999999999999", primitive(TypeKind::kU64), "refused"},
      {"0e999999999999", primitive(TypeKind::kU8), "00"},
      {"", primitive(TypeKind::kU8), "refused"},
      {".", primitive(TypeKind::kU8), "refused"},
      {"1e", primitive(TypeKind::kU8), "refused"},
      {" 1", primitive(TypeKind::kU8), "refused"},
      {"-170141183460469231731687303715884105728", primitive(TypeKind::kI128),
       "00000000000000000000000000000080"},
      {"340282366920938463463374607431768211456", primitive(TypeKind::kU128), "refused"},
      {"1e77", primitive(TypeKind::kI256), "refused"},
      {"1.0", primitive(TypeKind::kU256), "refused"},
      {"-1", primitive(TypeKind::kI256),
       "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
      {"true", AlgebraicType::boolean(), "refused"},
      {"abc", AlgebraicType::string(), "03000000616263"},
      {"", AlgebraicType::bytes(), "00000000"},
      {"0x0A", AlgebraicType::bytes(), "010000000a"},
      {"abc", AlgebraicType::bytes(), "refused"},
      {"000102030405060708090a0b0c0d0e0f", AlgebraicType::connection_id(),
       "0f0e0d0c0b0a09080706050403020100"},
      {"{01888d6e-5c00-7000-8000-000000000000}", AlgebraicType::uuid(),
       "000000000000008000700 05c6e8d8801"},
      {"urn:uuid:01888d6e-5c00-7000-8000-000000000000", AlgebraicType::uuid(),
       "000000000000008000700 05c6e8d8801"},
      {"01888d6e5c0070008000000000000000", AlgebraicType::uuid(),
       "000000000000008000700 05c6e8d8801"},
      {"01888d6e-5c0070008000000000000000", AlgebraicType::uuid(), "refused"},
      {"5", AlgebraicType::time_duration(), "refused"},
  };
  for (const LiteralCase& c : cases) {
    std::string expected = c.hex;
    std::erase(expected, ' ');
    EXPECT_EQ(hex_of(c.text, c.type), expected) << c.text << " as " << schema::print(c.type);
  }
}

double double_of(std::string_view text) {
  return load_le<double>(parse_literal(text, primitive(TypeKind::kF64))->data());
}
float float_of(std::string_view text) {
  return load_le<float>(parse_literal(text, primitive(TypeKind::kF32))->data());
}

TEST(Literal, RoundsFloatsAndLetsThemOverflow) {
  EXPECT_EQ(double_of("0.1"), 0.1);
  EXPECT_EQ(double_of("+5.e3"), 5000.0);
  EXPECT_EQ(double_of("1e400"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(double_of("-1e400"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(double_of("1e-400"), 0.0);
  EXPECT_TRUE(std::signbit(double_of("-0.0")));
  EXPECT_EQ(float_of("1e39"), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_of("3.4028235e38"), std::numeric_limits<float>::max());
  EXPECT_EQ(float_of("0.1"), static_cast<float>(0.1));
  EXPECT_EQ(hex_of("NaN", primitive(TypeKind::kF64)), "refused");
  EXPECT_EQ(hex_of("inf", primitive(TypeKind::kF64)), "refused");
}

TEST(Literal, ReadsTimestampsWithOffset) {
  EXPECT_EQ(parse_timestamp_micros("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_timestamp_micros("1969-12-31 23:59:59.999999z"), -1);
  EXPECT_EQ(parse_timestamp_micros("2025-02-17T11:30:45.123456789+01:00"), 1739788245123456);
  EXPECT_EQ(parse_timestamp_micros("2024-02-29t00:00:00-00:30"), 1709166600000000);
  for (const char* text : {"2025-02-17T10:30:45", "2023-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
                           "2025-02-17T10:30:45.Z", "2025-02-17T10:30Z", "2025-02-17", "", "5",
                           "2025-02-17T10:30:45Zx", "2025-02-17T24:00:00Z"})
    EXPECT_EQ(parse_timestamp_micros(text), std::nullopt) << text;
}

}  // namespace
}  // namespace worldline::query
