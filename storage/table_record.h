// storage/table_record.h
//
// TableRecord: one version of one table: schema, pages, indexes, counts. The live state and every
// snapshot that has not seen a later change share it; the first change after a pin clones it, which
// copies a few words per index and no rows.
//
// Invariants: row_count, row_bytes and every index agree with the visible rows of the pages; `rows`
// has an entry per row exactly if no index is unique, otherwise the first unique index finds
// identical rows [S 05/4.3]. digest covers committed rows only: it follows at commit.
// Ownership: intrusive count. Thread: shared records any; changed by the writer only if unshared.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/cow_vector.h"
#include "storage/index_tree.h"
#include "storage/page.h"
#include "storage/read_view.h"

namespace worldline::storage {

inline constexpr uint32_t kNoIndex = UINT32_MAX;

struct TableRecord {
  explicit TableRecord(TableSchemaPtr table_schema);
  TableRecord(const TableRecord&) = delete;
  TableRecord& operator=(const TableRecord&) = delete;

  TableRecord* clone() const { return std::make_unique<TableRecord>(*this, CloneTag{}).release(); }
  void add_ref() { refs.add(); }
  void release();

  Bytes row(RowRef ref) const { return pages.get(ref.page)->row(ref.slot); }
  const Page* find_page(uint32_t number) const { return pages.get(number); }
  bool is_visible(RowRef ref) const;
  bool has_fixed_rows() const { return fixed_rows; }
  uint8_t row_class(Bytes row_bytes_in) const {
    return row_class_of(row_bytes_in.size(), fixed_rows);
  }
  void make_row_key(uint32_t index, Bytes row, IndexKey& key) const;
  bool has_key(uint32_t index, Bytes row, const IndexKey& key) const;
  std::optional<RowRef> find_row(Bytes row) const;
  // Shares the pages of another version, and its indexes where they are defined alike. False if
  // some index is not: rebuild then.
  bool take_rows(const TableRecord& other);
  static uint64_t hash_row(Bytes row);  // Of `rows`.

  struct CloneTag {};
  TableRecord(const TableRecord& other, CloneTag);

  RefCount refs;
  const TableSchemaPtr schema;
  const bool fixed_rows;
  const uint32_t fixed_row_bytes;
  uint32_t first_unique = kNoIndex;  // Position of the unique index with the lowest id.
  uint32_t unique_count = 0;

  uint64_t row_count = 0;
  uint64_t row_bytes = 0;
  Digest128 digest;
  CowVector<Page> pages;
  IndexTree rows{KeyKind::kWord, Uniqueness::kDuplicates};
  std::vector<IndexTree> indexes;  // As schema->indexes.
  TableView view;                  // Of this record.
};

// Adds the row's part of the table digest. `seed` is digest_seed of the group and table.
uint64_t digest_seed(GroupId group, TableId table);
Digest128 digest_of_row(uint64_t seed, Bytes row);

}  // namespace worldline::storage
