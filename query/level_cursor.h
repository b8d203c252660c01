// query/level_cursor.h
//
// LevelCursor runs one level of a plan: it yields the rows of one relation that fit the rows bound
// before it. A join is a stack of them; a delta join uses one against the state.
//
// Invariants: between open() and the end, next() yields each matching row once. No allocation per
// row; key buffers and the hash table of a kHash level are kept between runs.
// Ownership: borrows the plan level and the view; rows are borrowed from the view.
// Thread: one. Errors: none; a budget that is spent ends it early, and the caller asks it why.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "query/query_plan.h"
#include "query/read_budget.h"
#include "storage/read_view.h"

namespace worldline::query {

class LevelCursor {
 public:
  // Rows looked at are charged to `budget`, if there is one. REQUIRES: all three outlive this.
  LevelCursor(const PlanLevel& level, const storage::ReadView& view, ReadBudget* budget = nullptr);

  // False if the plan's index does not exist in the view: the catalog changed since planning.
  bool valid() const { return valid_; }

  // Starts over with the earlier relations of `rows` bound. REQUIRES: valid().
  void open(const Bytes* rows);
  // Stores the next row at rows[level.relation]; false at the end.
  bool next(Bytes* rows);

  storage::RowRef ref() const { return ref_; }  // Of the last row. Not for kHash.

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct HashEntry {
    Bytes row;
    uint64_t hash;
    uint32_t next;
  };

  void open_range(const Bytes* rows);
  void open_point(const Bytes* rows);
  void build_hash();
  bool advance(Bytes& row);
  // Counts one row looked at; false: the budget is spent.
  bool charge() {
    if (++rows_visited_ % kRowsPerCheck != 0 || budget_ == nullptr) return true;
    return budget_->look_at(kRowsPerCheck);
  }
  Bytes part(const KeyPart& part, const Bytes* rows) const {
    return part.is_column ? part.column.read(rows) : Bytes(part.constant);
  }

  const PlanLevel& level_;                     // Borrowed; outlives this.
  ReadBudget* const budget_;                   // Borrowed; outlives this. Null: no limit.
  const storage::TableView* table_ = nullptr;  // Null: reads as empty.
  const storage::IndexView* index_ = nullptr;

  std::optional<storage::RowCursor> scan_;
  storage::IndexCursor index_cursor_;
  std::optional<storage::RowRef> single_;  // Of a unique point.
  storage::IndexKey key_;
  std::vector<Bytes> values_;
  std::vector<Bytes> upper_values_;

  std::vector<HashEntry> entries_;
  std::vector<uint32_t> buckets_;  // Power of two; kNone ends a chain.
  bool hash_built_ = false;
  uint64_t hash_ = 0;
  uint32_t entry_ = kNone;

  storage::RowRef ref_;
  uint64_t rows_visited_ = 0;
  bool done_ = true;
  bool valid_ = true;
};

// What a run says when valid() is false.
Status stale_plan();

}  // namespace worldline::query
