// query/evaluator.h
//
// Runs a compiled query on a read view and pushes the result rows into a sink.
//
// Invariants: bag semantics, no order promised [S 06/1.14]. Rows given to the sink are borrowed for
// the call. LIMIT stops the run early. At most kRowsVisitedMax rows are looked at.
// Thread: pure functions. Errors: kOverloaded beyond the limit; what the sink returns.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "query/query_plan.h"
#include "query/query_types.h"
#include "storage/read_view.h"

namespace worldline::query {

// About ten seconds of work: what one statement may cost, cross products included.
inline constexpr uint64_t kRowsVisitedMax = 200'000'000;
// Rows of one answer as BSATN; what fits the u32 lengths of the protocol with room to spare.
inline constexpr size_t kAnswerBytesMax = size_t{1} << 30;

class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual Status add(Bytes row) = 0;
};

// Parses, types and plans one SELECT of the given dialect.
Result<QueryPtr> compile_query(std::string_view sql, const storage::ReadView& view,
                               const Caller& caller);

Status evaluate(const Query& query, const storage::ReadView& view, RowSink& sink);

// The places of the matching rows of a query over one table. REQUIRES: one relation, no limit.
Result<std::vector<storage::RowRef>> find_matching_rows(const Query& query,
                                                        const storage::ReadView& view);

// The row with the bytes of a hidden column replaced by the empty array, in `scratch`.
Bytes redact(const BoundRelation& relation, Bytes row, ByteBuffer& scratch);

}  // namespace worldline::query
