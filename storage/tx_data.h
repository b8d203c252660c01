// storage/tx_data.h
//
// TxData: the net change of one transaction, as the log, subscribers and undo need it [S 05/3].
//
// Invariants: tables ascend by id; no row value occurs in both lists of a table, none twice; event
// tables have inserts only; `truncated` says that a table with deletes ended empty. Every row list
// points into one block that TxData owns. A TxData is three allocations whatever its size, or none
// if its buffers come from a TxDataPool.
// Ownership: shared_ptr<const TxData>, frozen; crosses threads. Build one with TxDataBuilder.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/storage_types.h"
#include "storage/table_schema.h"

namespace worldline::storage {

// Rows as contiguous BSATN with end offsets, and where each lives (inserts) or lived (deletes).
struct RowList {
  Bytes rows;
  std::span<const uint32_t> ends;  // ends[i] is where row i ends in `rows`.
  std::span<const RowRef> refs;

  size_t size() const { return ends.size(); }
  bool empty() const { return ends.empty(); }
  Bytes operator[](size_t i) const {
    const uint32_t begin = i == 0 ? 0 : ends[i - 1];
    return rows.subspan(begin, ends[i] - begin);
  }
};

struct TableDelta {
  TableId table;
  TableSchemaPtr schema;  // Null in a decoded log record until DatabaseState::apply has seen it.
  RowList inserts;
  RowList deletes;
  bool truncated = false;
  bool is_ephemeral = false;  // Not in the log's durable part [S 05/3.2].
};

struct TxData {
  TxOffset offset;
  bool consumed_offset = false;  // False: offset is the latest this result depends on.
  Timestamp timestamp;
  schema::Identity caller;
  schema::ConnectionId connection_id;
  std::string_view reducer;  // Points into the block; empty if not a reducer.
  Bytes args;                // Points into the block.
  std::vector<TableDelta> tables;

  TxData() = default;
  TxData(const TxData&) = delete;
  TxData& operator=(const TxData&) = delete;

  const TableDelta* find_table(TableId id) const;
  size_t row_count() const;

 private:
  friend class TxDataBuilder;
  friend class TxDataPool;
  Byte* make_block(size_t bytes);  // With room for that much.
  // Back to an empty one; keeps buffers up to those sizes.
  void recycle(size_t block_bytes_max, size_t tables_max);

  std::unique_ptr<Byte[]> block_;
  size_t block_bytes_ = 0;
};

using TxDataPtr = std::shared_ptr<const TxData>;

// Collects rows table by table and packs them. Reusable: its buffers keep their capacity.
// REQUIRES: tables in ascending id order; per table, rows of both lists in any interleaving.
class TxDataPool;
class TxDataBuilder {
 public:
  // `pool`: where its change sets come from, borrowed; null: from the heap.
  explicit TxDataBuilder(TxDataPool* pool = nullptr) : pool_(pool) {}

  void begin_table(TableId id, TableSchemaPtr schema);
  void add_insert(RowRef ref, Bytes row);
  void add_delete(RowRef ref, Bytes row);
  void set_truncated(bool truncated);
  void set_ephemeral(bool is_ephemeral);

  size_t table_count() const { return tables_.size(); }
  bool current_table_is_empty() const;
  void drop_current_table();  // Undoes begin_table. REQUIRES: no rows were added to it.

  // Packs everything into a new TxData with `header`'s scalar fields; the builder is empty again.
  std::shared_ptr<TxData> finish(const TxInfo& info, TxOffset offset, bool consumed_offset);

 private:
  struct Rows {
    ByteBuffer bytes;
    std::vector<uint32_t> ends;
    std::vector<RowRef> refs;
    void clear();
  };
  struct Range {
    size_t first_row = 0, row_count = 0, first_byte = 0, byte_count = 0;
  };
  struct PendingTable {
    TableId id;
    TableSchemaPtr schema;
    Range inserts, deletes;
    bool truncated = false;
    bool is_ephemeral = false;
  };
  static void add(Rows& rows, Range& range, RowRef ref, Bytes row);

  TxDataPool* const pool_;  // Borrowed; outlives this.
  Rows inserts_, deletes_;
  std::vector<PendingTable> tables_;
};

}  // namespace worldline::storage
