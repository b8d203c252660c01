// storage/transaction.h
//
// Transaction: the one open mutable transaction of a DatabaseState. It writes in place; what it
// touched is remembered per row slot, which is at once the undo log and, netted, the change set.
//
// Invariants: at most one is open per state; every check is made at the operation, so commit cannot
// fail [S 05/1.2]; a refused operation changes nothing except consumed sequence values; rollback
// restores everything, sequence positions and catalog included.
// Ownership: move-only; borrows the DatabaseState. Destruction without commit rolls back.
// Thread: the owner of the state.
// Errors: DataError with every refusal; the texts are those of [S 05/1.9, 1.15, 8.2].
// Sources: [S 05/1.2-1.5, 1.10, 3], [S 04/5.2].
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/data_result.h"
#include "storage/fwd.h"
#include "storage/read_view.h"
#include "storage/table_definition.h"
#include "storage/tx_data.h"

namespace worldline::storage {

class StateCore;

struct InsertOutcome {
  RowRef ref;
  // BSATN of the columns a sequence filled, in sequence order; borrowed until the next operation.
  Bytes generated;
  Bytes row;            // The stored row; borrowed until the next operation on its table.
  bool changed = true;  // False: the identical row was there already.
};

struct CommitResult {
  TxDataPtr tx_data;  // Null if there is nothing for anybody: no net change, no marker.
  TxOffset offset;    // The consumed offset, else the latest this result depends on.
};

class Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // Sees the transaction's own writes.
  const ReadView& view() const;

  // --- Rows. `row` is BSATN, validated here; trailing bytes by the rule of [S 05/1.3]. ---
  DataResult<InsertOutcome> insert(TableId table, Bytes row);
  DataResult<InsertOutcome> update(TableId table, TableIndexId index, Bytes row);
  DataResult<uint32_t> delete_point(TableIndexId index, Bytes key);
  DataResult<uint32_t> delete_range(TableIndexId index, const RangeArguments& range);
  DataResult<uint32_t> delete_by_eq(TableId table, Bytes relation);  // BSATN Array<Row>.
  DataResult<uint64_t> clear(TableId table);         // Number of rows really removed [S 05/1.5].
  DataStatus delete_row(TableId table, RowRef ref);  // kNoSuchRow if there is none.

  // --- Schema changes; their catalog rows are part of the transaction [S 05/2.5]. After a failure
  // some of those rows may be there: roll back. ---
  DataResult<TableId> create_table(const TableDefinition& definition);
  DataStatus drop_table(TableId table);
  DataStatus set_table_access(TableId table, bool is_public);
  DataStatus set_row_level_security(TableId table, std::string_view sql);  // Not supported.

  // --- The end. Afterwards only destruction is allowed. ---
  CommitResult commit();
  void rollback();
  bool is_open() const { return state_ != nullptr; }

 private:
  friend class DatabaseState;
  explicit Transaction(DatabaseState* state) : state_(state) {}
  StateCore& core() const;
  DataResult<Bytes> prepare_row(LiveTable& table, Bytes input);
  DataResult<uint32_t> remove_all_of(LiveTable& table, IndexCursor cursor);

  DatabaseState* state_;  // Borrowed; null once ended.
};

}  // namespace worldline::storage
