#include "query/interest_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/wide_int.h"
#include "schema/key_encoding.h"

namespace worldline::query {
namespace {

template <typename T>
uint64_t signed_point(Bytes value) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return static_cast<uint64_t>(static_cast<int64_t>(load_le<T>(value.data()))) ^ kSign;
}

// Monotonic for all floats, with one NaN above everything and -0 equal to +0.
uint64_t float_point(double value) {
  if (std::isnan(value)) return UINT64_MAX;
  if (value == 0) value = 0.0;
  const auto bits = std::bit_cast<uint64_t>(value);
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// The first eight bytes of a text, as a big-endian number.
uint64_t text_point(Bytes value) {
  uint64_t point = 0;
  for (size_t i = 0; i < 8; ++i) point = (point << 8) | (i + 4 < value.size() ? value[i + 4] : 0);
  return point;
}

void remove_one(std::vector<Occurrence>& list, const Occurrence& occurrence) {
  const auto found = std::find(list.begin(), list.end(), occurrence);
  WL_CHECK(found != list.end());
  list.erase(found);
}

// Values of a column in a condition `c = a`, or `c = a OR c = b ...`.
struct Equalities {
  ColumnSlot slot;
  ScalarKind scalar = ScalarKind::kBool;
  std::vector<Bytes> values;
};

const Byte kTrueByte = 1;

bool add_equality(const query::Condition& condition, Equalities& out) {
  using Kind = query::Condition::Kind;
  const bool bool_column = condition.kind == Kind::kBoolColumn;
  const bool constant =
      condition.kind == Kind::kCompareConstant && condition.op == ast::CompareOp::kEq;
  if (!bool_column && !constant) return false;
  if (!out.values.empty() && condition.left != out.slot) return false;
  out.slot = condition.left;
  out.scalar = bool_column ? ScalarKind::kBool : condition.scalar;
  out.values.push_back(bool_column ? Bytes(&kTrueByte, 1) : Bytes(condition.constant));
  return true;
}

std::optional<Equalities> equalities_of(const BoundQuery& query, ConditionId term) {
  const query::Condition& condition = query.pool[term];
  Equalities out;
  if (condition.kind != query::Condition::Kind::kOr)
    return add_equality(condition, out) ? std::optional(std::move(out)) : std::nullopt;
  for (const ConditionId child : condition.children)
    if (!add_equality(query.pool[child], out)) return std::nullopt;
  return out;
}

// Narrows `interval` by `column op constant`; false if the term is none on this column.
bool narrow(const query::Condition& condition, ColumnSlot slot, Interval& interval) {
  if (condition.kind != query::Condition::Kind::kCompareConstant || condition.left != slot)
    return false;
  const uint64_t point = interval_point(condition.scalar, condition.constant);
  switch (condition.op) {
    case ast::CompareOp::kGt:
    case ast::CompareOp::kGe:
      interval.low = std::max(interval.low, point);
      return true;
    case ast::CompareOp::kLt:
    case ast::CompareOp::kLe:
      interval.high = std::min(interval.high, point);
      return true;
    case ast::CompareOp::kEq:
    case ast::CompareOp::kNe:
      break;
  }
  return false;
}

}  // namespace

uint64_t interval_point(ScalarKind scalar, Bytes value) {
  switch (scalar) {
    case ScalarKind::kBool:
    case ScalarKind::kU8:
      return value[0];
    case ScalarKind::kI8:
      return signed_point<int8_t>(value);
    case ScalarKind::kI16:
      return signed_point<int16_t>(value);
    case ScalarKind::kU16:
      return load_le<uint16_t>(value.data());
    case ScalarKind::kI32:
      return signed_point<int32_t>(value);
    case ScalarKind::kU32:
      return load_le<uint32_t>(value.data());
    case ScalarKind::kI64:
      return signed_point<int64_t>(value);
    case ScalarKind::kU64:
      return load_le<uint64_t>(value.data());
    case ScalarKind::kI128:
      return signed_point<int64_t>(value.subspan(8));
    case ScalarKind::kU128:
      return load_le<uint64_t>(value.data() + 8);
    case ScalarKind::kI256:
      return signed_point<int64_t>(value.subspan(24));
    case ScalarKind::kU256:
      return load_le<uint64_t>(value.data() + 24);
    case ScalarKind::kF32:
      return float_point(load_le<float>(value.data()));
    case ScalarKind::kF64:
      return float_point(load_le<double>(value.data()));
    case ScalarKind::kText:
      return text_point(value);
  }
  return 0;
}

// Equal floats may have different bytes; their keys may not.
std::string_view TableInterest::key_of(ScalarKind scalar, Bytes value) {
  static constexpr char kZeros[8] = {};
  static constexpr char kNotANumber[8] = {1, 1, 1, 1, 1, 1, 1, 127};
  if (!is_float(scalar)) return as_text(value);
  const double number =
      scalar == ScalarKind::kF32 ? load_le<float>(value.data()) : load_le<double>(value.data());
  if (std::isnan(number)) return {kNotANumber, sizeof kNotANumber};
  if (number == 0) return {kZeros, value.size()};
  return as_text(value);
}

std::optional<TableInterest::Condition> TableInterest::strongest(const SubscribedQuery& query,
                                                                 uint8_t relation) {
  const BoundQuery& bound = query.query->bound;
  std::optional<Condition> best;
  for (const ConditionId term : bound.terms) {
    auto equal = equalities_of(bound, term);
    if (!equal || equal->slot.relation != relation) continue;
    // A single value beats several; the first such term wins.
    if (best && best->values.size() <= equal->values.size()) continue;
    best = Condition{equal->slot.column, equal->scalar, std::move(equal->values), std::nullopt};
  }
  if (best) return best;
  for (const ConditionId term : bound.terms) {
    const query::Condition& first = bound.pool[term];
    Interval interval;
    if (first.left.relation != relation || !narrow(first, first.left, interval)) continue;
    for (const ConditionId other : bound.terms) narrow(bound.pool[other], first.left, interval);
    // Nothing fulfils crossed bounds; keep the set's invariant all the same.
    if (interval.low > interval.high) interval.high = interval.low;
    const bool two_sided = interval.low != 0 && interval.high != UINT64_MAX;
    if (!best || two_sided) best = Condition{first.left.column, first.scalar, {}, interval};
    if (two_sided) break;
  }
  return best;
}

TableInterest::ColumnInterest& TableInterest::column_for(const SubscribedQuery& query,
                                                         uint8_t relation,
                                                         const Condition& condition) {
  for (ColumnInterest& column : columns_)
    if (column.column == condition.column) return column;
  ColumnInterest& column = columns_.emplace_back();
  column.column = condition.column;
  column.reader = ColumnReader(query.query->bound, {relation, condition.column});
  column.scalar = condition.scalar;
  column.schema = query.relation(relation).schema;
  return column;
}

void TableInterest::add_values(ValueMap& map, const Condition& condition, Occurrence occurrence) {
  for (const Bytes value : condition.values) {
    auto& list = map[std::string(key_of(condition.scalar, value))];
    // -0 and +0 of one query are one key.
    if (list.empty() || !(list.back() == occurrence)) list.push_back(occurrence);
  }
}

void TableInterest::remove_values(ValueMap& map, const Condition& condition,
                                  Occurrence occurrence) {
  for (const Bytes value : condition.values) {
    const auto found = map.find(key_of(condition.scalar, value));
    if (found == map.end()) continue;
    std::erase(found->second, occurrence);
    if (found->second.empty()) map.erase(found);
  }
}

std::optional<std::pair<TableInterest::Edge, TableInterest::Condition>> TableInterest::edge_of(
    const SubscribedQuery& query, uint8_t relation) {
  const BoundQuery& bound = query.query->bound;
  if (!query.is_join() || !bound.first_on) return std::nullopt;
  const auto [left, right] = *bound.first_on;
  if (left.relation == right.relation) return std::nullopt;
  const auto other = static_cast<uint8_t>(1 - relation);
  auto condition = strongest(query, other);
  if (!condition || condition->interval) return std::nullopt;
  Edge edge;
  edge.own_slot = left.relation == relation ? left : right;
  const ColumnSlot partner = left.relation == relation ? right : left;
  edge.schema = query.relation(relation).schema;
  edge.other = query.relation(other).schema;
  const auto& indexes = edge.other->indexes;
  const auto index = std::find_if(indexes.begin(), indexes.end(), [&](const auto& candidate) {
    return candidate.columns.size() == 1 && candidate.columns[0] == partner.column;
  });
  if (index == indexes.end()) return std::nullopt;
  edge.index = index->id;
  edge.other_slot = {other, condition->column};
  edge.scalar = condition->scalar;
  edge.own = ColumnReader(bound, edge.own_slot);
  edge.other_value = ColumnReader(bound, edge.other_slot);
  return std::pair(std::move(edge), *std::move(condition));
}

TableInterest::Edge& TableInterest::edge_for(Edge edge) {
  for (Edge& known : edges_)
    if (known.index == edge.index && known.own_slot.column == edge.own_slot.column &&
        known.other_slot.column == edge.other_slot.column)
      return known;
  return edges_.emplace_back(std::move(edge));
}

void TableInterest::add(const SubscribedQuery& query, Occurrence occurrence) {
  ++count_;
  if (occurrence.is_join) ++joins_;
  if (const auto condition = strongest(query, occurrence.relation)) {
    ColumnInterest& column = column_for(query, occurrence.relation, *condition);
    if (condition->interval) {
      column.by_range.add(*condition->interval, occurrence);
    } else {
      add_values(column.by_value, *condition, occurrence);
    }
  } else if (auto found = edge_of(query, occurrence.relation)) {
    Edge& edge = edge_for(std::move(found->first));
    add_values(edge.by_value, found->second, occurrence);
    edge.occurrences.push_back(occurrence);
  } else {
    always_.push_back(occurrence);
  }
}

void TableInterest::remove(const SubscribedQuery& query, Occurrence occurrence) {
  --count_;
  if (occurrence.is_join) --joins_;
  if (const auto condition = strongest(query, occurrence.relation)) {
    ColumnInterest& column = column_for(query, occurrence.relation, *condition);
    if (condition->interval) {
      column.by_range.remove(occurrence);
    } else {
      remove_values(column.by_value, *condition, occurrence);
    }
    if (column.by_value.empty() && column.by_range.empty())
      columns_.erase(columns_.begin() + (&column - columns_.data()));
  } else if (auto found = edge_of(query, occurrence.relation)) {
    Edge& edge = edge_for(std::move(found->first));
    remove_values(edge.by_value, found->second, occurrence);
    remove_one(edge.occurrences, occurrence);
    if (edge.by_value.empty()) edges_.erase(edges_.begin() + (&edge - edges_.data()));
  } else {
    remove_one(always_, occurrence);
  }
}

void InterestIndex::add(const SubscribedQuery& query, uint32_t slot) {
  for (uint8_t i = 0; i < query.query->bound.relations.size(); ++i)
    tables_[query.relation(i).schema->id].add(query, {slot, i, query.is_join()});
}

void InterestIndex::remove(const SubscribedQuery& query, uint32_t slot) {
  for (uint8_t i = 0; i < query.query->bound.relations.size(); ++i) {
    const auto found = tables_.find(query.relation(i).schema->id);
    found->second.remove(query, {slot, i, query.is_join()});
    if (found->second.empty()) tables_.erase(found);
  }
}

std::vector<TableId> InterestIndex::joined_tables() const {
  std::vector<TableId> joined;
  for (const auto& [table, interest] : tables_)
    if (interest.has_joins()) joined.push_back(table);
  std::sort(joined.begin(), joined.end());
  return joined;
}

}  // namespace worldline::query
