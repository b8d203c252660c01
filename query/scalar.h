// query/scalar.h
//
// Comparison of column bytes without decoding them: ScalarKind says how the BSATN of a comparable
// column is ordered [S 06/1.9, 1.14].
//
// Invariants: the order is that of index keys [S 01/1.5]: floats in total order, all NaN equal and
// above infinity, -0 equal to +0; strings and byte arrays bytewise.
// Thread: pure functions. REQUIRES of all: the bytes are valid BSATN of the kind, whole value.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "query/sql_ast.h"
#include "schema/algebraic_type.h"

namespace worldline::query {

enum class ScalarKind : uint8_t {
  kBool,
  kI8,
  kU8,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,  // Also Timestamp.
  kU64,
  kI128,
  kU128,  // Also ConnectionId and Uuid.
  kI256,
  kU256,  // Also Identity.
  kF32,
  kF64,
  kText,  // Length and bytes: String and Array<U8>.
};

// nullopt: values of this type cannot be compared in SQL.
std::optional<ScalarKind> scalar_kind(const schema::AlgebraicType& type);

inline bool is_float(ScalarKind kind) {
  return kind == ScalarKind::kF32 || kind == ScalarKind::kF64;
}

// Negative, zero or positive.
int compare_scalars(ScalarKind kind, Bytes a, Bytes b);

inline bool scalars_equal(ScalarKind kind, Bytes a, Bytes b) {
  return is_float(kind) ? compare_scalars(kind, a, b) == 0 : equal(a, b);
}

inline bool holds(ast::CompareOp op, int order) {
  switch (op) {
    case ast::CompareOp::kEq:
      return order == 0;
    case ast::CompareOp::kNe:
      return order != 0;
    case ast::CompareOp::kLt:
      return order < 0;
    case ast::CompareOp::kLe:
      return order <= 0;
    case ast::CompareOp::kGt:
      return order > 0;
    case ast::CompareOp::kGe:
      return order >= 0;
  }
  return false;
}

// A hash under which equal scalars collide.
uint64_t hash_scalar(ScalarKind kind, Bytes value);

}  // namespace worldline::query
