// query/row_block.h
//
// Builds the encoded blocks that subscribers share: SingleTableRows and TableUpdate [S 02/7.2].
// Thread: one at a time. Errors: kTooLarge beyond the budget.
#pragma once

#include <string_view>

#include "base/status.h"
#include "query/evaluator.h"
#include "query/query_types.h"
#include "schema/protocol/row_list.h"

namespace worldline::query {

// Collects the rows of one answer.
class RowListSink final : public RowSink {
 public:
  explicit RowListSink(ReadBudget& budget) : budget_(budget) {}

  Status add(Bytes row) override;
  const protocol::RowListBuilder& rows() const { return rows_; }

 private:
  ReadBudget& budget_;  // Borrowed; outlives this.
  protocol::RowListBuilder rows_;
};

RowBlock make_row_block(std::string_view table_name, const protocol::RowListBuilder& rows);

DeltaBlockPtr make_delta_block(std::string_view table_name, DeltaBlock::Kind kind,
                               const protocol::RowListBuilder& inserts,
                               const protocol::RowListBuilder& deletes);

}  // namespace worldline::query
