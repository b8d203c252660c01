// storage/live_table_apply.cc: changes made elsewhere, rebuilding after a load, and invariants.
#include <algorithm>
#include <optional>
#include <vector>

#include "storage/live_table.h"
#include "storage/state_core.h"

namespace worldline::storage {

Status LiveTable::remove_exactly(RowRef ref, Bytes row) {
  if (!record_->is_visible(ref) || !equal(record_->row(ref), row))
    return Status::corruption("table `{}`: no such row at page {} slot {} to delete", schema().name,
                              ref.page, ref.slot);
  TableRecord& record = own();
  Page* page = own_page(ref.page);
  if (!schema().is_ephemeral) record.digest.subtract(digest_of_row(digest_seed_, row));
  erase_keys(page->row(ref.slot), ref);
  page->hide(ref.slot);
  page->free_slot(ref.slot);
  free_.page_has_room(ref.page, page->row_class());
  pages_to_settle_.push_back(ref.page);
  return {};
}

Status LiveTable::place_exactly(RowRef ref, Bytes row) {
  const auto end = schema().layout.find_row_end(row);
  if (!end || *end != row.size())
    return Status::corruption("table `{}`: malformed row of {} bytes", schema().name, row.size());
  make_keys(row);
  std::optional<RowRef> identical;
  const uint32_t clash = find_clash(row, identical);
  if (identical || clash != kNoIndex)
    return Status::corruption("table `{}`: row for page {} slot {} is there already", schema().name,
                              ref.page, ref.slot);
  TableRecord& record = own();
  const uint8_t row_class = record.row_class(row);
  Page* page = record.pages.get(ref.page);
  // Numbers are handed out lowest first, so one far beyond the others is damage.
  if (page == nullptr && ref.page > record.pages.size() + record.row_count + 1'000'000)
    return Status::corruption("table `{}`: page {} out of reach", schema().name, ref.page);
  page = page == nullptr ? create_page(ref.page, row_class) : own_page(ref.page);
  if (page->row_class() != row_class || ref.slot >= page->slot_count() || page->is_taken(ref.slot))
    return Status::corruption("table `{}`: page {} slot {} is not free", schema().name, ref.page,
                              ref.slot);
  write_row(ref, page, row);
  insert_keys(row, ref);
  if (!schema().is_ephemeral) record.digest.add(digest_of_row(digest_seed_, row));
  return {};
}

void LiveTable::remove_all() {
  clear_indexes();
  TableRecord& record = *record_;
  record.pages.clear();
  free_.clear();
  pages_to_settle_.clear();
  record.row_count = 0;
  record.row_bytes = 0;
  record.digest = {};
}

void LiveTable::add_loaded_page(uint32_t number, Page* page) {
  void*& link = own().pages.own(number);
  WL_CHECK(link == nullptr);
  link = page;
}

Status LiveTable::rebuild() {
  std::vector<std::optional<RowRef>> repeats(begin_rebuild());
  for (size_t part = 0; part < repeats.size(); ++part) repeats[part] = rebuild_part(part);
  return end_rebuild(repeats);
}

// Parts: the sums, each index, and the tree of rows if no index is unique.
size_t LiveTable::begin_rebuild() {
  clear_indexes();
  TableRecord& record = *record_;
  record.row_count = 0;
  record.row_bytes = 0;
  record.digest = {};
  free_.clear();
  for (uint32_t number = 0; number < record.pages.size(); ++number)
    if (const Page* page = record.pages.get(number)) free_.add_page(number, *page);
  return 1 + record.indexes.size() + (record.first_unique == kNoIndex ? 1 : 0);
}

std::optional<RowRef> LiveTable::rebuild_part(size_t part) {
  if (part == 0) {
    rebuild_sums();
    return std::nullopt;
  }
  if (part <= record_->indexes.size()) return rebuild_index(static_cast<uint32_t>(part - 1));
  return rebuild_rows();
}

void LiveTable::rebuild_sums() {
  const bool is_digested = !schema().is_ephemeral && !schema().is_event;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  Digest128 digest;
  RowCursor cursor = view_.scan();
  while (cursor.next()) {
    const Bytes row = cursor.row();
    ++rows;
    bytes += row.size();
    if (is_digested) digest.add(digest_of_row(digest_seed_, row));
  }
  record_->row_count = rows;
  record_->row_bytes = bytes;
  record_->digest = digest;
}

std::optional<RowRef> LiveTable::rebuild_index(uint32_t index) {
  IndexTree& tree = record_->indexes[index];
  IndexKey key;
  RowCursor cursor = view_.scan();
  while (cursor.next()) {
    record_->make_row_key(index, cursor.row(), key);
    if (tree.is_unique() && tree.find_unique(record_, key)) return cursor.ref();
    tree.insert(key, cursor.ref());
  }
  return std::nullopt;
}

std::optional<RowRef> LiveTable::rebuild_rows() {
  const TableRecord& record = *record_;
  IndexKey key;
  RowCursor cursor = view_.scan();
  while (cursor.next()) {
    const Bytes row = cursor.row();
    key.word_ = TableRecord::hash_row(row);
    for (IndexCursor same = record.rows.point(&record, key); same.next();)
      if (equal(record.row(same.ref()), row)) return cursor.ref();
    record_->rows.insert(key, cursor.ref());
  }
  return std::nullopt;
}

// Names the first row in physical order, whichever part met it.
Status LiveTable::end_rebuild(const std::vector<std::optional<RowRef>>& repeats) const {
  std::optional<RowRef> first;
  for (const auto& repeat : repeats)
    if (repeat && (!first || *repeat < *first)) first = repeat;
  if (!first) return {};
  return Status::corruption("table `{}`: page {} slot {} repeats a unique row", schema().name,
                            first->page, first->slot);
}

Status LiveTable::check_pages() const {
  for (uint32_t number = 0; number < record_->pages.size(); ++number) {
    const Page* page = record_->pages.get(number);
    if (page == nullptr) continue;
    uint32_t visible = 0;
    uint32_t taken = 0;
    for (uint32_t slot = 0; slot < page->slot_count(); ++slot) {
      visible += page->is_visible(slot) ? 1 : 0;
      taken += page->is_taken(slot) ? 1 : 0;
    }
    const bool counted = visible == page->visible_count() && taken == page->taken_count();
    if (!counted || visible != taken || taken == 0)
      return Status::corruption("table `{}`: occupancy of page {}", schema().name, number);
    auto& free = const_cast<FreeSpace&>(free_);  // has_room grows its lists, nothing else.
    if (free.has_room(number, page->row_class()) == page->is_full())
      return Status::corruption("table `{}`: free space of page {}", schema().name, number);
  }
  return {};
}

Status LiveTable::check_rows() const {
  const TableRecord& record = *record_;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  Digest128 digest;
  IndexKey key;
  RowCursor cursor = view_.scan();
  while (cursor.next()) {
    const Bytes row = cursor.row();
    ++rows;
    bytes += row.size();
    digest.add(digest_of_row(digest_seed_, row));
    const auto end = schema().layout.find_row_end(row);
    if (!end || *end != row.size())
      return Status::corruption("table `{}`: malformed row", schema().name);
    for (uint32_t i = 0; i < record.indexes.size(); ++i) {
      record.make_row_key(i, row, key);
      IndexCursor found = record.indexes[i].point(&record, key);
      bool is_there = false;
      while (found.next()) is_there = is_there || found.ref() == cursor.ref();
      if (!is_there)
        return Status::corruption("table `{}`: index {} misses page {} slot {}", schema().name, i,
                                  cursor.ref().page, cursor.ref().slot);
    }
    if (record.find_row(row) != cursor.ref())
      return Status::corruption("table `{}`: a row is not found by value", schema().name);
  }
  const bool keeps_digest = !schema().is_ephemeral && !schema().is_event;
  if (rows != record.row_count || bytes != record.row_bytes)
    return Status::corruption("table `{}`: row counts", schema().name);
  if (keeps_digest && !(digest == record.digest))
    return Status::corruption("table `{}`: digest", schema().name);
  return {};
}

Status LiveTable::check_recent() const {
  IndexKey key;
  for (uint32_t i = 0; i < recent_.size(); ++i) {
    const IndexTree& tree = record_->indexes[i];
    const bool agrees = recent_[i].all_of([this, &tree, &key](uint64_t word, RowRef ref) {
      key.word_ = word;
      return tree.is_unique() && tree.find_unique(record_, key) == ref;
    });
    if (!agrees)
      return Status::corruption("table `{}`: remembered keys of index {}", schema().name, i);
  }
  return {};
}

Status LiveTable::check_invariants() const {
  WL_RETURN_IF_ERROR(check_pages());
  WL_RETURN_IF_ERROR(check_rows());
  for (uint32_t i = 0; i < record_->indexes.size(); ++i)
    if (record_->indexes[i].entries() != record_->row_count || !record_->indexes[i].check())
      return Status::corruption("table `{}`: structure of index {}", schema().name, i);
  WL_RETURN_IF_ERROR(check_recent());
  const uint64_t mapped = record_->first_unique == kNoIndex ? record_->row_count : 0;
  if (record_->rows.entries() != mapped || !record_->rows.check())
    return Status::corruption("table `{}`: structure of the row map", schema().name);
  return {};
}

}  // namespace worldline::storage
