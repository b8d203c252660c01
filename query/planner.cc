#include "query/planner.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace worldline::query {
namespace {

using storage::IndexSchema;
using storage::IndexView;
using storage::ReadView;
using storage::TableView;

uint64_t bit(uint16_t relation) {
  return uint64_t{1} << relation;
}

uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

uint64_t saturating_multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

// A term that fixes one column of the relation being planned.
struct Equality {
  ConditionId term;
  ColumnId column;
  KeyPart part;
  ScalarKind scalar;
};

// Everything the terms say about one relation.
struct Facts {
  std::vector<ConditionId> terms;  // To be checked at this level.
  std::vector<Equality> equalities;
  std::vector<ConditionId> ranges;  // Comparisons with constants other than = and <>.
};

std::optional<Equality> equality_of(const BoundQuery& query, ConditionId term, uint16_t relation,
                                    uint64_t bound) {
  const Condition& condition = query.pool[term];
  if (condition.kind == Condition::Kind::kBoolColumn)
    return Equality{term, condition.left.column, {{1}, {}, false}, ScalarKind::kBool};
  if (condition.op != ast::CompareOp::kEq) return std::nullopt;
  if (condition.kind == Condition::Kind::kCompareConstant)
    return Equality{term, condition.left.column, {condition.constant, {}, false}, condition.scalar};
  if (condition.kind != Condition::Kind::kCompareColumns) return std::nullopt;
  const bool own_left = condition.left.relation == relation;
  const ColumnSlot own = own_left ? condition.left : condition.right;
  const ColumnSlot other = own_left ? condition.right : condition.left;
  if ((bit(other.relation) & bound) == 0) return std::nullopt;
  return Equality{term, own.column, {{}, ColumnReader(query, other), true}, condition.scalar};
}

Facts collect_facts(const BoundQuery& query, uint16_t relation, uint64_t bound) {
  Facts facts;
  for (const ConditionId term : query.terms) {
    const Condition& condition = query.pool[term];
    // A term without relations is a constant: the first level checks it.
    const bool here =
        condition.relations == 0 ? bound == 0 : (condition.relations & bit(relation)) != 0;
    if (!here || (condition.relations & ~(bound | bit(relation))) != 0) continue;
    facts.terms.push_back(term);
    if (auto equality = equality_of(query, term, relation, bound))
      facts.equalities.push_back(*std::move(equality));
    const bool ordered = condition.op != ast::CompareOp::kEq && condition.op != ast::CompareOp::kNe;
    if (condition.kind == Condition::Kind::kCompareConstant && ordered)
      facts.ranges.push_back(term);
  }
  return facts;
}

const Equality* find_equality(const Facts& facts, ColumnId column) {
  for (const Equality& equality : facts.equalities)
    if (equality.column == column) return &equality;
  return nullptr;
}

// One way to use an index, with the terms it makes true.
struct Candidate {
  Access access;
  std::vector<ConditionId> consumed;
  uint64_t rows = 0;  // Expected per run.
};

// Float terms stay: a hash index over several columns compares them bitwise (QUIRK [S 05/1.1]).
void consume(Candidate& candidate, ConditionId term, ScalarKind scalar) {
  if (!is_float(scalar)) candidate.consumed.push_back(term);
}

void add_bounds(const BoundQuery& query, const Facts& facts, ColumnId column,
                Candidate& candidate) {
  for (const ConditionId term : facts.ranges) {
    const Condition& condition = query.pool[term];
    if (condition.left.column != column) continue;
    const bool is_lower =
        condition.op == ast::CompareOp::kGt || condition.op == ast::CompareOp::kGe;
    auto& bound = is_lower ? candidate.access.lower : candidate.access.upper;
    if (bound) continue;  // A second bound on the same side is checked by the residual.
    const bool inclusive =
        condition.op == ast::CompareOp::kGe || condition.op == ast::CompareOp::kLe;
    bound = KeyBound{condition.constant, inclusive};
    consume(candidate, term, condition.scalar);
  }
}

std::optional<Candidate> use_index(const BoundQuery& query, const Facts& facts,
                                   const IndexView& index) {
  const IndexSchema& schema = index.schema();
  Candidate candidate;
  candidate.access.index = schema.id;
  for (const ColumnId column : schema.columns) {
    const Equality* equality = find_equality(facts, column);
    if (equality == nullptr) break;
    candidate.access.key.push_back(equality->part);
    consume(candidate, equality->term, equality->scalar);
  }
  const uint64_t rows = index.table().row_count();
  const size_t fixed = candidate.access.key.size();
  if (fixed == schema.columns.size()) {
    candidate.access.kind = Access::Kind::kPoint;
    candidate.access.unique = schema.is_unique;
    const uint64_t keys = index.distinct_keys();
    candidate.rows = schema.is_unique ? std::min<uint64_t>(rows, 1) : (keys == 0 ? 0 : rows / keys);
    return candidate;
  }
  if (!index.supports_range()) return std::nullopt;
  add_bounds(query, facts, schema.columns[fixed], candidate);
  const size_t restrictions =
      fixed + (candidate.access.lower ? 1 : 0) + (candidate.access.upper ? 1 : 0);
  if (restrictions == 0) return std::nullopt;
  candidate.access.kind = Access::Kind::kRange;
  candidate.rows = rows / (uint64_t{1} << std::min<size_t>(2 * restrictions, 32));
  return candidate;
}

// A hash join needs at least one equality with an earlier relation.
std::optional<Candidate> use_hash(const BoundQuery& query, uint16_t relation, const Facts& facts,
                                  uint64_t rows) {
  Candidate candidate;
  candidate.access.kind = Access::Kind::kHash;
  for (const Equality& equality : facts.equalities) {
    if (!equality.part.is_column) continue;
    candidate.access.key.push_back(equality.part);
    candidate.access.own.emplace_back(query, ColumnSlot{relation, equality.column});
    candidate.access.own_scalars.push_back(equality.scalar);
  }
  if (candidate.access.key.empty()) return std::nullopt;
  candidate.rows = rows / 16 + 1;
  return candidate;
}

Candidate choose(const BoundQuery& query, uint16_t relation, const Facts& facts,
                 const TableView* table) {
  Candidate best;
  best.rows = table == nullptr ? 0 : table->row_count();
  if (table == nullptr) return best;
  std::optional<Candidate> indexed;
  for (const IndexView& index : table->indexes()) {
    auto candidate = use_index(query, facts, index);
    if (candidate && (!indexed || candidate->rows < indexed->rows)) indexed = std::move(candidate);
  }
  if (indexed) return *std::move(indexed);
  if (auto hashed = use_hash(query, relation, facts, table->row_count())) return *hashed;
  return best;
}

struct PricedLevel {
  PlanLevel level;
  uint64_t rows = 0;   // Found per run, before the residual.
  uint64_t build = 0;  // Rows read once for a hash table.
  bool filtered = false;
};

PricedLevel price_level(const BoundQuery& query, uint16_t relation, uint64_t bound,
                        const ReadView& view) {
  const storage::TableSchema& schema = *query.relations[relation].schema;
  const TableView* table = schema.is_event ? nullptr : view.find_table(schema.id);
  const Facts facts = collect_facts(query, relation, bound);
  Candidate candidate = choose(query, relation, facts, table);
  std::vector<ConditionId> residual, local;
  for (const ConditionId term : facts.terms) {
    const bool consumed = std::find(candidate.consumed.begin(), candidate.consumed.end(), term) !=
                          candidate.consumed.end();
    const bool is_local = query.pool[term].relations == bit(relation);
    if (candidate.access.kind == Access::Kind::kHash && is_local) {
      local.push_back(term);
    } else if (!consumed) {
      residual.push_back(term);
    }
  }
  PricedLevel priced;
  priced.level.relation = relation;
  priced.level.table = schema.id;
  priced.level.is_event = schema.is_event;
  priced.level.local = Predicate::compile(query, local);
  priced.level.residual = Predicate::compile(query, residual);
  priced.level.access = std::move(candidate.access);
  priced.rows = candidate.rows;
  priced.filtered = !residual.empty();
  if (priced.level.access.kind == Access::Kind::kHash) priced.build = table->row_count();
  return priced;
}

struct PricedPlan {
  std::vector<PlanLevel> levels;
  uint64_t scan = 0;
};

// Greedy from one start: next comes the relation that adds the fewest rows.
PricedPlan price_from(const BoundQuery& query, uint16_t start, const ReadView& view) {
  PricedPlan plan;
  uint64_t bound = 0, rows = 1;
  const auto append_level = [&](PricedLevel priced) {
    const uint64_t found = saturating_multiply(rows, priced.rows);
    plan.scan = saturating_add(plan.scan, saturating_add(found, priced.build));
    if (priced.filtered) plan.scan = saturating_add(plan.scan, found);
    rows = found;
    bound |= bit(priced.level.relation);
    plan.levels.push_back(std::move(priced.level));
  };
  append_level(price_level(query, start, 0, view));
  while (plan.levels.size() < query.relations.size()) {
    std::optional<PricedLevel> best;
    for (uint16_t next = 0; next < query.relations.size(); ++next) {
      if ((bound & bit(next)) != 0) continue;
      PricedLevel priced = price_level(query, next, bound, view);
      const auto cost = [&](const PricedLevel& level) {
        return saturating_add(saturating_multiply(rows, level.rows), level.build);
      };
      if (!best || cost(priced) < cost(*best)) best = std::move(priced);
    }
    append_level(*std::move(best));
  }
  return plan;
}

void encode_key(Query& query) {
  ByteBuffer& out = query.key;
  const BoundQuery& bound = query.bound;
  append_le(out, static_cast<uint16_t>(bound.relations.size()));
  for (const BoundRelation& relation : bound.relations) {
    append_le(out, relation.schema->id.value);
    out.push_back(relation.hidden_column ? 1 : 0);
  }
  out.push_back(static_cast<Byte>(bound.projection.kind));
  append_le(out, bound.projection.relation);
  append_le(out, static_cast<uint32_t>(bound.projection.columns.size()));
  for (const ColumnSlot slot : bound.projection.columns) {
    append_le(out, slot.relation);
    append_le(out, slot.column.value);
  }
  append_le(out, bound.limit.value_or(std::numeric_limits<uint64_t>::max()));
  for (const ConditionId term : bound.terms) bound.pool.encode(term, out);
}

}  // namespace

std::vector<ConditionId> local_terms(const BoundQuery& query, uint16_t relation) {
  std::vector<ConditionId> terms;
  for (const ConditionId term : query.terms)
    if ((query.pool[term].relations & ~bit(relation)) == 0) terms.push_back(term);
  return terms;
}

PlanLevel plan_level(const BoundQuery& query, uint16_t relation, uint64_t bound_relations,
                     const ReadView& view) {
  return price_level(query, relation, bound_relations, view).level;
}

QueryPtr plan_query(BoundQuery bound, const ReadView& view) {
  // Pricing every start is cubic in the number of relations.
  constexpr size_t kStartsMax = 6;
  std::optional<PricedPlan> best;
  const size_t starts = bound.relations.size() <= kStartsMax ? bound.relations.size() : 1;
  for (uint16_t start = 0; start < starts; ++start) {
    PricedPlan plan = price_from(bound, start, view);
    if (!best || plan.scan < best->scan) best = std::move(plan);
  }
  auto query = std::make_shared<Query>();
  query->bound = std::move(bound);
  query->levels = std::move(best->levels);
  query->estimated_scan = best->scan;
  encode_key(*query);
  return query;
}

}  // namespace worldline::query
