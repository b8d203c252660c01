// storage/state_core.h
//
// StateCore: what DatabaseState and Transaction share: the live tables, the unsharing of what
// snapshots hold, the open transaction with its touched tables, sequences and schema changes.
//
// Invariants: `version` counts pins; a record or page stamped with it is not known to any snapshot.
// Positions of dropped tables are not used again before the transaction that dropped them ended.
// Ownership: of DatabaseState. Thread: writer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/database_root.h"
#include "storage/id_map.h"
#include "storage/live_table.h"
#include "storage/snapshot.h"
#include "storage/transaction.h"
#include "storage/tx_data_pool.h"

namespace worldline::storage {

class CatalogContent;

class StateCore {
 public:
  struct IndexPlace {
    LiveTable* table = nullptr;
    uint32_t index = 0;
  };

  StateCore(GroupId group, uint64_t version);
  ~StateCore();
  StateCore(const StateCore&) = delete;
  StateCore& operator=(const StateCore&) = delete;

  const ReadView& view() const { return view_; }
  GroupId group() const { return root_->group; }
  uint64_t version() const { return version_; }
  const DatabaseRoot* pin();  // With one reference for the caller.
  TxOffset next_offset() const { return root_->next_offset; }
  void set_next_offset(TxOffset offset) { own_root().next_offset = offset; }
  Digest128 digest();

  // --- Tables. ---
  LiveTable* find_table(TableId id) {
    LiveTable* const* const found = by_id_.find(id);
    return found == nullptr ? nullptr : *found;
  }
  IndexPlace find_index(TableIndexId id) {
    const IndexPlace* const found = index_by_id_.find(id);
    return found == nullptr ? IndexPlace{} : *found;
  }
  const std::shared_ptr<const Catalog>& catalog() const;
  TableRecord* own_record(uint32_t position);
  // Schema changes; undone if the open transaction is rolled back.
  LiveTable& install_table(TableSchemaPtr schema);
  void detach_table(LiveTable& table);  // REQUIRES: it has no rows.
  Status replace_schema(LiveTable& table, TableSchemaPtr schema);
  // Makes the live table of `id` what its catalog rows say: new, changed or gone.
  Status reconcile(TableId id);
  Status reconcile(TableId id, const CatalogContent& content);
  std::vector<LiveTable*> live_tables();  // Ascending by id.

  // --- The open transaction. ---
  bool is_open() const { return is_open_; }
  void begin(const TxInfo& info);
  CommitResult commit();
  void rollback();
  void note_touched(LiveTable& table);
  // Counts row bytes that are about to change; kTooLarge beyond kTxBytesMax.
  DataStatus charge(uint64_t bytes);
  void note_removed(uint64_t bytes) { charged_bytes_ += bytes; }  // Known only afterwards.
  ByteBuffer& images() { return images_; }
  // Fills columns whose value is zero from their sequences; `row` is changed in place.
  DataStatus fill_sequences(LiveTable& table, MutableBytes row, ByteBuffer& generated);
  struct Scratch {
    ByteBuffer row;
    ByteBuffer generated;
    IndexKey key;
    std::vector<RowRef> refs;
  };
  Scratch& scratch() { return scratch_; }

  // Sequences of all tables continue where st_sequence says.
  Status restart_sequences();
  Status restart_sequence(Bytes st_sequence_row);

 private:
  class LiveView final : public ReadView {
   public:
    explicit LiveView(StateCore& core) : core_(core) {}
    TxOffset next_offset() const override { return core_.next_offset(); }

   private:
    const Catalog& catalog() const override { return *core_.catalog(); }
    const TableView* table_at(uint32_t position) const override {
      return &core_.tables_[position]->view();
    }
    StateCore& core_;  // Borrowed; owns this.
  };
  struct Altered {
    uint32_t position;
    TableSchemaPtr before;
  };

  DatabaseRoot& own_root();
  Status swap_schema(LiveTable& table, TableSchemaPtr schema);
  void enter_maps(LiveTable& table);
  void leave_maps(const LiveTable& table);
  void end_transaction();
  void rollback_schema();
  void drop_record(uint32_t position);
  DataStatus take_sequence(LiveTable& table, Sequence& sequence, Int128& value);
  DataStatus persist_reservation(const LiveTable& table, const Sequence& sequence);

  DatabaseRoot* root_;  // Counted.
  uint64_t version_;
  uint64_t root_version_;                           // version_ when root_ was known to be unshared.
  std::vector<uint64_t> record_versions_;           // The same per position.
  std::vector<std::unique_ptr<LiveTable>> tables_;  // By position; null if dropped.
  IdMap<TableId, LiveTable*> by_id_;
  IdMap<TableIndexId, IndexPlace> index_by_id_;
  mutable std::shared_ptr<const Catalog> catalog_;  // Null when the schema has changed.
  LiveView view_{*this};

  bool is_open_ = false;
  Timestamp timestamp_;
  schema::Identity caller_;
  schema::ConnectionId connection_id_;
  std::string reducer_;
  ByteBuffer args_;
  uint64_t charged_bytes_ = 0;
  std::vector<LiveTable*> touched_;
  std::vector<Sequence*> saved_sequences_;
  std::vector<LiveTable*> created_;
  std::vector<std::unique_ptr<LiveTable>> dropped_;
  std::vector<Altered> altered_;
  ByteBuffer images_;  // Saved rows of the open transaction; cleared, not freed.
  TxDataPool pool_;
  TxDataBuilder builder_{&pool_};
  Scratch scratch_;
};

}  // namespace worldline::storage
