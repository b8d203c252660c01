#include "query/subscribed_query.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "query/binder.h"
#include "query/planner.h"
#include "query/sql_parser.h"

namespace worldline::query {
namespace {

// `column op constant`: the terms that belong to a relation [S 06/2.2].
bool belongs_to(const Condition& condition, uint16_t relation) {
  return condition.kind == Condition::Kind::kCompareConstant && condition.left.relation == relation;
}

bool is_filtered(const BoundQuery& query, uint16_t relation) {
  return std::any_of(query.terms.begin(), query.terms.end(),
                     [&](ConditionId term) { return belongs_to(query.pool[term], relation); });
}

bool is_fixed(const BoundQuery& query, ColumnSlot slot) {
  return std::any_of(query.terms.begin(), query.terms.end(), [&](ConditionId term) {
    const Condition& condition = query.pool[term];
    return belongs_to(condition, slot.relation) && condition.left.column == slot.column &&
           condition.op == ast::CompareOp::kEq;
  });
}

bool serves_lookup(const BoundQuery& query, const storage::IndexSchema& index, ColumnSlot join) {
  if (index.columns.back() != join.column) return false;
  return std::all_of(index.columns.begin(), index.columns.end() - 1, [&](ColumnId column) {
    return is_fixed(query, {join.relation, column});
  });
}

// The join index rule, word for word, and the event table rule after it.
Status check_join(const BoundQuery& query) {
  const Status refused = Status::invalid_argument("Subscriptions require indexes on join columns");
  uint16_t lookup = 1;
  if (!is_filtered(query, 0) && is_filtered(query, 1)) lookup = 0;
  if (!query.first_on) return refused;
  const auto [left, right] = *query.first_on;
  if (left.relation == right.relation) return refused;
  const ColumnSlot join = left.relation == lookup ? left : right;
  const storage::TableSchema& table = *query.relations[lookup].schema;
  const bool indexed =
      std::any_of(table.indexes.begin(), table.indexes.end(),
                  [&](const auto& index) { return serves_lookup(query, index, join); });
  if (!indexed) return refused;
  if (table.is_event)
    return Status::invalid_argument(
        "Event tables cannot be used as the lookup table in subscription joins");
  return {};
}

}  // namespace

bool SubscribedQuery::delivers_events() const {
  return std::any_of(query->bound.relations.begin(), query->bound.relations.end(),
                     [](const BoundRelation& relation) { return relation.schema->is_event; });
}

Result<QueryPtr> compile_subscription(std::string_view text, const storage::ReadView& view,
                                      const Caller& caller) {
  WL_ASSIGN_OR_RETURN(const ast::Statement statement, parse_sql(text, Dialect::kSubscription));
  WL_ASSIGN_OR_RETURN(BoundQuery bound,
                      bind_select(std::get<ast::Select>(statement.body), view, caller));
  if (bound.projection.kind != Projection::Kind::kRelation)
    return Status::invalid_argument(
        "Column projections are not supported in subscriptions; Subscriptions must return a table "
        "type");
  if (bound.relations.size() > 1) WL_RETURN_IF_ERROR(check_join(bound));
  if (bound.relations.size() > 2)
    return Status::invalid_argument("Invalid number of tables in subscription: {}",
                                    bound.relations.size());
  return plan_query(std::move(bound), view);
}

SubscribedQuery make_subscribed_query(QueryPtr query, const storage::ReadView& view) {
  SubscribedQuery subscribed;
  subscribed.query = std::move(query);
  const BoundQuery& bound = subscribed.query->bound;
  for (uint16_t i = 0; i < bound.relations.size(); ++i)
    subscribed.local[i] = Predicate::compile(bound, local_terms(bound, i));
  if (!subscribed.is_join()) return subscribed;
  for (uint16_t i = 0; i < 2; ++i)
    subscribed.probe[i] = plan_level(bound, i, uint64_t{1} << (1 - i), view);
  std::vector<ConditionId> cross;
  for (const ConditionId term : bound.terms) {
    const Condition& condition = bound.pool[term];
    if (condition.relations != 3) continue;
    cross.push_back(term);
    const bool equality =
        condition.kind == Condition::Kind::kCompareColumns && condition.op == ast::CompareOp::kEq;
    if (!equality) continue;
    subscribed.join_columns[0].emplace_back(bound, condition.left);  // The smaller slot.
    subscribed.join_columns[1].emplace_back(bound, condition.right);
    subscribed.join_scalars.push_back(condition.scalar);
  }
  subscribed.cross = Predicate::compile(bound, cross);
  return subscribed;
}

}  // namespace worldline::query
