#include "query/predicate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace worldline::query {

ColumnReader::ColumnReader(const BoundQuery& query, ColumnSlot slot)
    : layout_(&query.relations[slot.relation].schema->layout),
      relation_(slot.relation),
      column_(slot.column) {
  const auto offset = layout_->fixed_column_offset(slot.column);
  const auto size = layout_->fixed_column_size(slot.column);
  if (!offset || !size) return;
  offset_ = *offset;
  size_ = *size;
}

bool Predicate::Test::holds(const Bytes* rows) const {
  const Bytes a = left.read(rows);
  const Bytes b = has_constant ? Bytes(constant) : right.read(rows);
  if (op == ast::CompareOp::kEq) return scalars_equal(scalar, a, b);
  return query::holds(op, compare_scalars(scalar, a, b));
}

Predicate::Test Predicate::make_test(const BoundQuery& query, const Condition& condition) {
  Test test;
  test.left = ColumnReader(query, condition.left);
  test.op = condition.op;
  test.scalar = condition.scalar;
  switch (condition.kind) {
    case Condition::Kind::kBoolColumn:
      test.constant = {1};
      break;
    case Condition::Kind::kCompareConstant:
      test.constant = condition.constant;
      break;
    case Condition::Kind::kCompareColumns:
      test.right = ColumnReader(query, condition.right);
      test.has_constant = false;
      break;
    case Condition::Kind::kConstant:
    case Condition::Kind::kCompareConditions:
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      WL_CHECK(false);
  }
  return test;
}

Predicate Predicate::compile(const BoundQuery& query, std::span<const ConditionId> terms) {
  Predicate predicate;
  for (const ConditionId term : terms) {
    const Condition& condition = query.pool[term];
    switch (condition.kind) {
      case Condition::Kind::kBoolColumn:
      case Condition::Kind::kCompareConstant:
      case Condition::Kind::kCompareColumns:
        predicate.tests_.push_back(make_test(query, condition));
        break;
      case Condition::Kind::kConstant:
        if (condition.truth) break;
        [[fallthrough]];
      case Condition::Kind::kCompareConditions:
      case Condition::Kind::kAnd:
      case Condition::Kind::kOr:
        WL_CHECK(predicate.emit(query, term) <= kStackMax);
        predicate.programs_.push_back(static_cast<uint32_t>(predicate.steps_.size()));
        break;
    }
  }
  return predicate;
}

size_t Predicate::emit(const BoundQuery& query, ConditionId id) {
  const Condition& condition = query.pool[id];
  switch (condition.kind) {
    case Condition::Kind::kConstant:
      steps_.push_back({Step::Op::kConstant, ast::CompareOp::kEq, condition.truth ? 1U : 0U});
      return 1;
    case Condition::Kind::kBoolColumn:
    case Condition::Kind::kCompareConstant:
    case Condition::Kind::kCompareColumns:
      steps_.push_back(
          {Step::Op::kTest, ast::CompareOp::kEq, static_cast<uint32_t>(program_tests_.size())});
      program_tests_.push_back(make_test(query, condition));
      return 1;
    case Condition::Kind::kCompareConditions: {
      const size_t left = emit(query, condition.children[0]);
      const size_t right = emit(query, condition.children[1]);
      steps_.push_back({Step::Op::kCompare, condition.op, 0});
      return std::max(left, right + 1);
    }
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      return emit_junction(query, condition);
  }
  return 0;
}

size_t Predicate::emit_junction(const BoundQuery& query, const Condition& condition) {
  const Step::Op leave =
      condition.kind == Condition::Kind::kAnd ? Step::Op::kJumpIfFalse : Step::Op::kJumpIfTrue;
  size_t stack = 0;
  std::vector<size_t> jumps;
  for (size_t i = 0; i < condition.children.size(); ++i) {
    if (i > 0) {
      jumps.push_back(steps_.size());
      steps_.push_back({leave, ast::CompareOp::kEq, 0});
      steps_.push_back({Step::Op::kPop, ast::CompareOp::kEq, 0});
    }
    stack = std::max(stack, emit(query, condition.children[i]));
  }
  for (const size_t jump : jumps) steps_[jump].argument = static_cast<uint32_t>(steps_.size());
  return stack;
}

bool Predicate::run_programs(const Bytes* rows) const {
  uint32_t begin = 0;
  for (const uint32_t end : programs_) {
    if (!run(begin, end, rows)) return false;
    begin = end;
  }
  return true;
}

bool Predicate::run(uint32_t begin, uint32_t end, const Bytes* rows) const {
  std::array<bool, kStackMax> stack;
  size_t top = 0;  // Number of values; steps never underflow by construction.
  for (uint32_t i = begin; i < end; ++i) {
    const Step& step = steps_[i];
    switch (step.op) {
      case Step::Op::kTest:
        stack[top++] = program_tests_[step.argument].holds(rows);
        break;
      case Step::Op::kConstant:
        stack[top++] = step.argument != 0;
        break;
      case Step::Op::kJumpIfFalse:
        if (!stack[top - 1]) i = step.argument - 1;
        break;
      case Step::Op::kJumpIfTrue:
        if (stack[top - 1]) i = step.argument - 1;
        break;
      case Step::Op::kPop:
        --top;
        break;
      case Step::Op::kCompare: {
        const int order = static_cast<int>(stack[top - 2]) - static_cast<int>(stack[top - 1]);
        --top;
        stack[top - 1] = query::holds(step.compare, order);
        break;
      }
    }
  }
  return stack[0];
}

}  // namespace worldline::query
