#include "schema/algebraic_value.h"

#include <bit>

#include "base/check.h"

namespace worldline::schema {

bool operator==(const SumValue& a, const SumValue& b) {
  return a.tag == b.tag && *a.value == *b.value;
}

AlgebraicValue AlgebraicValue::sum(uint8_t tag, AlgebraicValue value) {
  return AlgebraicValue(SumValue{tag, std::make_shared<const AlgebraicValue>(std::move(value))});
}

AlgebraicValue AlgebraicValue::product(std::vector<AlgebraicValue> elements) {
  return AlgebraicValue(ProductValue{std::move(elements)});
}

AlgebraicValue AlgebraicValue::array(std::vector<AlgebraicValue> elements) {
  return AlgebraicValue(ArrayValue{std::move(elements)});
}

TypeKind AlgebraicValue::kind() const {
  static_assert(std::variant_size_v<Storage> == kTypeKindCount);
  if (std::holds_alternative<ByteBuffer>(storage_)) return TypeKind::kArray;
  return static_cast<TypeKind>(storage_.index() + 1);
}

bool operator==(const AlgebraicValue& a, const AlgebraicValue& b) {
  const auto* f32 = a.get_if<float>();
  if (f32 != nullptr && b.get_if<float>() != nullptr)
    return std::bit_cast<uint32_t>(*f32) == std::bit_cast<uint32_t>(*b.get_if<float>());
  const auto* f64 = a.get_if<double>();
  if (f64 != nullptr && b.get_if<double>() != nullptr)
    return std::bit_cast<uint64_t>(*f64) == std::bit_cast<uint64_t>(*b.get_if<double>());
  return a.storage_ == b.storage_;
}

}  // namespace worldline::schema
