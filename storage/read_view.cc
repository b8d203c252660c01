// storage/read_view.cc: cursors, table views and look-up by name.
#include "storage/read_view.h"

#include <algorithm>

#include "storage/catalog.h"
#include "storage/table_record.h"

namespace worldline::storage {

Bytes RowCursor::row() const {
  return page_->row(ref_.slot);
}

bool RowCursor::next() {
  while (bits_ == 0) {
    if (page_ == nullptr || ++word_ >= page_->word_count()) {
      if (!next_page()) return false;
    }
    bits_ = page_->visible_word(word_);
  }
  ref_.slot = static_cast<uint16_t>(word_ * 64 + static_cast<uint32_t>(std::countr_zero(bits_)));
  bits_ &= bits_ - 1;
  return true;
}

bool RowCursor::next_page() {
  while (next_page_ < table_->pages.size()) {
    page_ = table_->pages.get(next_page_);
    ref_.page = next_page_++;
    word_ = 0;
    if (page_ != nullptr) return true;
  }
  return false;
}

Bytes IndexCursor::row() const {
  return table_->row(ref_);
}

bool IndexCursor::next_direct() {
  const auto key = next_key_ < end_key_ ? direct_->find_next(next_key_) : std::nullopt;
  if (!key || *key >= end_key_) {
    next_key_ = end_key_;
    return false;
  }
  ref_ = RowRef::from_packed(*direct_->find(*key));
  next_key_ = *key + 1;
  return true;
}

void IndexCursor::begin_one(const TableRecord* table, RowRef ref) {
  table_ = table;
  ref_ = ref;
  is_before_one_ = true;
}

bool IndexCursor::next() {
  if (is_before_one_) {
    is_before_one_ = false;
    return true;
  }
  if (direct_ != nullptr) return next_direct();
  const auto at_end = [this] {
    return path_.steps[0].node == end_leaf_ && path_.steps[0].at == end_at_;
  };
  // The end may lie behind the last entry of its leaf, so it is looked for on both sides of the
  // step to the next leaf.
  if (path_.depth == 0 || at_end() || !tree_normalise(path_) || at_end()) {
    path_.depth = 0;
    return false;
  }
  ref_ = RowRef::from_packed(path_.steps[0].node->payload()[path_.steps[0].at++]);
  return true;
}

void TableView::bind(const TableRecord* record) {
  record_ = record;
  const size_t count = record->schema->indexes.size();
  if (index_views_.size() == count) return;
  index_views_.clear();
  index_views_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) index_views_.emplace_back(this, i);
}

const TableSchema& TableView::schema() const {
  return *record_->schema;
}
const TableSchemaPtr& TableView::schema_ptr() const {
  return record_->schema;
}
uint64_t TableView::row_count() const {
  return record_->row_count;
}
uint64_t TableView::row_bytes() const {
  return record_->row_bytes;
}
uint64_t TableView::page_bytes() const {
  uint64_t bytes = 0;
  for (uint32_t number = 0; number < record_->pages.size(); ++number) {
    const Page* const page = record_->find_page(number);
    if (page == nullptr) continue;
    bytes += page->alloc_bytes();
    if (page->row_class() != kBlobClass) continue;
    for (uint32_t slot = 0; slot < page->slot_count(); ++slot)
      if (page->is_visible(slot)) bytes += page->row(slot).size();
  }
  return bytes;
}
Digest128 TableView::digest() const {
  return record_->digest;
}
RowCursor TableView::scan() const {
  return RowCursor(record_);
}
Bytes TableView::row(RowRef ref) const {
  return record_->row(ref);
}
std::optional<RowRef> TableView::find_row(Bytes row) const {
  return record_->find_row(row);
}
std::span<const IndexView> TableView::indexes() const {
  return index_views_;
}

const IndexView* TableView::index(TableIndexId id) const {
  for (const IndexView& view : index_views_)
    if (view.schema().id == id) return &view;
  return nullptr;
}

const IndexView* TableView::index_on(std::span<const ColumnId> columns) const {
  const IndexView* best = nullptr;
  for (const IndexView& view : index_views_) {
    const auto& own = view.schema().columns;
    if (!std::equal(own.begin(), own.end(), columns.begin(), columns.end())) continue;
    if (best == nullptr || (view.schema().is_unique && !best->schema().is_unique)) best = &view;
  }
  return best;
}

const TableView* ReadView::find_table(TableId id) const {
  const auto position = catalog().find_table(id);
  return position ? table_at(*position) : nullptr;
}

const TableView* ReadView::find_table(std::string_view name) const {
  const auto position = catalog().find_table(name);
  return position ? table_at(*position) : nullptr;
}

const IndexView* ReadView::find_index(TableIndexId id) const {
  const auto place = catalog().find_index(id);
  return place ? &table_at(place->table)->indexes()[place->index] : nullptr;
}

const IndexView* ReadView::find_index(std::string_view name) const {
  const auto place = catalog().find_index(name);
  return place ? &table_at(place->table)->indexes()[place->index] : nullptr;
}

std::vector<TableId> ReadView::table_ids() const {
  return catalog().table_ids();
}

TxOffset ReadView::offset() const {
  const TxOffset next = next_offset();
  return next.value == 0 ? next : TxOffset(next.value - 1);
}

}  // namespace worldline::storage
