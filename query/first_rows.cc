#include "query/first_rows.h"

#include <algorithm>

#include "query/evaluator.h"
#include "query/row_block.h"

namespace worldline::query {

bool reads_empty_table(const Query& query, const storage::ReadView& view) {
  return std::any_of(query.levels.begin(), query.levels.end(), [&](const PlanLevel& level) {
    const storage::TableView* table = view.find_table(level.table);
    return level.is_event || table == nullptr || table->row_count() == 0;
  });
}

Result<RowBlock> current_rows(const Query& query, const storage::ReadView& view,
                              ReadBudget& budget) {
  RowListSink sink(budget);
  WL_RETURN_IF_ERROR(evaluate(query, view, budget, sink));
  const BoundQuery& bound = query.bound;
  return make_row_block(bound.relations[bound.projection.relation].schema->name, sink.rows());
}

Result<std::vector<RowBlock>> first_rows(std::span<const QueryPtr> queries,
                                         const storage::ReadView& view, ReadBudget& budget) {
  std::vector<RowBlock> blocks;
  for (const QueryPtr& query : queries) {
    if (reads_empty_table(*query, view)) continue;
    WL_ASSIGN_OR_RETURN(RowBlock block, current_rows(*query, view, budget));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace worldline::query
