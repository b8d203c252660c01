// storage/read_view.h
//
// What readers see of a database: ReadView finds TableViews and IndexViews, which give cursors and
// rows. It is the base of the live state (Transaction::view, DatabaseState::view) and of Snapshot,
// so queries are written once for both.
//
// Invariants: const methods only. Over a Snapshot everything borrowed stays valid while the
// Snapshot lives. Over the live state, views stay valid until the next schema change or rollback of
// one, cursors and rows until the next write to that table: copy them (row_chunks.h) or pin.
// Ownership: views belong to the state or snapshot; cursors are values and borrow from it.
// Thread: a Snapshot's views any; the live ones only the owner of the DatabaseState.
// Errors: point_key and range give kInvalidArgument (decode) or kFailedPrecondition (hash range)
// with the texts of [S 05/1.8]; see IndexKeyError for the errno. Sources: [S 05/1.6-1.8, 1.16].
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/data_result.h"
#include "storage/fwd.h"
#include "storage/recent_keys.h"
#include "storage/storage_types.h"
#include "storage/table_schema.h"
#include "storage/tree_node.h"

namespace worldline::storage {

// A key in the form its index compares: a number, or normalised bytes (schema/key_encoding.h).
// Only for the index it was made for. Reuse one to reuse its buffer.
class IndexKey {
 public:
  uint64_t word() const { return word_; }
  Bytes bytes() const { return bytes_; }

 private:
  friend class IndexView;
  friend class LiveTable;
  friend class IndexTree;
  friend struct TableRecord;
  uint64_t word_ = 0;
  ByteBuffer bytes_;
};

// Arguments of a range scan as the module gives them [S 05/1.8]. Borrowed for the call.
struct RangeArguments {
  Bytes prefix;  // BSATN of the first prefix_elements key parts.
  uint16_t prefix_elements = 0;
  Bytes start, end;  // BSATN of a bound: tag 0 included, 1 excluded, 2 unbounded.
};

// All rows of a table in physical order.
class RowCursor {
 public:
  bool next();  // REQUIRES: not called again after it returned false.
  RowRef ref() const { return ref_; }
  Bytes row() const;

 private:
  friend class TableView;
  explicit RowCursor(const TableRecord* table) : table_(table) {}
  bool next_page();

  const TableRecord* table_;    // Borrowed.
  const Page* page_ = nullptr;  // Borrowed.
  uint64_t bits_ = 0;           // Rows of the current word still to come.
  uint32_t next_page_ = 0;
  uint32_t word_ = 0;
  RowRef ref_;
};

// Rows of one index range in ascending key order, equal keys by row ref.
class IndexCursor {
 public:
  IndexCursor() = default;  // Empty.
  bool next();
  RowRef ref() const { return ref_; }
  Bytes row() const;

 private:
  friend class IndexTree;
  bool next_direct();
  void begin_one(const TableRecord* table, RowRef ref);  // That row alone.

  const TableRecord* table_ = nullptr;  // Borrowed.
  TreePath path_;                       // Where the next entry is; depth 0: at the end.
  const TreeNode* end_leaf_ = nullptr;  // Stop there; null: at the end of the tree.
  uint32_t end_at_ = 0;
  const DirectMap* direct_ = nullptr;  // Borrowed; not null: its keys [next_key_, end_key_).
  uint64_t next_key_ = 0;
  uint64_t end_key_ = 0;
  bool is_before_one_ = false;  // ref_ is still to come, and nothing after it.
  RowRef ref_;
};

class IndexView {
 public:
  IndexView(const TableView* table, uint32_t position) : table_(table), position_(position) {}

  const IndexSchema& schema() const;
  const TableView& table() const { return *table_; }

  // The key of a point scan from BSATN: one value, or the columns' values one after the other.
  DataResult<IndexKey> point_key(Bytes bsatn) const;
  DataStatus make_point_key(Bytes bsatn, IndexKey& key) const;  // The same into a reused key.
  void make_row_key(Bytes row, IndexKey& key) const;            // REQUIRES: a valid row.
  // REQUIRES: one valid value per index column, each exactly its BSATN.
  void make_values_key(std::span<const Bytes> values, IndexKey& key) const;

  std::optional<RowRef> find_unique(const IndexKey& key) const;  // REQUIRES: schema().is_unique.
  bool contains(const IndexKey& key) const;
  IndexCursor point(const IndexKey& key) const;
  IndexCursor all() const;  // Every row in key order. REQUIRES: supports_range().
  DataResult<IndexCursor> range(const RangeArguments& arguments) const;
  // For the query planner, which has typed literals; an absent bound is open.
  // REQUIRES: supports_range().
  struct ValueBound {
    std::span<const Bytes> values;  // Valid BSATN of the first values.size() index columns.
    bool inclusive = true;          // Whether rows that begin with these values belong.
  };
  IndexCursor range_of_values(std::optional<ValueBound> from, std::optional<ValueBound> to) const;

  uint64_t distinct_keys() const;  // Exact, O(1).
  bool supports_range() const;

 private:
  // Half-open ranges in either key form, built from inclusive or exclusive bounds.
  struct WordRange {
    std::optional<uint64_t> from, to;
    bool is_empty = false;
    void begin(uint64_t word, bool inclusive);
    void finish(uint64_t word, bool inclusive);
  };
  struct ByteRange {
    std::optional<ByteBuffer> from, to;
    bool is_empty = false;
    void begin(ByteBuffer key, bool inclusive);
    void finish(ByteBuffer key, bool inclusive);
  };
  IndexCursor between_words(const WordRange& range) const;
  IndexCursor between_bytes(const ByteRange& range) const;

  const TableView* table_;  // Owns this.
  uint32_t position_;       // In the table's indexes.
};

class TableView {
 public:
  const TableSchema& schema() const;
  const TableSchemaPtr& schema_ptr() const;
  uint64_t row_count() const;
  uint64_t row_bytes() const;  // Sum of BSATN sizes.
  // Memory of the pages and of rows outside them; indexes are not in it. O(pages).
  uint64_t page_bytes() const;
  Digest128 digest() const;  // Zero for event and ephemeral tables [S 08/4.8].

  RowCursor scan() const;
  Bytes row(RowRef ref) const;                      // REQUIRES: the row exists.
  std::optional<RowRef> find_row(Bytes row) const;  // The identical row. REQUIRES: a valid row.

  std::span<const IndexView> indexes() const;
  const IndexView* index(TableIndexId id) const;
  // An index over exactly these columns in this order; prefers a unique one, then the lowest id.
  const IndexView* index_on(std::span<const ColumnId> columns) const;

  // --- For this room only. ---
  TableView() = default;
  TableView(const TableView&) = delete;
  TableView& operator=(const TableView&) = delete;
  const TableRecord& record() const { return *record_; }
  void bind(const TableRecord* record);  // Borrowed; outlives this or is bound anew.
  // Where finds through each index are remembered; by position, borrowed until set anew.
  void set_recent(std::span<RecentKeys> recent) { recent_ = recent; }
  RecentKeys* recent(uint32_t index) const {
    return index < recent_.size() ? &recent_[index] : nullptr;
  }

 private:
  const TableRecord* record_ = nullptr;
  std::vector<IndexView> index_views_;  // Of the live table and of each record.
  std::span<RecentKeys> recent_;        // Of the live table only.
};

class ReadView {
 public:
  ReadView() = default;
  ReadView(const ReadView&) = delete;
  ReadView& operator=(const ReadView&) = delete;
  virtual ~ReadView() = default;

  const TableView* find_table(TableId id) const;
  const TableView* find_table(std::string_view name) const;  // Canonical name, then accessor.
  const IndexView* find_index(TableIndexId id) const;
  const IndexView* find_index(std::string_view name) const;  // Canonical name, then accessor.

  std::vector<TableId> table_ids() const;  // Ascending; system tables included.

  // The latest offset this state depends on; next offset - 1, saturating at 0 [S 05/1.14].
  TxOffset offset() const;
  virtual TxOffset next_offset() const = 0;

 protected:
  virtual const Catalog& catalog() const = 0;
  virtual const TableView* table_at(uint32_t position) const = 0;
};

}  // namespace worldline::storage
