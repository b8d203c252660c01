// query/predicate.h
//
// A conjunction of conditions compiled to run on raw rows: column bytes are compared with constants
// or with other columns in place, without dynamic values and without allocation.
//
// The idea: nearly every WHERE clause is a list of simple comparisons, kept as `tests_` and run one
// after the other. Anything with OR becomes a small postfix program over a stack of Bools, with
// jumps that leave an AND or OR as soon as its value is known.
//
// Invariants: frozen once compiled; the stack never grows beyond kStackMax (checked when compiled).
// Ownership: borrows the row layouts of the query's schemas, which must outlive it.
// Thread: any. Errors: none; rows must be valid.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "query/bound_query.h"
#include "schema/row_layout.h"

namespace worldline::query {

// Where a column lies, found once.
class ColumnReader {
 public:
  ColumnReader() = default;
  ColumnReader(const BoundQuery& query, ColumnSlot slot);

  Bytes read(const Bytes* rows) const { return read_row(rows[relation_]); }
  Bytes read_row(Bytes row) const {
    if (size_ != 0) return row.subspan(offset_, size_);
    return layout_->column(row, column_);
  }
  uint16_t relation() const { return relation_; }

 private:
  const schema::RowLayout* layout_ = nullptr;  // Borrowed.
  uint32_t offset_ = 0;
  uint32_t size_ = 0;  // 0: not at a fixed place.
  uint16_t relation_ = 0;
  ColumnId column_;
};

class Predicate {
 public:
  Predicate() = default;  // Always true.
  static Predicate compile(const BoundQuery& query, std::span<const ConditionId> terms);

  bool always_true() const { return tests_.empty() && programs_.empty(); }

  // `rows[i]` is the row of relation i, for every relation the terms read.
  bool matches(const Bytes* rows) const {
    for (const Test& test : tests_)
      if (!test.holds(rows)) return false;
    return programs_.empty() || run_programs(rows);
  }

 private:
  static constexpr size_t kStackMax = 256;

  struct Test {
    ColumnReader left, right;
    ByteBuffer constant;
    ast::CompareOp op = ast::CompareOp::kEq;
    ScalarKind scalar = ScalarKind::kBool;
    bool has_constant = true;

    bool holds(const Bytes* rows) const;
  };
  struct Step {
    enum class Op : uint8_t { kTest, kConstant, kJumpIfFalse, kJumpIfTrue, kPop, kCompare };
    Op op = Op::kTest;
    ast::CompareOp compare = ast::CompareOp::kEq;
    uint32_t argument = 0;  // Test number, truth, or jump target.
  };

  static Test make_test(const BoundQuery& query, const Condition& condition);
  size_t emit(const BoundQuery& query, ConditionId id);  // Returns the stack it needs.
  size_t emit_junction(const BoundQuery& query, const Condition& condition);
  bool run_programs(const Bytes* rows) const;
  bool run(uint32_t begin, uint32_t end, const Bytes* rows) const;

  std::vector<Test> tests_;
  std::vector<Test> program_tests_;
  std::vector<Step> steps_;
  std::vector<uint32_t> programs_;  // Ends of the programs in steps_.
};

}  // namespace worldline::query
