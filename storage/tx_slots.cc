// storage/tx_slots.cc: an open-addressing table whose clearing is one increment.
#include "storage/tx_slots.h"

#include <algorithm>

namespace worldline::storage {

TxSlot* TxSlots::find(RowRef ref) {
  if (slots_.size() <= kLinearMax) {
    for (TxSlot& slot : slots_)
      if (slot.ref == ref) return &slot;
    return nullptr;
  }
  const uint64_t key = ref.packed();
  const size_t mask = cells_.size() - 1;
  for (size_t at = spread(key) & mask; cells_[at].stamp == stamp_; at = (at + 1) & mask)
    if (cells_[at].key == key) return &slots_[cells_[at].index];
  return nullptr;
}

TxSlot& TxSlots::obtain(RowRef ref) {
  if (TxSlot* found = find(ref)) return *found;
  slots_.push_back(TxSlot{.ref = ref});
  if (slots_.size() == kLinearMax + 1 || slots_.size() * 2 > cells_.size()) {
    if (slots_.size() > kLinearMax) rebuild();
  } else if (slots_.size() > kLinearMax) {
    enter(ref.packed(), static_cast<uint32_t>(slots_.size() - 1));
  }
  return slots_.back();
}

void TxSlots::enter(uint64_t key, uint32_t index) {
  const size_t mask = cells_.size() - 1;
  size_t at = spread(key) & mask;
  while (cells_[at].stamp == stamp_) at = (at + 1) & mask;
  cells_[at] = {key, index, stamp_};
}

void TxSlots::rebuild() {
  size_t size = std::max<size_t>(cells_.size(), 64);
  while (slots_.size() * 4 > size) size *= 2;
  if (size != cells_.size()) {
    cells_.assign(size, Cell{});
    stamp_ = 1;
  } else {
    next_stamp();
  }
  for (size_t i = 0; i < slots_.size(); ++i)
    enter(slots_[i].ref.packed(), static_cast<uint32_t>(i));
}

void TxSlots::clear() {
  slots_.clear();
  next_stamp();
}

void TxSlots::next_stamp() {
  if (++stamp_ != 0) return;
  std::fill(cells_.begin(), cells_.end(), Cell{});  // The stamp wrapped around.
  stamp_ = 1;
}

}  // namespace worldline::storage
