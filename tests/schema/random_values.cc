#include "tests/schema/random_values.h"

#include <bit>
#include <cstdio>
#include <cstdlib>

namespace worldline::schema {
namespace {

UInt256 random_bits(Prng& prng) {
  UInt256 bits;
  // Small numbers, all ones and random ones, so that signs and ties occur.
  const uint64_t shape = prng.below(4);
  for (auto& word : bits.words) word = shape == 0 ? 0 : shape == 1 ? ~uint64_t{0} : prng.next();
  if (shape < 2) bits.words[0] ^= prng.below(4);
  return bits;
}

double random_double(Prng& prng) {
  constexpr double kSpecial[] = {0.0, -0.0, 1.0, -1.0, 0.1, 1e300, -1e-300, 5e-324};
  if (prng.chance(2)) return kSpecial[prng.below(std::size(kSpecial))];
  return std::bit_cast<double>(prng.next());
}

float random_float(Prng& prng) {
  constexpr float kSpecial[] = {0.0F, -0.0F, 1.0F, -1.0F, 0.1F, 1e30F, 1e-45F};
  if (prng.chance(2)) return kSpecial[prng.below(std::size(kSpecial))];
  return std::bit_cast<float>(static_cast<uint32_t>(prng.next()));
}

std::string random_text(Prng& prng) {
  static const std::string kPieces[] = {
      "a",  "b", std::string(1, '\0'), "\x01", "\xc3\xa9", "\xf0\x9f\x8d\x8c", "\"", "\\",
      "\n", "z"};
  std::string out;
  for (uint64_t left = prng.below(5); left > 0; --left)
    out += kPieces[prng.below(std::size(kPieces))];
  return out;
}

std::string member_name(uint64_t i) {
  return "m" + std::string(1, static_cast<char>('a' + i));
}

AlgebraicValue random_primitive(Prng& prng, TypeKind kind) {
  const UInt256 bits = random_bits(prng);
  const auto low = static_cast<UInt128>(bits.words[0]) | static_cast<UInt128>(bits.words[1]) << 64;
  switch (kind) {
    case TypeKind::kString:
      return AlgebraicValue(random_text(prng));
    case TypeKind::kBool:
      return AlgebraicValue(prng.chance(2));
    case TypeKind::kI8:
      return AlgebraicValue(static_cast<int8_t>(low));
    case TypeKind::kU8:
      return AlgebraicValue(static_cast<uint8_t>(low));
    case TypeKind::kI16:
      return AlgebraicValue(static_cast<int16_t>(low));
    case TypeKind::kU16:
      return AlgebraicValue(static_cast<uint16_t>(low));
    case TypeKind::kI32:
      return AlgebraicValue(static_cast<int32_t>(low));
    case TypeKind::kU32:
      return AlgebraicValue(static_cast<uint32_t>(low));
    case TypeKind::kI64:
      return AlgebraicValue(static_cast<int64_t>(low));
    case TypeKind::kU64:
      return AlgebraicValue(static_cast<uint64_t>(low));
    case TypeKind::kI128:
      return AlgebraicValue(static_cast<Int128>(low));
    case TypeKind::kU128:
      return AlgebraicValue(low);
    case TypeKind::kI256:
      return AlgebraicValue(Int256{bits});
    case TypeKind::kU256:
      return AlgebraicValue(bits);
    case TypeKind::kF32:
      return AlgebraicValue(random_float(prng));
    case TypeKind::kF64:
    default:
      return AlgebraicValue(random_double(prng));
  }
}

}  // namespace

uint64_t test_seed() {
  const char* given = std::getenv("WL_TEST_SEED");
  const uint64_t seed = given == nullptr ? 20250217 : std::strtoull(given, nullptr, 10);
  std::printf("seed %llu; repeat with WL_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed));
  return seed;
}

AlgebraicType random_type(Prng& prng, int depth) {
  const uint64_t primitives = kTypeKindCount - static_cast<uint64_t>(TypeKind::kString);
  if (depth == 0 || prng.chance(2)) {
    const uint64_t kind = static_cast<uint64_t>(TypeKind::kString) + prng.below(primitives);
    return AlgebraicType::primitive(static_cast<TypeKind>(kind));
  }
  switch (prng.below(5)) {
    case 0:
      return AlgebraicType::array(random_type(prng, depth - 1));
    case 1:
      return AlgebraicType::option(random_type(prng, depth - 1));
    case 2:
      return prng.chance(2) ? AlgebraicType::timestamp() : AlgebraicType::schedule_at();
    case 3: {
      SumType sum;
      for (uint64_t i = 0; i < 1 + prng.below(4); ++i)
        sum.variants.push_back({member_name(i), random_type(prng, depth - 1)});
      return AlgebraicType::sum(std::move(sum));
    }
    default: {
      ProductType product;
      const uint64_t count = prng.below(4);
      for (uint64_t i = 0; i < count; ++i)
        product.elements.push_back({member_name(i), random_type(prng, depth - 1)});
      return AlgebraicType::product(std::move(product));
    }
  }
}

AlgebraicValue random_value(Prng& prng, const AlgebraicType& type) {
  if (type.kind() >= TypeKind::kString) return random_primitive(prng, type.kind());
  if (type.is_sum()) {
    const auto& variants = type.as_sum().variants;
    const uint64_t tag = prng.below(variants.size());
    return AlgebraicValue::sum(static_cast<uint8_t>(tag), random_value(prng, variants[tag].type));
  }
  if (type.is_product()) {
    std::vector<AlgebraicValue> elements;
    for (const auto& element : type.as_product().elements)
      elements.push_back(random_value(prng, element.type));
    return AlgebraicValue::product(std::move(elements));
  }
  const uint64_t count = prng.below(4);
  if (type.is_bytes()) {
    ByteBuffer bytes;
    for (uint64_t i = 0; i < count; ++i)
      bytes.push_back(prng.chance(2) ? 0 : static_cast<Byte>(prng.next()));
    return AlgebraicValue(std::move(bytes));
  }
  std::vector<AlgebraicValue> elements;
  for (uint64_t i = 0; i < count; ++i) elements.push_back(random_value(prng, type.element()));
  return AlgebraicValue::array(std::move(elements));
}

}  // namespace worldline::schema
