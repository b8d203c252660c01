// tests/schema/row_layout_test.cc: fixed and variable rows, offsets, the trailing rule, and keys of
// special shapes [S 05/1.3, S 01/1.5].
#include "schema/row_layout.h"

#include <limits>

#include <gtest/gtest.h>

#include "schema/bsatn.h"
#include "schema/key_encoding.h"
#include "schema/utf8.h"
#include "tests/schema/module_fixture.h"

namespace worldline::schema {
namespace {

RowLayout layout_of(ProductType type) {
  auto layout = RowLayout::compile(type);
  EXPECT_TRUE(layout.ok());
  return std::move(layout).value();
}

TEST(RowLayout, KnowsSizeAndOffsetsOfFixedRows) {
  const RowLayout layout = layout_of({{{"id", type_of(TypeKind::kU64)},
                                       {"at", AlgebraicType::schedule_at()},
                                       {"on", AlgebraicType::boolean()}}});
  EXPECT_EQ(layout.fixed_size(), 18u);
  EXPECT_EQ(layout.fixed_column_offset(ColumnId{2}), 17u);
  EXPECT_EQ(layout.fixed_column_size(ColumnId{1}), 9u);
  ByteBuffer row(18, 0);
  EXPECT_TRUE(layout.validate(row).ok());
  row[8] = 2;  // No such variant.
  EXPECT_EQ(layout.validate(row).status().message(), "unknown tag 0x2 for sum type <unknown>");
  row[8] = 1;
  row[17] = 7;
  EXPECT_EQ(layout.validate(row).status().message(), "byte 7 not valid as `bool` (must be 0 or 1)");
}

TEST(RowLayout, ChecksTagsBehindWhichPayloadsDiffer) {
  const AlgebraicType sum =
      AlgebraicType::sum({{{"a", AlgebraicType::boolean()}, {"b", type_of(TypeKind::kU8)}}});
  const RowLayout layout = layout_of({{{"s", sum}}});
  EXPECT_EQ(layout.fixed_size(), 2u);
  EXPECT_TRUE(layout.validate(ByteBuffer{1, 9}).ok());
  EXPECT_FALSE(layout.validate(ByteBuffer{0, 9}).ok());
}

TEST(RowLayout, RefusesBytesBehindFixedRowsAndIgnoresThemBehindVariableOnes) {
  const RowLayout fixed = layout_of({{{"id", type_of(TypeKind::kU16)}}});
  EXPECT_EQ(fixed.validate(ByteBuffer{1, 2, 3}).status().message(),
            "row has 3 bytes, but its type takes exactly 2");
  EXPECT_EQ(fixed.find_row_end(ByteBuffer{1, 2, 3}), 2u);
  const RowLayout variable = layout_of({{{"s", AlgebraicType::string()}}});
  EXPECT_EQ(*variable.validate(ByteBuffer{1, 0, 0, 0, 'a', 9, 9}), 5u);
}

TEST(RowLayout, OffsetsAreConstantUpToTheFirstVariableColumn) {
  const RowLayout layout = layout_of({{{"id", type_of(TypeKind::kU32)},
                                       {"name", AlgebraicType::string()},
                                       {"on", AlgebraicType::boolean()}}});
  EXPECT_FALSE(layout.fixed_size().has_value());
  EXPECT_EQ(layout.fixed_column_offset(ColumnId{1}), 4u);
  EXPECT_FALSE(layout.fixed_column_offset(ColumnId{2}).has_value());
  EXPECT_FALSE(layout.fixed_column_size(ColumnId{1}).has_value());
}

TEST(RowLayout, OfNoColumnsIsZeroBytes) {
  const RowLayout layout = layout_of({});
  EXPECT_EQ(layout.fixed_size(), 0u);
  EXPECT_TRUE(layout.validate({}).ok());
  EXPECT_FALSE(layout.validate(ByteBuffer{1}).ok());
}

TEST(RowLayout, AcceptsAnyNumberOfZeroSizeElementsAtOnce) {
  const RowLayout layout = layout_of({{{"u", AlgebraicType::array(AlgebraicType::unit())}}});
  EXPECT_EQ(*layout.validate(ByteBuffer{0xff, 0xff, 0xff, 0xff}), 4u);
}

TEST(RowLayout, HasNoRowsWithAColumnOfNoValues) {
  const RowLayout layout = layout_of({{{"n", AlgebraicType::never()}}});
  EXPECT_FALSE(layout.validate(ByteBuffer{0}).ok());
}

TEST(RowLayout, RefusesUnresolvedTypes) {
  EXPECT_FALSE(RowLayout::compile({{{"r", AlgebraicType::ref(0)}}}).ok());
}

template <typename Float>
ByteBuffer key_of(Float value, TypeKind kind) {
  ByteBuffer bytes, key;
  append_le(bytes, value);
  append_normalised_key(type_of(kind), bytes, key);
  return key;
}

TEST(NormalisedKey, TreatsZerosAsEqualAndNaNsAsOneAboveAll) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(key_of(0.0, TypeKind::kF64), key_of(-0.0, TypeKind::kF64));
  EXPECT_EQ(key_of(nan, TypeKind::kF64), key_of(-nan, TypeKind::kF64));
  EXPECT_LT(key_of(inf, TypeKind::kF64), key_of(nan, TypeKind::kF64));
  EXPECT_LT(key_of(-inf, TypeKind::kF64), key_of(-1e300, TypeKind::kF64));
  EXPECT_LT(key_of(-1.0, TypeKind::kF64), key_of(0.0, TypeKind::kF64));
  EXPECT_EQ(key_of(0.0F, TypeKind::kF32), key_of(-0.0F, TypeKind::kF32));
  EXPECT_LT(key_of(-1.0F, TypeKind::kF32), key_of(1e-45F, TypeKind::kF32));
}

TEST(NormalisedKey, OfATimestampIsAWord) {
  const RowLayout layout = layout_of({{{"t", AlgebraicType::timestamp()}}});
  const ColumnId column{0};
  const KeyEncoder encoder = KeyEncoder::compile(layout, {&column, 1});
  EXPECT_TRUE(encoder.is_word());
  const ByteBuffer minus_one(8, 0xff), zero(8, 0);
  EXPECT_LT(encoder.word_of_value(minus_one), encoder.word_of_value(zero));
}

TEST(Utf8, IsCheckedAtEveryOffsetOfAWord) {
  for (size_t offset = 0; offset < 20; ++offset) {
    std::string text(20, 'a');
    text[offset] = '\xff';
    EXPECT_FALSE(is_valid_utf8(as_bytes(text))) << offset;
    text.replace(offset, 1, "\xf4\x8f\xbf\xbf");  // U+10FFFF.
    EXPECT_TRUE(is_valid_utf8(as_bytes(text))) << offset;
    text.replace(offset, 4, "\xf4\x90\x80\x80");
    EXPECT_FALSE(is_valid_utf8(as_bytes(text))) << offset;
  }
}

TEST(Resolve, FailsWithTheSpecifiedTexts) {
  Typespace typespace;
  typespace.types = {AlgebraicType::option(AlgebraicType::ref(0)), AlgebraicType::ref(7)};
  EXPECT_EQ(resolve(AlgebraicType::ref(0), typespace).status().message(),
            "Found recursive type reference &0");
  EXPECT_EQ(resolve(AlgebraicType::ref(1), typespace).status().message(),
            "Type reference &7 out of bounds");
}

TEST(BsatnDecoding, OfDeepInputStopsAtTheLimit) {
  ByteBuffer type_bytes(1000, 3);  // Array of array of ...
  BsatnReader reader(type_bytes);
  EXPECT_EQ(decode_type(reader).status().code(), StatusCode::kTooLarge);
  Typespace typespace;  // 0 = option of itself
  typespace.types = {AlgebraicType::option(AlgebraicType::ref(0))};
  const ByteBuffer value(1000, 0);
  BsatnReader decoder(value), skipper(value);
  EXPECT_EQ(decode_value(AlgebraicType::ref(0), typespace, decoder).status().code(),
            StatusCode::kTooLarge);
  EXPECT_EQ(skip_value(AlgebraicType::ref(0), typespace, skipper).code(), StatusCode::kTooLarge);
}

}  // namespace
}  // namespace worldline::schema
