#include "query/evaluator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "query/binder.h"
#include "query/level_cursor.h"
#include "query/planner.h"
#include "query/sql_parser.h"

namespace worldline::query {
namespace {

using storage::ReadView;

// Turns bound rows into result rows.
class Projector {
 public:
  explicit Projector(const BoundQuery& query) : query_(query) {
    for (const ColumnSlot slot : query.projection.columns) columns_.emplace_back(query, slot);
  }

  Bytes project(const Bytes* rows) {
    if (query_.projection.kind == Projection::Kind::kRelation) {
      const uint16_t relation = query_.projection.relation;
      return redact(query_.relations[relation], rows[relation], scratch_);
    }
    scratch_.clear();
    for (size_t i = 0; i < columns_.size(); ++i) {
      const ColumnSlot slot = query_.projection.columns[i];
      if (query_.relations[slot.relation].hidden_column == slot.column) {
        append_le(scratch_, uint32_t{0});
      } else {
        append(scratch_, columns_[i].read(rows));
      }
    }
    return scratch_;
  }

 private:
  const BoundQuery& query_;  // Borrowed; outlives this.
  std::vector<ColumnReader> columns_;
  ByteBuffer scratch_;
};

// Calls `on_row(rows)` for every combination; it returns false to stop.
template <typename OnRow>
Status run_levels(const Query& query, const ReadView& view, ReadBudget& budget, OnRow&& on_row) {
  std::array<Bytes, kRelationsMax> rows;
  std::vector<LevelCursor> cursors;
  cursors.reserve(query.levels.size());
  for (const PlanLevel& level : query.levels) {
    cursors.emplace_back(level, view, &budget);
    if (!cursors.back().valid()) return stale_plan();
  }
  const size_t last = cursors.size() - 1;
  size_t depth = 0;
  cursors[0].open(rows.data());
  for (;;) {  // The cursors charge the budget, which ends them.
    if (!cursors[depth].next(rows.data())) {
      if (budget.spent()) return budget.status();
      if (depth == 0) return {};
      --depth;
      continue;
    }
    if (depth < last) {
      cursors[++depth].open(rows.data());
      continue;
    }
    if (!on_row(rows.data())) return {};
  }
}

uint64_t stored_row_count(const Query& query, const ReadView& view) {
  if (query.levels[0].is_event) return 0;
  const storage::TableView* table = view.find_table(query.levels[0].table);
  return table == nullptr ? 0 : table->row_count();
}

Status evaluate_count(const Query& query, const ReadView& view, ReadBudget& budget, RowSink& sink) {
  if (query.bound.limit == 0) return {};
  uint64_t count = 0;
  const bool whole_table = query.levels.size() == 1 && query.bound.terms.empty();
  if (whole_table) {
    count = stored_row_count(query, view);
  } else {
    WL_RETURN_IF_ERROR(run_levels(query, view, budget, [&count](const Bytes*) {
      ++count;
      return true;
    }));
  }
  ByteBuffer row;
  append_le(row, count);
  return sink.add(row);
}

}  // namespace

Bytes redact(const BoundRelation& relation, Bytes row, ByteBuffer& scratch) {
  if (!relation.hidden_column) return row;
  const Bytes hidden = relation.schema->layout.column(row, *relation.hidden_column);
  const auto offset = static_cast<size_t>(hidden.data() - row.data());
  scratch.assign(row.begin(), row.begin() + static_cast<ptrdiff_t>(offset));
  append_le(scratch, uint32_t{0});
  append(scratch, row.subspan(offset + hidden.size()));
  return scratch;
}

Result<QueryPtr> compile_query(std::string_view sql, const ReadView& view, const Caller& caller) {
  WL_ASSIGN_OR_RETURN(const ast::Statement statement, parse_sql(sql, Dialect::kQuery));
  const auto* select = std::get_if<ast::Select>(&statement.body);
  if (select == nullptr) return Status::invalid_argument("Unsupported: Non-SELECT queries");
  WL_ASSIGN_OR_RETURN(BoundQuery bound, bind_select(*select, view, caller));
  return plan_query(std::move(bound), view);
}

Status evaluate(const Query& query, const ReadView& view, ReadBudget& budget, RowSink& sink) {
  if (query.bound.projection.kind == Projection::Kind::kCount)
    return evaluate_count(query, view, budget, sink);
  uint64_t left = query.bound.limit.value_or(UINT64_MAX);
  if (left == 0) return {};
  Projector projector(query.bound);
  Status status;
  WL_RETURN_IF_ERROR(run_levels(query, view, budget, [&](const Bytes* rows) {
    status = sink.add(projector.project(rows));
    return status.ok() && --left > 0;
  }));
  return status;
}

Result<std::vector<storage::RowRef>> find_matching_rows(const Query& query, const ReadView& view) {
  std::vector<storage::RowRef> refs;
  std::array<Bytes, 1> rows;
  LevelCursor cursor(query.levels[0], view);
  if (!cursor.valid()) return stale_plan();
  for (cursor.open(rows.data()); cursor.next(rows.data());) refs.push_back(cursor.ref());
  return refs;
}

}  // namespace worldline::query
