// storage/recent_keys.h
//
// RecentKeys: where the last rows found by one unique index of word keys are, so that the update
// after a find, or the next find of a popular row, does not walk the tree again.
//
// The idea: a direct-mapped array of (key, row ref) in the writer's side of a table. A row ref does
// not change while the entry of its key stands, whatever happens to nodes and pages; so the one
// event that makes a cell wrong is the removal of that key, and forget() there is all it takes.
//
// Invariants: what find() gives is what the tree would give; absent keys are not remembered.
// Ownership: of LiveTable; snapshots have none, since finding writes. Thread: writer.
// Units: kCells cells of 16 bytes, taken with the first key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/storage_types.h"

namespace worldline::storage {

class RecentKeys {
 public:
  // In a smaller table the walk is one leaf.
  static constexpr uint64_t kEntriesMin = 32;
  // Both rows of a transfer survive whatever is found between; with keys drawn as 1/k^1.5 nine of
  // ten finds hit. 8 KiB leave room in the caches for the tree.
  static constexpr size_t kCells = 512;

  std::optional<RowRef> find(uint64_t key) const {
    if (cells_.empty()) return std::nullopt;
    const Cell& cell = cells_[place_of(key)];
    if (cell.place == kNowhere || cell.key != key) return std::nullopt;
    return RowRef::from_packed(cell.place);
  }
  void remember(uint64_t key, RowRef ref) {
    if (cells_.empty()) cells_.resize(kCells);
    cells_[place_of(key)] = {key, ref.packed()};
  }
  void forget(uint64_t key) {
    if (cells_.empty()) return;
    Cell& cell = cells_[place_of(key)];
    if (cell.key == key) cell.place = kNowhere;
  }
  void clear() { cells_.clear(); }

  // For checks: calls `visit(key, ref)` for everything remembered until it returns false.
  template <typename Visit>
  bool all_of(Visit&& visit) const {
    for (const Cell& cell : cells_)
      if (cell.place != kNowhere && !visit(cell.key, RowRef::from_packed(cell.place))) return false;
    return true;
  }

 private:
  static constexpr uint64_t kNowhere = UINT64_MAX;  // A packed ref has 48 bits.
  struct Cell {
    uint64_t key = 0;
    uint64_t place = kNowhere;
  };
  static size_t place_of(uint64_t key) {
    static_assert(kCells == 512, "the shift keeps nine bits");
    return (key * 0x9e3779b97f4a7c15ULL) >> 55;
  }

  std::vector<Cell> cells_;  // kCells of them, or none.
};

}  // namespace worldline::storage
