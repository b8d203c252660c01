// storage/live_table.h
//
// LiveTable: the writer's side of one table: finds space, changes pages and indexes in place
// (unsharing what a snapshot holds), and remembers what the open transaction did to each slot.
//
// The idea: a transaction needs no log of operations. Per touched slot the state at its start and
// the present one suffice: rollback removes every new row and shows every old one again, and the
// same two states are the net change. An update of a table with one unique index overwrites the row
// in its slot and saves the old bytes: nobody can put the old row back while a row with its key is
// there. With several unique indexes somebody could, so there the new row gets a slot of its own.
//
// Invariants: a slot freed by the transaction stays taken until it commits; an identical row that
// is inserted again returns to it. Rows passed in are valid BSATN of the table's row type, exact,
// and do not point into this state.
// Ownership: owned by StateCore; borrows it. Thread: writer.
// Sources: [S 05/1.3-1.5, 3.1], [S 04/R06].
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "storage/free_space.h"
#include "storage/sequence.h"
#include "storage/table_record.h"
#include "storage/tx_data.h"
#include "storage/tx_slots.h"

namespace worldline::storage {

class StateCore;

struct RowChange {
  enum class Kind : uint8_t { kDone, kUnchanged, kClash, kNoSuchRow };
  Kind kind = Kind::kDone;
  RowRef ref;
  uint32_t clash_index = 0;  // Position of the violated unique index, if kClash.
};

class LiveTable {
 public:
  LiveTable(StateCore& core, uint32_t position, TableRecord* record);
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;

  const TableSchema& schema() const { return *record_->schema; }
  const TableRecord& record() const { return *record_; }
  const TableView& view() const { return view_; }
  uint32_t position() const { return position_; }
  std::vector<Sequence>& sequences() { return sequences_; }  // In column order.
  void make_sequences();                                     // As the schema says, at their start.

  // --- The open transaction's changes. ---
  RowChange insert(Bytes row);
  RowChange update(uint32_t index, Bytes row);  // REQUIRES: that index is unique.
  void remove(RowRef ref);                      // REQUIRES: the row is visible.
  uint64_t clear();

  // --- Its end. ---
  bool is_touched() const { return is_touched_; }
  void append_changes(TxDataBuilder& builder);
  void commit();
  void rollback();

  // --- Changes made elsewhere (apply, undo, load); no transaction is open. ---
  Status remove_exactly(RowRef ref, Bytes row);
  Status place_exactly(RowRef ref, Bytes row);
  void remove_all();
  void settle();  // After a batch of the three above.

  // Builds everything derived from the pages of a loaded or altered record.
  Status rebuild();
  // The same in parts, one per index, which may run at once on several threads: between the two
  // outer calls each part exactly once and nothing else. A part writes its own tree, or the sums,
  // and reads the pages; so the result does not depend on threads.
  size_t begin_rebuild();                           // The number of parts.
  std::optional<RowRef> rebuild_part(size_t part);  // The first row that repeats a unique one.
  Status end_rebuild(const std::vector<std::optional<RowRef>>& repeats) const;  // Of each part.
  void bind(TableRecord* record);  // Another version took the place in the root.
  void add_loaded_page(uint32_t number, Page* page);
  Status check_invariants() const;

 private:
  // Makes the record, or also a page, changeable without a snapshot noticing.
  TableRecord& own();
  Page* own_page(uint32_t number);
  Page* create_page(uint32_t number, uint8_t row_class);
  void drop_page_if_empty(uint32_t number);

  void touch();
  bool is_new(RowRef ref);
  void make_keys(Bytes row);
  uint32_t find_clash(Bytes row, std::optional<RowRef>& identical);
  std::optional<RowRef> find_deleted(Bytes row);
  RowRef add_row(Bytes row);
  void write_row(RowRef ref, Page* page, Bytes row);
  void show_deleted(RowRef ref, Bytes row);
  void overwrite(RowRef ref, uint32_t index, Bytes row);
  bool may_overwrite(RowRef ref, Bytes row);
  void save_and_write(TxSlot& slot, Page* page, Bytes row);
  std::optional<RowRef> find_unique(uint32_t index) const {  // By keys_.
    return view_.indexes()[index].find_unique(keys_[index]);
  }
  void erase_key(uint32_t index, RowRef ref);  // Of old_key_.
  void insert_keys(Bytes row, RowRef ref);     // Of keys_.
  void erase_keys(Bytes row, RowRef ref);
  void clear_indexes();
  Bytes image_of(const TxSlot& slot) const;
  void undo_new_row(const TxSlot& slot);
  void undo_old_row(const TxSlot& slot);
  void rebuild_sums();
  std::optional<RowRef> rebuild_index(uint32_t index);
  std::optional<RowRef> rebuild_rows();
  Status check_rows() const;
  Status check_pages() const;
  Status check_recent() const;

  StateCore& core_;  // Borrowed; outlives this.
  const uint32_t position_;

  TableRecord* record_;  // Owned by the root; replaced when unshared.
  TableView view_;       // Stays where it is when record_ is replaced.
  FreeSpace free_;
  std::vector<Sequence> sequences_;
  uint64_t digest_seed_;

  bool is_touched_ = false;
  uint64_t start_row_count_ = 0;  // At the first touch.
  uint64_t start_row_bytes_ = 0;
  TxSlots slots_;
  std::vector<uint32_t> deleted_;  // Indexes of slots that became kDeleted; some may have left it.
  std::unordered_multimap<uint64_t, uint32_t> deleted_by_hash_;  // Of the first deleted_hashed_.
  size_t deleted_hashed_ = 0;

  std::vector<RecentKeys> recent_;  // Per index.
  std::vector<IndexKey> keys_;      // Scratch: keys of the row at hand, per index.
  IndexKey old_key_;
  IndexKey hash_key_;
  std::vector<uint32_t> pages_to_settle_;
};

}  // namespace worldline::storage
