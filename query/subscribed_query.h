// query/subscribed_query.h
//
// A query that may be subscribed to, with everything its incremental evaluation needs.
//
// Invariants: one or two relations; the projection is whole rows of one of them. In a join of
// relations 0 and 1, probe[i] finds the rows of relation i that fit a given row of the other one,
// and local[i] are the terms a row of relation i must fulfil on its own.
// Ownership: frozen, owned by the SubscriptionSet. Thread: as its owner.
// Errors: the texts of [S 06/2.1-2.3]. Sources: [S 06/2, 4.5-4.7].
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "query/query_plan.h"
#include "query/query_types.h"
#include "storage/read_view.h"

namespace worldline::query {

struct SubscribedQuery {
  QueryPtr query;  // For the rows at subscribe time; owns all schemas.
  std::array<Predicate, 2> local;
  std::array<PlanLevel, 2> probe;  // Valid if is_join().
  // Joins: the equalities between both relations, by relation, and what else ties them together.
  std::array<std::vector<ColumnReader>, 2> join_columns;
  std::vector<ScalarKind> join_scalars;
  Predicate cross;  // All terms that read both relations.

  bool is_join() const { return query->bound.relations.size() == 2; }
  const BoundRelation& relation(size_t i) const { return query->bound.relations[i]; }
  size_t returned() const { return query->bound.projection.relation; }
  const std::string& table_name() const { return relation(returned()).schema->name; }
  // A result that reads an event table is itself a stream of events [S 06/2.3, 4.7].
  bool delivers_events() const;
};

// Parses, types and plans `text` and checks that it may be subscribed to. The error has no suffix.
Result<QueryPtr> compile_subscription(std::string_view text, const storage::ReadView& view,
                                      const Caller& caller);

SubscribedQuery make_subscribed_query(QueryPtr query, const storage::ReadView& view);

}  // namespace worldline::query
