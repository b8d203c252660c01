// query/condition.h
//
// Conditions after names and types are settled: comparisons of columns with BSATN constants or
// other columns, combined by AND and OR.
//
// Invariants: nodes live in a pool, children before parents. In kCompareConstant the column is on
// the left; in kCompareColumns the smaller slot is. Constants are whole BSATN values of the
// column's type. AND and OR are flattened, their children sorted by encoding and distinct, so
// equal meaning up to order of terms gives equal encodings (encode_condition).
// Ownership: plain values. Thread: any.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "query/scalar.h"
#include "query/sql_ast.h"

namespace worldline::query {

// A column of one of the query's relations, which are numbered in order of FROM.
struct ColumnSlot {
  uint16_t relation = 0;
  ColumnId column;
  friend constexpr auto operator<=>(const ColumnSlot&, const ColumnSlot&) = default;
};

using ConditionId = uint32_t;

struct Condition {
  enum class Kind : uint8_t {
    kConstant,           // `truth`.
    kBoolColumn,         // `left` is true.
    kCompareConstant,    // `left` op `constant`.
    kCompareColumns,     // `left` op `right`.
    kCompareConditions,  // children[0] op children[1], as Bools.
    kAnd,
    kOr,
  };
  Kind kind = Kind::kConstant;
  bool truth = false;
  ast::CompareOp op = ast::CompareOp::kEq;
  ScalarKind scalar = ScalarKind::kBool;
  ColumnSlot left, right;
  ByteBuffer constant;
  std::vector<ConditionId> children;
  uint64_t relations = 0;  // Bit i: relation i is read.
};

class ConditionPool {
 public:
  const Condition& operator[](ConditionId id) const { return nodes_[id]; }

  ConditionId add_constant(bool truth);
  ConditionId add_bool_column(ColumnSlot column);
  ConditionId add_compare_constant(ColumnSlot column, ast::CompareOp op, ScalarKind scalar,
                                   ByteBuffer constant);
  ConditionId add_compare_columns(ColumnSlot left, ast::CompareOp op, ScalarKind scalar,
                                  ColumnSlot right);
  ConditionId add_compare_conditions(ConditionId left, ast::CompareOp op, ConditionId right);
  // `kind` is kAnd or kOr. Children of the same kind are taken over; one child is returned as is.
  ConditionId add_junction(Condition::Kind kind, const std::vector<ConditionId>& children);

  // Appends a form that is equal for equal conditions.
  void encode(ConditionId id, ByteBuffer& out) const;

  size_t size() const { return nodes_.size(); }

 private:
  ConditionId push(Condition condition);
  // Shortest unambiguous form of one node; children are shown by their own encodings.
  void encode_leaf(const Condition& condition, ByteBuffer& out) const;

  std::vector<Condition> nodes_;
  std::vector<ByteBuffer> encodings_;  // Of each node.
};

}  // namespace worldline::query
