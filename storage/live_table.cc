// storage/live_table.cc: row changes of the open transaction, their commit and rollback.
#include "storage/live_table.h"

#include <algorithm>

#include "storage/state_core.h"

namespace worldline::storage {
namespace {

constexpr size_t kDeletedLinearMax = 8;  // Up to here deleted rows are compared one by one.

}  // namespace

LiveTable::LiveTable(StateCore& core, uint32_t position, TableRecord* record)
    : core_(core),
      position_(position),
      digest_seed_(digest_seed(core.group(), record->schema->id)) {
  bind(record);
}

void LiveTable::bind(TableRecord* record) {
  record_ = record;
  view_.bind(record);
  recent_.clear();
  recent_.resize(record->indexes.size());
  view_.set_recent(recent_);
  keys_.resize(record->indexes.size());
}

void LiveTable::make_sequences() {
  sequences_.clear();
  for (const SequenceSchema& sequence : schema().sequences)
    sequences_.emplace_back(sequence, sequence.start);
  // Generated values are handed back in column order [S 03/3.4].
  std::sort(sequences_.begin(), sequences_.end(), [](const Sequence& a, const Sequence& b) {
    return a.schema().column < b.schema().column;
  });
}

TableRecord& LiveTable::own() {
  TableRecord* record = core_.own_record(position_);
  if (record != record_) {  // A clone: the rows and indexes are the same.
    record_ = record;
    view_.bind(record);
  }
  return *record_;
}

Page* LiveTable::own_page(uint32_t number) {
  Page* page = record_->pages.get(number);
  // Stamped since the last pin: no snapshot knows it, nor anything on the way to it.
  if (page->version() == core_.version()) [[likely]]
    return page;
  void*& link = own().pages.own(number);
  page = static_cast<Page*>(link);
  if (page->is_shared()) {
    Page* copy = page->clone();
    page->release();
    link = page = copy;
  }
  page->set_version(core_.version());
  return page;
}

Page* LiveTable::create_page(uint32_t number, uint8_t row_class) {
  TableRecord& record = own();
  const auto format = PageFormat::of_class(row_class, record.fixed_row_bytes);
  Page* page = Page::create(format, core_.version());
  void*& link = record.pages.own(number);
  WL_CHECK(link == nullptr);
  link = page;
  free_.add_page(number, *page);
  return page;
}

void LiveTable::drop_page_if_empty(uint32_t number) {
  Page* page = record_->pages.get(number);
  if (page == nullptr || page->taken_count() != 0) return;
  void*& link = own().pages.own(number);
  free_.drop_page(number, page->row_class());
  page->release();
  link = nullptr;
}

void LiveTable::touch() {
  if (is_touched_) return;
  is_touched_ = true;
  start_row_count_ = record_->row_count;
  start_row_bytes_ = record_->row_bytes;
  core_.note_touched(*this);
}

bool LiveTable::is_new(RowRef ref) {
  if (slots_.size() == 0) return false;
  const TxSlot* slot = slots_.find(ref);
  return slot != nullptr &&
         (slot->state == SlotState::kInserted || slot->state == SlotState::kReplaced);
}

void LiveTable::make_keys(Bytes row) {
  for (uint32_t i = 0; i < keys_.size(); ++i) record_->make_row_key(i, row, keys_[i]);
  if (record_->first_unique == kNoIndex) hash_key_.word_ = TableRecord::hash_row(row);
}

// The violated unique index of a row whose keys_ are made, or kNoIndex. Rows of this transaction
// are named before committed ones, each in ascending index id [S 05/1.3].
uint32_t LiveTable::find_clash(Bytes row, std::optional<RowRef>& identical) {
  const TableRecord& record = *record_;
  if (record.first_unique == kNoIndex) {
    IndexCursor cursor = record.rows.point(&record, hash_key_);
    while (cursor.next())
      if (equal(record.row(cursor.ref()), row)) identical = cursor.ref();
    return kNoIndex;
  }
  uint32_t committed_clash = kNoIndex;
  for (uint32_t i = record.first_unique; i < keys_.size(); ++i) {
    if (!record.indexes[i].is_unique()) continue;
    const auto found = find_unique(i);
    if (!found) continue;
    if (i == record.first_unique && equal(record.row(*found), row)) {
      identical = found;
      return kNoIndex;
    }
    if (is_new(*found)) return i;
    if (committed_clash == kNoIndex) committed_clash = i;
  }
  return committed_clash;
}

RowChange LiveTable::insert(Bytes row) {
  make_keys(row);
  std::optional<RowRef> identical;
  const uint32_t clash = find_clash(row, identical);
  if (identical) return {RowChange::Kind::kUnchanged, *identical, 0};
  if (clash != kNoIndex) return {RowChange::Kind::kClash, {}, clash};
  touch();
  if (const auto deleted = find_deleted(row)) {
    show_deleted(*deleted, row);
    return {RowChange::Kind::kDone, *deleted, 0};
  }
  return {RowChange::Kind::kDone, add_row(row), 0};
}

RowChange LiveTable::update(uint32_t index, Bytes row) {
  make_keys(row);
  const TableRecord& record = *record_;
  const auto old = find_unique(index);
  uint32_t new_clash = kNoIndex;
  for (uint32_t i = record.first_unique; record.unique_count > 1 && i < keys_.size(); ++i) {
    if (i == index || !record.indexes[i].is_unique()) continue;
    const auto found = find_unique(i);
    if (!found || found == old) continue;
    // A clash with a committed row is reported even if there is no old row [S 05/1.4].
    if (!is_new(*found)) return {RowChange::Kind::kClash, {}, i};
    if (new_clash == kNoIndex) new_clash = i;
  }
  if (!old) return {RowChange::Kind::kNoSuchRow, {}, 0};
  if (equal(record.row(*old), row)) return {RowChange::Kind::kUnchanged, *old, 0};
  if (new_clash != kNoIndex) return {RowChange::Kind::kClash, {}, new_clash};
  touch();
  core_.note_removed(record.row(*old).size());
  if (const auto deleted = find_deleted(row)) {
    remove(*old);
    show_deleted(*deleted, row);
    return {RowChange::Kind::kDone, *deleted, 0};
  }
  if (may_overwrite(*old, row)) {
    overwrite(*old, index, row);
    return {RowChange::Kind::kDone, *old, 0};
  }
  remove(*old);
  return {RowChange::Kind::kDone, add_row(row), 0};
}

bool LiveTable::may_overwrite(RowRef ref, Bytes row) {
  if (record_->find_page(ref.page)->row_class() != record_->row_class(row)) return false;
  if (record_->unique_count == 1) return true;
  const TxSlot* slot = slots_.find(ref);
  return slot != nullptr && slot->state == SlotState::kInserted;
}

// `index` is the one whose key is known to be the same.
void LiveTable::overwrite(RowRef ref, uint32_t index, Bytes row) {
  TableRecord& record = own();
  Page* page = own_page(ref.page);
  const Bytes old = page->row(ref.slot);
  for (uint32_t i = 0; i < keys_.size(); ++i) {
    if (i == index) continue;
    record.make_row_key(i, old, old_key_);
    const bool same = record.indexes[i].kind() == KeyKind::kWord
                          ? old_key_.word() == keys_[i].word()
                          : equal(old_key_.bytes(), keys_[i].bytes());
    if (same) continue;
    erase_key(i, ref);
    record.indexes[i].insert(keys_[i], ref);
  }
  record.row_bytes += row.size() - old.size();  // Wraps back: the sum is never negative.
  save_and_write(slots_.obtain(ref), page, row);
}

void LiveTable::save_and_write(TxSlot& slot, Page* page, Bytes row) {
  switch (slot.state) {
    case SlotState::kUnchanged:
      slot.image_bytes = static_cast<uint32_t>(page->slot_image_bytes(slot.ref.slot));
      slot.image_offset = core_.images().size();
      core_.images().resize(slot.image_offset + slot.image_bytes);
      page->swap_out(slot.ref.slot, core_.images().data() + slot.image_offset, row);
      slot.state = SlotState::kReplaced;
      return;
    case SlotState::kInserted:
      page->overwrite(slot.ref.slot, row);
      return;
    case SlotState::kReplaced:
      if (equal(image_of(slot), row)) {
        page->put_back(slot.ref.slot, core_.images().data() + slot.image_offset);
        slot.state = SlotState::kUnchanged;
      } else {
        page->overwrite(slot.ref.slot, row);
      }
      return;
    case SlotState::kDeleted:
      WL_CHECK(slot.state != SlotState::kDeleted);
  }
}

RowRef LiveTable::add_row(Bytes row) {
  TableRecord& record = own();
  const uint8_t row_class = record.row_class(row);
  uint32_t number = free_.find_page(row_class);
  Page* page = nullptr;
  if (number == PageSet::kNone) {
    number = free_.find_number();
    page = create_page(number, row_class);
  } else {
    page = own_page(number);
  }
  const uint32_t free_slot = page->find_free();
  WL_CHECK(free_slot != kNoSlot);
  const RowRef ref{number, static_cast<uint16_t>(free_slot)};
  write_row(ref, page, row);
  slots_.obtain(ref).state = SlotState::kInserted;
  insert_keys(row, ref);
  return ref;
}

void LiveTable::write_row(RowRef ref, Page* page, Bytes row) {
  page->place(ref.slot, row);
  if (page->is_full()) free_.page_is_full(ref.page, page->row_class());
}

void LiveTable::insert_keys(Bytes row, RowRef ref) {
  TableRecord& record = *record_;
  for (uint32_t i = 0; i < keys_.size(); ++i) record.indexes[i].insert(keys_[i], ref);
  if (record.first_unique == kNoIndex) record.rows.insert(hash_key_, ref);
  ++record.row_count;
  record.row_bytes += row.size();
}

void LiveTable::erase_key(uint32_t index, RowRef ref) {
  record_->indexes[index].erase(old_key_, ref);
  if (record_->indexes[index].kind() == KeyKind::kWord) recent_[index].forget(old_key_.word());
}

void LiveTable::erase_keys(Bytes row, RowRef ref) {
  TableRecord& record = *record_;
  for (uint32_t i = 0; i < record.indexes.size(); ++i) {
    record.make_row_key(i, row, old_key_);
    erase_key(i, ref);
  }
  if (record.first_unique == kNoIndex) {
    old_key_.word_ = TableRecord::hash_row(row);
    record.rows.erase(old_key_, ref);
  }
  --record.row_count;
  record.row_bytes -= row.size();
}

// A row that was committed at the start, deleted since, and equals `row`.
std::optional<RowRef> LiveTable::find_deleted(Bytes row) {
  const auto matches = [&](uint32_t i) {
    const TxSlot& slot = slots_.all()[i];
    return slot.state == SlotState::kDeleted && equal(record_->row(slot.ref), row);
  };
  if (deleted_.size() <= kDeletedLinearMax) {
    for (const uint32_t i : deleted_)
      if (matches(i)) return slots_.all()[i].ref;
    return std::nullopt;
  }
  for (; deleted_hashed_ < deleted_.size(); ++deleted_hashed_) {
    const uint32_t i = deleted_[deleted_hashed_];
    if (slots_.all()[i].state == SlotState::kDeleted)
      deleted_by_hash_.emplace(TableRecord::hash_row(record_->row(slots_.all()[i].ref)), i);
  }
  const auto [begin, end] = deleted_by_hash_.equal_range(TableRecord::hash_row(row));
  for (auto it = begin; it != end; ++it)
    if (matches(it->second)) return slots_.all()[it->second].ref;
  return std::nullopt;
}

// REQUIRES: keys_ are those of `row`.
void LiveTable::show_deleted(RowRef ref, Bytes row) {
  own();
  own_page(ref.page)->show(ref.slot);
  slots_.find(ref)->state = SlotState::kUnchanged;
  make_keys(row);
  insert_keys(row, ref);
}

void LiveTable::remove(RowRef ref) {
  touch();
  own();
  Page* page = own_page(ref.page);
  erase_keys(page->row(ref.slot), ref);
  TxSlot& slot = slots_.obtain(ref);
  switch (slot.state) {
    case SlotState::kReplaced:
      page->put_back(ref.slot, core_.images().data() + slot.image_offset);
      [[fallthrough]];
    case SlotState::kUnchanged:
      page->hide(ref.slot);
      slot.state = SlotState::kDeleted;
      deleted_.push_back(slots_.index_of(slot));
      return;
    case SlotState::kInserted:
      page->hide(ref.slot);
      page->free_slot(ref.slot);
      free_.page_has_room(ref.page, page->row_class());
      slot.state = SlotState::kUnchanged;
      return;
    case SlotState::kDeleted:
      WL_CHECK(slot.state != SlotState::kDeleted);
  }
}

void LiveTable::clear_indexes() {
  for (IndexTree& index : own().indexes) index.clear();
  for (RecentKeys& recent : recent_) recent.clear();
  record_->rows.clear();
}

uint64_t LiveTable::clear() {
  const uint64_t count = record_->row_count;
  if (count == 0) return 0;
  touch();
  // Index by index the work would be a removal per row; so the trees go first, as a whole.
  clear_indexes();
  RowCursor cursor = view_.scan();
  std::vector<RowRef> refs;
  refs.reserve(count);
  while (cursor.next()) refs.push_back(cursor.ref());
  for (const RowRef ref : refs) {
    Page* page = own_page(ref.page);
    TxSlot& slot = slots_.obtain(ref);
    if (slot.state == SlotState::kReplaced)
      page->put_back(ref.slot, core_.images().data() + slot.image_offset);
    page->hide(ref.slot);
    if (slot.state == SlotState::kInserted) {
      page->free_slot(ref.slot);
      free_.page_has_room(ref.page, page->row_class());
      slot.state = SlotState::kUnchanged;
    } else {
      slot.state = SlotState::kDeleted;
      deleted_.push_back(slots_.index_of(slot));
    }
  }
  record_->row_count = 0;
  record_->row_bytes = 0;
  return count;
}

Bytes LiveTable::image_of(const TxSlot& slot) const {
  const Bytes image(core_.images().data() + slot.image_offset, slot.image_bytes);
  return Page::image_row(record_->find_page(slot.ref.page)->row_class(), image);
}

void LiveTable::append_changes(TxDataBuilder& builder) {
  size_t inserts = 0;
  size_t deletes = 0;
  for (const TxSlot& slot : slots_.all()) {
    if (slot.state == SlotState::kUnchanged) continue;
    if (slot.state != SlotState::kInserted) {
      const bool replaced = slot.state == SlotState::kReplaced;
      builder.add_delete(slot.ref, replaced ? image_of(slot) : record_->row(slot.ref));
      ++deletes;
    }
    if (slot.state != SlotState::kDeleted) {
      builder.add_insert(slot.ref, record_->row(slot.ref));
      ++inserts;
    }
  }
  builder.set_truncated(deletes != 0 && inserts == 0 && record_->row_count == 0);
  builder.set_ephemeral(schema().is_ephemeral);
}

void LiveTable::commit() {
  is_touched_ = false;
  deleted_.clear();
  deleted_by_hash_.clear();
  deleted_hashed_ = 0;
  if (schema().is_event) {  // Its rows live in the change set only [S 05/1.11].
    remove_all();
    slots_.clear();
    return;
  }
  TableRecord& record = own();
  const bool has_digest = !schema().is_ephemeral;
  for (TxSlot& slot : slots_.all()) {
    if (slot.state == SlotState::kUnchanged) {
      pages_to_settle_.push_back(slot.ref.page);
      continue;
    }
    const bool replaced = slot.state == SlotState::kReplaced;
    if (has_digest && slot.state != SlotState::kDeleted)
      record.digest.add(digest_of_row(digest_seed_, record.row(slot.ref)));
    if (has_digest && slot.state != SlotState::kInserted)
      record.digest.subtract(
          digest_of_row(digest_seed_, replaced ? image_of(slot) : record.row(slot.ref)));
    if (replaced)
      Page::release_image(record.find_page(slot.ref.page)->row_class(),
                          core_.images().data() + slot.image_offset);
    if (slot.state != SlotState::kDeleted) continue;
    Page* page = own_page(slot.ref.page);
    page->free_slot(slot.ref.slot);
    free_.page_has_room(slot.ref.page, page->row_class());
    pages_to_settle_.push_back(slot.ref.page);
  }
  slots_.clear();
  settle();
}

void LiveTable::settle() {
  for (const uint32_t number : pages_to_settle_) drop_page_if_empty(number);
  pages_to_settle_.clear();
}

void LiveTable::undo_new_row(const TxSlot& slot) {
  if (slot.state != SlotState::kInserted && slot.state != SlotState::kReplaced) return;
  Page* page = own_page(slot.ref.page);
  erase_keys(page->row(slot.ref.slot), slot.ref);
  if (slot.state == SlotState::kReplaced) {
    page->put_back(slot.ref.slot, core_.images().data() + slot.image_offset);
    return;
  }
  page->hide(slot.ref.slot);
  page->free_slot(slot.ref.slot);
  free_.page_has_room(slot.ref.page, page->row_class());
}

void LiveTable::undo_old_row(const TxSlot& slot) {
  if (slot.state != SlotState::kDeleted && slot.state != SlotState::kReplaced) return;
  Page* page = own_page(slot.ref.page);
  if (slot.state == SlotState::kDeleted) page->show(slot.ref.slot);
  const Bytes row = page->row(slot.ref.slot);
  make_keys(row);
  insert_keys(row, slot.ref);
}

void LiveTable::rollback() {
  is_touched_ = false;
  deleted_.clear();
  deleted_by_hash_.clear();
  deleted_hashed_ = 0;
  own();
  // All new rows go before any old one comes back: they may hold its unique keys.
  for (const TxSlot& slot : slots_.all()) undo_new_row(slot);
  for (const TxSlot& slot : slots_.all()) undo_old_row(slot);
  for (const TxSlot& slot : slots_.all()) pages_to_settle_.push_back(slot.ref.page);
  slots_.clear();
  settle();
  WL_CHECK(record_->row_count == start_row_count_);
  WL_CHECK(record_->row_bytes == start_row_bytes_);
}

}  // namespace worldline::storage
