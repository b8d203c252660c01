#include "query/condition.h"

#include <algorithm>
#include <utility>

#include "schema/hash.h"

namespace worldline::query {
namespace {

constexpr size_t kEncodingBytesMax = 1024;
constexpr Byte kHashed = 0xff;  // Not a Condition::Kind.

uint64_t relation_bit(ColumnSlot slot) {
  return uint64_t{1} << slot.relation;
}

void encode_slot(ColumnSlot slot, ByteBuffer& out) {
  append_le(out, slot.relation);
  append_le(out, slot.column.value);
}

}  // namespace

ConditionId ConditionPool::push(Condition condition) {
  ByteBuffer encoding;
  encode_leaf(condition, encoding);
  if (encoding.size() > kEncodingBytesMax) {
    // Deep chains would otherwise cost the square of their length.
    const schema::Hash256 hash = schema::blake3(encoding);
    encoding.assign(1, kHashed);
    append(encoding, hash.bytes);
  }
  nodes_.push_back(std::move(condition));
  encodings_.push_back(std::move(encoding));
  return static_cast<ConditionId>(nodes_.size() - 1);
}

ConditionId ConditionPool::add_constant(bool truth) {
  Condition condition;
  condition.truth = truth;
  return push(std::move(condition));
}

ConditionId ConditionPool::add_bool_column(ColumnSlot column) {
  Condition condition;
  condition.kind = Condition::Kind::kBoolColumn;
  condition.left = column;
  condition.relations = relation_bit(column);
  return push(std::move(condition));
}

ConditionId ConditionPool::add_compare_constant(ColumnSlot column, ast::CompareOp op,
                                                ScalarKind scalar, ByteBuffer constant) {
  Condition condition;
  condition.kind = Condition::Kind::kCompareConstant;
  condition.left = column;
  condition.op = op;
  condition.scalar = scalar;
  condition.constant = std::move(constant);
  condition.relations = relation_bit(column);
  return push(std::move(condition));
}

ConditionId ConditionPool::add_compare_columns(ColumnSlot left, ast::CompareOp op,
                                               ScalarKind scalar, ColumnSlot right) {
  Condition condition;
  condition.kind = Condition::Kind::kCompareColumns;
  const bool swap = right < left;
  condition.left = swap ? right : left;
  condition.right = swap ? left : right;
  condition.op = swap ? ast::mirrored(op) : op;
  condition.scalar = scalar;
  condition.relations = relation_bit(left) | relation_bit(right);
  return push(std::move(condition));
}

ConditionId ConditionPool::add_compare_conditions(ConditionId left, ast::CompareOp op,
                                                  ConditionId right) {
  Condition condition;
  condition.kind = Condition::Kind::kCompareConditions;
  condition.op = op;
  condition.children = {left, right};
  condition.relations = nodes_[left].relations | nodes_[right].relations;
  return push(std::move(condition));
}

ConditionId ConditionPool::add_junction(Condition::Kind kind,
                                        const std::vector<ConditionId>& children) {
  Condition condition;
  condition.kind = kind;
  for (const ConditionId child : children) {
    const Condition& node = nodes_[child];
    if (node.kind == kind) {
      condition.children.insert(condition.children.end(), node.children.begin(),
                                node.children.end());
    } else {
      condition.children.push_back(child);
    }
  }
  auto& all = condition.children;
  std::sort(all.begin(), all.end(),
            [&](ConditionId a, ConditionId b) { return encodings_[a] < encodings_[b]; });
  all.erase(
      std::unique(all.begin(), all.end(),
                  [&](ConditionId a, ConditionId b) { return encodings_[a] == encodings_[b]; }),
      all.end());
  if (all.size() == 1) return all[0];
  for (const ConditionId child : all) condition.relations |= nodes_[child].relations;
  return push(std::move(condition));
}

void ConditionPool::encode_leaf(const Condition& condition, ByteBuffer& out) const {
  out.push_back(static_cast<Byte>(condition.kind));
  switch (condition.kind) {
    case Condition::Kind::kConstant:
      out.push_back(condition.truth ? 1 : 0);
      break;
    case Condition::Kind::kBoolColumn:
      encode_slot(condition.left, out);
      break;
    case Condition::Kind::kCompareConstant:
      out.push_back(static_cast<Byte>(condition.op));
      encode_slot(condition.left, out);
      append_le(out, static_cast<uint32_t>(condition.constant.size()));
      append(out, condition.constant);
      break;
    case Condition::Kind::kCompareColumns:
      out.push_back(static_cast<Byte>(condition.op));
      encode_slot(condition.left, out);
      encode_slot(condition.right, out);
      break;
    case Condition::Kind::kCompareConditions:
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      out.push_back(static_cast<Byte>(condition.op));
      append_le(out, static_cast<uint32_t>(condition.children.size()));
      for (const ConditionId child : condition.children) {
        append_le(out, static_cast<uint32_t>(encodings_[child].size()));
        append(out, encodings_[child]);
      }
      break;
  }
}

void ConditionPool::encode(ConditionId id, ByteBuffer& out) const {
  append(out, encodings_[id]);
}

}  // namespace worldline::query
