// query/planner.h
//
// Chooses how a bound query runs: access paths by index (points, prefixes, ranges), the order of
// joins, hash joins where no index helps.
//
// The idea: for each start relation a greedy left-deep order is priced with the sizes of tables and
// the numbers of distinct keys; the cheapest wins. Any order is right, because results are bags.
// Thread: pure functions; the view is borrowed for the call. Errors: none.
// Sources: [S 06/9], [S 06/4.13] for the estimate.
#pragma once

#include "query/query_plan.h"
#include "storage/read_view.h"

namespace worldline::query {

QueryPtr plan_query(BoundQuery bound, const storage::ReadView& view);

// One level that finds the rows of `relation` when the relations of the set `bound_relations` are
// known. It checks every term whose other relations are all in the set.
PlanLevel plan_level(const BoundQuery& query, uint16_t relation, uint64_t bound_relations,
                     const storage::ReadView& view);

// The terms that read no other relation than this one.
std::vector<ConditionId> local_terms(const BoundQuery& query, uint16_t relation);

}  // namespace worldline::query
