// storage/database_state.h
//
// DatabaseState: the one writable copy of a database: all tables, indexes, the catalog, sequences
// and digests. It runs transactions on the leader, applies TxData on followers and at replay, and
// undoes speculative ones.
//
// Invariants: rows lie at the places their TxData names, so equal logs give equal layouts; free
// space is chosen by page occupancy alone [S 04/R06]; digests follow every change.
// Ownership: one owner, who may move it between threads but not share it. Thread: the owner's only;
// snapshots are free.
// Errors: apply and undo give kCorruption if the change does not fit the state exactly; the state
// must then be discarded. Sources: [S 05/1-3], [S 08/4.1, 4.8], architecture 4.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "storage/read_view.h"
#include "storage/snapshot.h"
#include "storage/transaction.h"
#include "storage/tx_data.h"

namespace worldline::storage {

class StateCore;

struct DatabaseOptions {
  GroupId group;  // Keys the row digests [S 08/4.8].
};

class DatabaseState {
 public:
  // A state with the system tables and nothing else; not a transaction [S 05/2].
  static std::unique_ptr<DatabaseState> bootstrap(const DatabaseOptions& options);
  ~DatabaseState();
  DatabaseState(const DatabaseState&) = delete;
  DatabaseState& operator=(const DatabaseState&) = delete;

  const ReadView& view() const;
  SnapshotPtr pin();                      // O(1). REQUIRES: no open transaction.
  Transaction begin(const TxInfo& info);  // REQUIRES: no open transaction.
  bool has_open_transaction() const;

  // Replay and followers. Per table deletes before inserts, rows exactly at the named places. Fills
  // the schemas of `data`. Rows of event and ephemeral tables are ignored.
  // REQUIRES: no open transaction.
  Status apply(TxData& data);
  // Takes back a transaction of this state. REQUIRES: newest first, no open transaction.
  Status undo(const TxData& data);

  TxOffset next_offset() const;
  Digest128 digest() const;  // Over the table digests in id order. O(tables), cached.

  // Recomputes digests, counts, indexes and occupancy from the rows and compares. O(data).
  Status check_invariants() const;

  StateCore& core() { return *core_; }  // For this room only.

 private:
  friend class Transaction;
  friend class CheckpointLoader;
  explicit DatabaseState(std::unique_ptr<StateCore> core);

  std::unique_ptr<StateCore> core_;
};

}  // namespace worldline::storage
