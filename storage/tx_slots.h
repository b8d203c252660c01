// storage/tx_slots.h
//
// TxSlots: what the open transaction did to each row slot of one table. It is the undo log and,
// netted, the change set: only the state at the start and the present one matter [S 05/3.1].
//
// Invariants: one entry per touched slot, in order of first touch. kUnchanged means that the slot
// holds what it held at the start, be it a row or nothing.
// Ownership: one per live table; cleared, not freed, at the end of a transaction. Thread: writer.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/storage_types.h"

namespace worldline::storage {

enum class SlotState : uint8_t {
  kUnchanged,
  kInserted,  // Was free, holds a new row.
  kDeleted,   // Held a row, which is hidden; its bytes are still in the slot.
  kReplaced,  // Held a row, whose image is saved; holds a new row.
};

struct TxSlot {
  RowRef ref;
  SlotState state = SlotState::kUnchanged;
  uint64_t image_offset = 0;  // Into the transaction's arena; valid if kReplaced.
  uint32_t image_bytes = 0;
};

class TxSlots {
 public:
  TxSlot* find(RowRef ref);
  TxSlot& obtain(RowRef ref);  // Adds a kUnchanged one if there is none. Moves others.
  std::vector<TxSlot>& all() { return slots_; }
  size_t size() const { return slots_.size(); }
  uint32_t index_of(const TxSlot& slot) const {
    return static_cast<uint32_t>(&slot - slots_.data());
  }
  void clear();

 private:
  static constexpr size_t kLinearMax = 8;  // Up to here a scan beats the hash.
  struct Cell {
    uint64_t key = 0;
    uint32_t index = 0;
    uint32_t stamp = 0;  // Of the transaction that wrote it; older cells are empty.
  };
  static uint64_t spread(uint64_t key) { return (key * 0x9e3779b97f4a7c15ULL) >> 20; }
  void enter(uint64_t key, uint32_t index);
  void rebuild();
  void next_stamp();

  std::vector<TxSlot> slots_;
  std::vector<Cell> cells_;  // Power of two; in use beyond kLinearMax slots.
  uint32_t stamp_ = 1;
};

}  // namespace worldline::storage
