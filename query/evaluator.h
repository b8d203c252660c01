// query/evaluator.h
//
// Runs a compiled query on a read view and pushes the result rows into a sink.
//
// Invariants: bag semantics, no order promised [S 06/1.14]. Rows given to the sink are borrowed for
// the call. LIMIT stops the run early. Rows looked at are charged to the budget of the request.
// Thread: pure functions. Errors: those of the budget; what the sink returns.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "query/query_plan.h"
#include "query/query_types.h"
#include "query/read_budget.h"
#include "storage/read_view.h"

namespace worldline::query {

class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual Status add(Bytes row) = 0;
};

// Parses, types and plans one SELECT of the given dialect.
Result<QueryPtr> compile_query(std::string_view sql, const storage::ReadView& view,
                               const Caller& caller);

Status evaluate(const Query& query, const storage::ReadView& view, ReadBudget& budget,
                RowSink& sink);

// The places of the matching rows of a query over one table. REQUIRES: one relation, no limit.
Result<std::vector<storage::RowRef>> find_matching_rows(const Query& query,
                                                        const storage::ReadView& view);

// The row with the bytes of a hidden column replaced by the empty array, in `scratch`.
Bytes redact(const BoundRelation& relation, Bytes row, ByteBuffer& scratch);

}  // namespace worldline::query
