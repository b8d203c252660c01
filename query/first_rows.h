// query/first_rows.h
//
// The current rows of queries, for SubscribeApplied and UnsubscribeApplied.
//
// Invariants: one block per query, in query order; a query that reads an empty table has none
// [S 02/10.2]. One budget serves them all.
// Thread: pure; any thread on a snapshot. Errors: those of the budget, kFailedPrecondition if the
// view has another schema than the queries; clients are shown kEvaluationFailed instead.
// Sources: [S 06/4.3, 4.14].
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "query/query_plan.h"
#include "query/query_types.h"
#include "query/read_budget.h"
#include "storage/read_view.h"

namespace worldline::query {

inline constexpr const char* kEvaluationFailed = "Internal error evaluating queries";

bool reads_empty_table(const Query& query, const storage::ReadView& view);

// REQUIRES: the query returns whole rows.
Result<RowBlock> current_rows(const Query& query, const storage::ReadView& view,
                              ReadBudget& budget);

Result<std::vector<RowBlock>> first_rows(std::span<const QueryPtr> queries,
                                         const storage::ReadView& view, ReadBudget& budget);

}  // namespace worldline::query
