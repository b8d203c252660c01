// tests/schema/value_properties_test.cc: random types and values keep the laws of the codecs, of
// row layouts and of key order, each against a naive oracle where there is one.
#include <cmath>

#include <gtest/gtest.h>

#include "schema/bsatn.h"
#include "schema/key_encoding.h"
#include "schema/row_layout.h"
#include "schema/sats_json.h"
#include "tests/schema/random_values.h"

namespace worldline::schema {
namespace {

constexpr int kRounds = 2000;
constexpr int kDepth = 4;

ByteBuffer encoded(const AlgebraicValue& value) {
  ByteBuffer out;
  BsatnWriter writer(out);
  EXPECT_TRUE(encode_value(value, writer).ok());
  return out;
}

// NaN and infinities are printed as null and cannot come back.
bool has_non_finite(const AlgebraicValue& value) {
  if (const auto* sum = value.get_if<SumValue>()) return has_non_finite(*sum->value);
  if (const auto* f32 = value.get_if<float>()) return !std::isfinite(*f32);
  if (const auto* f64 = value.get_if<double>()) return !std::isfinite(*f64);
  const auto* product = value.get_if<ProductValue>();
  const auto* array = value.get_if<ArrayValue>();
  if (product == nullptr && array == nullptr) return false;
  for (const auto& element : product != nullptr ? product->elements : array->elements)
    if (has_non_finite(element)) return true;
  return false;
}

// The order of [S 01/1.5] on dynamic values, written as plainly as possible.
class NaiveOrder {
 public:
  static int compare(const AlgebraicValue& a, const AlgebraicValue& b) {
    return std::visit([&b](const auto& x) { return compare_to(x, b); }, a.storage());
  }

 private:
  template <typename T>
  static int compare_to(const T& x, const AlgebraicValue& b) {
    return compare_same(x, *b.get_if<T>());
  }
  template <typename T>
  static int sign(const T& a, const T& b) {
    return a < b ? -1 : b < a ? 1 : 0;
  }
  static int compare_lists(const std::vector<AlgebraicValue>& a,
                           const std::vector<AlgebraicValue>& b) {
    for (size_t i = 0; i < a.size() && i < b.size(); ++i)
      if (const int order = compare(a[i], b[i]); order != 0) return order;
    return sign(a.size(), b.size());
  }
  template <typename Float>
  static int compare_floats(Float a, Float b) {
    if (std::isnan(a) || std::isnan(b)) return int{std::isnan(a)} - int{std::isnan(b)};
    return sign(a, b);
  }
  static int compare_same(const SumValue& a, const SumValue& b) {
    return a.tag != b.tag ? sign(a.tag, b.tag) : compare(*a.value, *b.value);
  }
  static int compare_same(const ProductValue& a, const ProductValue& b) {
    return compare_lists(a.elements, b.elements);
  }
  static int compare_same(const ArrayValue& a, const ArrayValue& b) {
    return compare_lists(a.elements, b.elements);
  }
  static int compare_same(const Int256& a, const Int256& b) {
    if (a.bits.is_negative() != b.bits.is_negative()) return a.bits.is_negative() ? -1 : 1;
    return sign(a.bits, b.bits);
  }
  static int compare_same(float a, float b) { return compare_floats(a, b); }
  static int compare_same(double a, double b) { return compare_floats(a, b); }
  template <typename T>
  static int compare_same(const T& a, const T& b) {
    return sign(a, b);
  }
};

int sign_of(std::strong_ordering order) {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

TEST(ValueProperties, BytesDecodeToTheValueTheyEncode) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds; ++round) {
    const AlgebraicType type = random_type(prng, kDepth);
    SCOPED_TRACE(print(type));
    const AlgebraicValue value = random_value(prng, type);
    const ByteBuffer bytes = encoded(value);
    BsatnReader reader(bytes), skipper(bytes);
    const auto decoded = decode_value(type, Typespace::empty(), reader);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_TRUE(*decoded == value);
    ASSERT_TRUE(reader.at_end());
    ASSERT_TRUE(skip_value(type, Typespace::empty(), skipper).ok());
    ASSERT_TRUE(skipper.at_end());
  }
}

TEST(ValueProperties, TypesDecodeToTheTypeTheyEncode) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds; ++round) {
    const AlgebraicType type = random_type(prng, kDepth);
    ByteBuffer bytes;
    BsatnWriter writer(bytes);
    encode_type(type, writer);
    BsatnReader reader(bytes);
    const auto decoded = decode_type(reader);
    ASSERT_TRUE(decoded.ok());
    ASSERT_TRUE(*decoded == type) << print(type);
    std::string json;
    append_type_json(type, json);
    ByteBuffer parsed;
    const Status status = parse_json(json, meta_typespace().types[0], meta_typespace(), parsed);
    ASSERT_TRUE(status.ok()) << status.message() << " " << json;
    ASSERT_EQ(parsed, bytes);
  }
}

TEST(ValueProperties, JsonOfEachStyleComesBackAsTheSameBytes) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds; ++round) {
    const AlgebraicType type = random_type(prng, kDepth);
    const AlgebraicValue value = random_value(prng, type);
    const ByteBuffer bytes = encoded(value);
    for (const JsonStyle style : {JsonStyle::kUntyped, JsonStyle::kTyped, JsonStyle::kStoredRow}) {
      std::string json;
      const auto size = append_json(type, Typespace::empty(), bytes, style, json);
      ASSERT_TRUE(size.ok());
      ASSERT_EQ(*size, bytes.size());
      ByteBuffer parsed;
      const Status status = parse_json(json, type, Typespace::empty(), parsed);
      if (has_non_finite(value)) continue;
      ASSERT_TRUE(status.ok()) << status.message() << "\n" << print(type) << "\n" << json;
      ASSERT_EQ(to_hex(parsed), to_hex(bytes)) << print(type) << "\n" << json;
    }
  }
}

TEST(ValueProperties, RowLayoutsFindTheColumnsAndRefuseTruncation) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds; ++round) {
    ProductType row;
    std::vector<ByteBuffer> columns;
    ByteBuffer bytes;
    for (uint64_t i = 0; i < prng.below(6); ++i) {
      row.elements.push_back({"c" + std::to_string(i), random_type(prng, kDepth - 1)});
      columns.push_back(encoded(random_value(prng, row.elements.back().type)));
      append(bytes, columns.back());
    }
    SCOPED_TRACE(print(row));
    const auto layout = RowLayout::compile(row);
    ASSERT_TRUE(layout.ok());
    const auto size = layout->validate(bytes);
    ASSERT_TRUE(size.ok()) << size.status().message();
    ASSERT_EQ(*size, bytes.size());
    ASSERT_EQ(layout->row_size(bytes), bytes.size());
    if (layout->fixed_size()) {
      ASSERT_EQ(*layout->fixed_size(), bytes.size());
    }
    std::vector<uint32_t> offsets(columns.size() + 1);
    layout->split(bytes, offsets);
    for (uint16_t i = 0; i < columns.size(); ++i) {
      const Bytes column = layout->column(bytes, ColumnId{i});
      ASSERT_TRUE(equal(column, columns[i])) << i;
      ASSERT_EQ(offsets[i], static_cast<uint32_t>(column.data() - bytes.data()));
    }
    ASSERT_EQ(offsets.back(), bytes.size());
    if (!bytes.empty()) {
      ASSERT_FALSE(layout->find_row_end(Bytes(bytes).first(prng.below(bytes.size()))));
    }
  }
}

// The fast check agrees with the slow walk on damaged rows too.
TEST(ValueProperties, RowLayoutsAcceptExactlyWhatTheDecoderAccepts) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds * 4; ++round) {
    const ProductType row{{{"a", random_type(prng, 3)}, {"b", random_type(prng, 3)}}};
    ByteBuffer bytes;
    for (const auto& column : row.elements) append(bytes, encoded(random_value(prng, column.type)));
    if (bytes.empty()) continue;
    bytes[prng.below(bytes.size())] =
        static_cast<Byte>(prng.below(8) == 0 ? prng.next() : prng.below(4));
    const auto layout = RowLayout::compile(row);
    ASSERT_TRUE(layout.ok());
    BsatnReader reader(bytes);
    const Status slow = skip_value(row, Typespace::empty(), reader);
    const auto fast = layout->find_row_end(bytes);
    ASSERT_EQ(fast.has_value(), slow.ok()) << print(row) << " " << to_hex(bytes);
    if (fast) {
      ASSERT_EQ(*fast, reader.consumed());
    }
    BsatnReader decoder(bytes);
    const Status decoded =
        decode_value(AlgebraicType::product(row), Typespace::empty(), decoder).status();
    // Only the decoder minds millions of elements that take no bytes.
    if (decoded.code() == StatusCode::kTooLarge) continue;
    ASSERT_EQ(decoded.ok(), slow.ok());
  }
}

TEST(ValueProperties, NormalisedKeysOrderAsValuesDo) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds * 4; ++round) {
    const AlgebraicType type = random_type(prng, 3);
    const AlgebraicValue a = random_value(prng, type);
    const AlgebraicValue b = prng.chance(8) ? a : random_value(prng, type);
    const ByteBuffer bytes_a = encoded(a), bytes_b = encoded(b);
    ByteBuffer key_a, key_b;
    ASSERT_EQ(append_normalised_key(type, bytes_a, key_a), bytes_a.size());
    ASSERT_EQ(append_normalised_key(type, bytes_b, key_b), bytes_b.size());
    const int expected = NaiveOrder::compare(a, b);
    ASSERT_EQ(sign_of(compare_bsatn(type, bytes_a, bytes_b)), expected) << print(type);
    ASSERT_EQ(key_a < key_b   ? -1
              : key_b < key_a ? 1
                              : 0,
              expected)
        << print(type) << " " << to_hex(key_a) << " " << to_hex(key_b);
  }
}

TEST(ValueProperties, KeysOfSeveralColumnsOrderColumnByColumn) {
  Prng prng(test_seed());
  for (int round = 0; round < kRounds; ++round) {
    const ProductType row{
        {{"a", random_type(prng, 2)}, {"b", random_type(prng, 2)}, {"c", random_type(prng, 2)}}};
    const auto layout = RowLayout::compile(row);
    ASSERT_TRUE(layout.ok());
    const std::vector<ColumnId> columns = {ColumnId{2}, ColumnId{0}};
    const KeyEncoder encoder = KeyEncoder::compile(*layout, columns);
    const AlgebraicType type = AlgebraicType::product(row);
    const AlgebraicValue values[2] = {random_value(prng, type), random_value(prng, type)};
    ByteBuffer rows[2], keys[2];
    for (int i = 0; i < 2; ++i) {
      rows[i] = encoded(values[i]);
      encoder.append_row_key(*layout, rows[i], keys[i]);
      if (encoder.fixed_size()) {
        ASSERT_EQ(keys[i].size(), *encoder.fixed_size());
      }
      ByteBuffer by_part;
      for (size_t part = 0; part < 2; ++part)
        encoder.append_part(part, layout->column(rows[i], columns[part]), by_part);
      ASSERT_EQ(by_part, keys[i]);
    }
    for (const ByteBuffer& key : keys) {
      ASSERT_EQ(encoder.is_row_key(*layout, rows[0], key), key == keys[0]);
      if (!key.empty()) {
        ASSERT_FALSE(encoder.is_row_key(*layout, rows[0], Bytes(key).first(key.size() - 1)));
      }
      ByteBuffer longer = key;
      longer.push_back(0);
      ASSERT_FALSE(encoder.is_row_key(*layout, rows[0], longer));
    }
    int expected = 0;
    for (const ColumnId column : columns)
      if (expected == 0)
        expected = NaiveOrder::compare(values[0].get_if<ProductValue>()->elements[column.value],
                                       values[1].get_if<ProductValue>()->elements[column.value]);
    ASSERT_EQ(keys[0] < keys[1] ? -1 : keys[1] < keys[0] ? 1 : 0, expected);
  }
}

TEST(ValueProperties, WordKeysOrderLikeTheirBytes) {
  Prng prng(test_seed());
  for (const TypeKind kind :
       {TypeKind::kBool, TypeKind::kI8, TypeKind::kU8, TypeKind::kI16, TypeKind::kU16,
        TypeKind::kI32, TypeKind::kU32, TypeKind::kI64, TypeKind::kU64}) {
    const AlgebraicType type = AlgebraicType::primitive(kind);
    const auto layout = RowLayout::compile({{{"a", type}}});
    const ColumnId column{0};
    const KeyEncoder encoder = KeyEncoder::compile(*layout, {&column, 1});
    ASSERT_TRUE(encoder.is_word());
    for (int round = 0; round < 200; ++round) {
      const AlgebraicValue a = random_value(prng, type), b = random_value(prng, type);
      const uint64_t word_a = encoder.word_of_row(*layout, encoded(a));
      const uint64_t word_b = encoder.word_of_value(encoded(b));
      ASSERT_EQ(word_a < word_b ? -1 : word_b < word_a ? 1 : 0, NaiveOrder::compare(a, b));
    }
  }
}

}  // namespace
}  // namespace worldline::schema
