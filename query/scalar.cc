#include "query/scalar.h"

#include <algorithm>
#include <cmath>

#include "base/wide_int.h"

namespace worldline::query {
namespace {

template <typename T>
int compare_numbers(Bytes a, Bytes b) {
  const T left = load_le<T>(a.data());
  const T right = load_le<T>(b.data());
  return left < right ? -1 : (right < left ? 1 : 0);
}

template <typename T>
int compare_floats(Bytes a, Bytes b) {
  const T left = load_le<T>(a.data());
  const T right = load_le<T>(b.data());
  if (std::isnan(left) || std::isnan(right))
    return static_cast<int>(std::isnan(left)) - static_cast<int>(std::isnan(right));
  return left < right ? -1 : (right < left ? 1 : 0);
}

int compare_signed_256(Bytes a, Bytes b) {
  auto left = load_le<UInt256>(a.data());
  auto right = load_le<UInt256>(b.data());
  constexpr uint64_t kSign = uint64_t{1} << 63;
  left.words[3] ^= kSign;
  right.words[3] ^= kSign;
  return left < right ? -1 : (right < left ? 1 : 0);
}

int compare_texts(Bytes a, Bytes b) {
  const size_t common = std::min(a.size(), b.size());
  // The first four bytes are the length; what follows is compared, the shorter prefix first.
  const int order = std::memcmp(a.data() + 4, b.data() + 4, common - 4);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 32)) * 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9;
  return value ^ (value >> 32);
}

uint64_t hash_bytes(Bytes value) {
  uint64_t hash = value.size();
  size_t i = 0;
  for (; i + 8 <= value.size(); i += 8) hash = mix(hash ^ load_le<uint64_t>(value.data() + i));
  uint64_t tail = 0;
  if (i < value.size()) std::memcpy(&tail, value.data() + i, value.size() - i);
  return mix(hash ^ tail);
}

template <typename T>
uint64_t hash_float(Bytes value) {
  const T number = load_le<T>(value.data());
  if (std::isnan(number)) return mix(0x7ff8);
  if (number == 0) return mix(0);
  return hash_bytes(value);
}

}  // namespace

std::optional<ScalarKind> scalar_kind(const schema::AlgebraicType& type) {
  using schema::TypeKind;
  if (type.is_bytes() || type.is_string()) return ScalarKind::kText;
  if (type.is_identity()) return ScalarKind::kU256;
  if (type.is_connection_id() || type.is_uuid()) return ScalarKind::kU128;
  if (type.is_timestamp()) return ScalarKind::kI64;
  if (type.kind() < TypeKind::kBool) return std::nullopt;
  // Bool to F64 are in the same order in both enumerations.
  static_assert(static_cast<int>(TypeKind::kF64) - static_cast<int>(TypeKind::kBool) ==
                static_cast<int>(ScalarKind::kF64) - static_cast<int>(ScalarKind::kBool));
  return static_cast<ScalarKind>(static_cast<int>(type.kind()) - static_cast<int>(TypeKind::kBool));
}

int compare_scalars(ScalarKind kind, Bytes a, Bytes b) {
  switch (kind) {
    case ScalarKind::kBool:
    case ScalarKind::kU8:
      return compare_numbers<uint8_t>(a, b);
    case ScalarKind::kI8:
      return compare_numbers<int8_t>(a, b);
    case ScalarKind::kI16:
      return compare_numbers<int16_t>(a, b);
    case ScalarKind::kU16:
      return compare_numbers<uint16_t>(a, b);
    case ScalarKind::kI32:
      return compare_numbers<int32_t>(a, b);
    case ScalarKind::kU32:
      return compare_numbers<uint32_t>(a, b);
    case ScalarKind::kI64:
      return compare_numbers<int64_t>(a, b);
    case ScalarKind::kU64:
      return compare_numbers<uint64_t>(a, b);
    case ScalarKind::kI128:
      return compare_numbers<Int128>(a, b);
    case ScalarKind::kU128:
      return compare_numbers<UInt128>(a, b);
    case ScalarKind::kI256:
      return compare_signed_256(a, b);
    case ScalarKind::kU256:
      return compare_numbers<UInt256>(a, b);
    case ScalarKind::kF32:
      return compare_floats<float>(a, b);
    case ScalarKind::kF64:
      return compare_floats<double>(a, b);
    case ScalarKind::kText:
      return compare_texts(a, b);
  }
  return 0;
}

uint64_t hash_scalar(ScalarKind kind, Bytes value) {
  if (kind == ScalarKind::kF32) return hash_float<float>(value);
  if (kind == ScalarKind::kF64) return hash_float<double>(value);
  return hash_bytes(value);
}

}  // namespace worldline::query
