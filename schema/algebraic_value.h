// schema/algebraic_value.h
//
// AlgebraicValue is a value with its kind, for cold paths only: SQL literals, defaults, error texts
// and tests. Rows never become one; hot paths work on BSATN bytes (row_layout.h).
//
// Invariants: an array of U8 is always held as bytes, never as a list of values, so equal values
// are equal representations. Ownership and thread: a plain value. Errors: none here.
// Sources: [S 01/1.1].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/wide_int.h"
#include "schema/algebraic_type.h"

namespace worldline::schema {

class AlgebraicValue;

// A bit pattern read as signed.
struct Int256 {
  UInt256 bits;
  friend bool operator==(const Int256&, const Int256&) = default;
};

struct SumValue {
  uint8_t tag = 0;
  std::shared_ptr<const AlgebraicValue> value;  // Never null.
  friend bool operator==(const SumValue& a, const SumValue& b);
};

struct ProductValue {
  std::vector<AlgebraicValue> elements;
  friend bool operator==(const ProductValue&, const ProductValue&) = default;
};

struct ArrayValue {
  std::vector<AlgebraicValue> elements;
  friend bool operator==(const ArrayValue&, const ArrayValue&) = default;
};

class AlgebraicValue {
 public:
  // Alternative i has kind i + 1; the last one is the array of U8.
  using Storage = std::variant<SumValue, ProductValue, ArrayValue, std::string, bool, int8_t,
                               uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t,
                               Int128, UInt128, Int256, UInt256, float, double, ByteBuffer>;

  AlgebraicValue() : storage_(ProductValue{}) {}  // Unit.
  template <typename T>
  explicit AlgebraicValue(T value) : storage_(std::in_place_type<T>, std::move(value)) {}

  static AlgebraicValue unit() { return {}; }
  static AlgebraicValue sum(uint8_t tag, AlgebraicValue value);
  static AlgebraicValue product(std::vector<AlgebraicValue> elements);
  static AlgebraicValue array(std::vector<AlgebraicValue> elements);  // REQUIRES: not of U8.
  static AlgebraicValue some(AlgebraicValue value) { return sum(0, std::move(value)); }
  static AlgebraicValue none() { return sum(1, unit()); }

  TypeKind kind() const;  // Never kRef.
  const Storage& storage() const { return storage_; }

  // Null if the value is of another alternative.
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&storage_);
  }

  // Bitwise for floats: NaN equals the same NaN. For order use compare_bsatn.
  friend bool operator==(const AlgebraicValue& a, const AlgebraicValue& b);

 private:
  Storage storage_;
};

}  // namespace worldline::schema
