// actors/row_share.h
//
// RowShare lets readers share the current rows of equal queries: evaluated once and encoded once
// for all clients that subscribe to them at the same state [S 06/4.11].
//
// Invariants: rows are shared only if the queries have the same key and every table they read is
// the very same version in both snapshots. While one reader evaluates, others that need the rows
// wait for it, each within its own budget; if it fails, the next one evaluates. What is kept is
// limited to kEntriesMax and to bytes_max; beyond, the oldest goes.
// Ownership: shared by the subscribes that are out; gone with the last of them, and with it the
// snapshots it pins. Thread: any; the mutex guards the table and is not held while a query runs.
// Units: bytes. Errors: those of query/first_rows.h.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "actors/executed_batch.h"
#include "query/first_rows.h"

namespace worldline::actors {

class RowShare {
 public:
  static constexpr size_t kEntriesMax = 64;

  explicit RowShare(size_t bytes_max) : bytes_max_(bytes_max) {}

  // As query::first_rows().
  Result<std::vector<query::RowBlock>> first_rows(std::span<const query::QueryPtr> queries,
                                                  const SnapshotPtr& state,
                                                  query::ReadBudget& budget);

 private:
  struct Entry {
    query::QueryPtr query;
    SnapshotPtr state;
    bool ready = false;  // Else a reader is at work.
    query::RowBlock block;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  Result<query::RowBlock> rows(const query::QueryPtr& query, const SnapshotPtr& state,
                               query::ReadBudget& budget);
  EntryPtr find(const query::Query& query, const storage::ReadView& state) const;
  void settle(const EntryPtr& entry, const Result<query::RowBlock>& block);

  const size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable settled_;
  std::deque<EntryPtr> entries_;  // Guarded by mutex_, as the next one; oldest first.
  size_t bytes_ = 0;
};

}  // namespace worldline::actors
