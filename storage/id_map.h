// storage/id_map.h
//
// IdMap<Id, Value>: few ids to small values, looked up at every system call: one array of cells,
// searched from the place of the id onwards, so that a hit is most often one comparison.
//
// Invariants: at most half of the cells are in use; from the place of a key to its cell all are.
// Order: none, and none is shown. Ownership: values. Thread: as the owner says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace worldline::storage {

template <typename Id, typename Value>
class IdMap {
 public:
  // Null if there is none; borrowed until the next change.
  const Value* find(Id id) const {
    if (cells_.empty()) return nullptr;
    const Cell& cell = cells_[cell_of(id)];
    return cell.is_used ? &cell.value : nullptr;
  }

  void set(Id id, const Value& value) {
    if ((count_ + 1) * 2 > cells_.size()) grow();
    Cell& cell = cells_[cell_of(id)];
    if (!cell.is_used) ++count_;
    cell = {id, true, value};
  }

  void erase(Id id) {
    if (cells_.empty()) return;
    size_t hole = cell_of(id);
    if (!cells_[hole].is_used) return;
    --count_;
    // Those behind that the hole would hide from their place move into it.
    for (size_t at = next(hole); cells_[at].is_used; at = next(at)) {
      const size_t way = (at - place_of(cells_[at].id)) & mask();
      if (way < ((at - hole) & mask())) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = {};
  }

 private:
  static constexpr size_t kCellsMin = 64;
  struct Cell {
    Id id;
    bool is_used = false;
    Value value{};
  };

  size_t mask() const { return cells_.size() - 1; }
  size_t next(size_t at) const { return (at + 1) & mask(); }
  size_t place_of(Id id) const {
    return (uint64_t{id.value} * 0x9e3779b97f4a7c15ULL) >> 32 & mask();
  }
  // The cell of the id, or the unused one where it belongs.
  size_t cell_of(Id id) const {
    size_t at = place_of(id);
    while (cells_[at].is_used && cells_[at].id != id) at = next(at);
    return at;
  }
  void grow() {
    std::vector<Cell> before(cells_.empty() ? kCellsMin : cells_.size() * 2);
    before.swap(cells_);
    for (const Cell& cell : before)
      if (cell.is_used) cells_[cell_of(cell.id)] = cell;
  }

  std::vector<Cell> cells_;  // A power of two of them, or none.
  size_t count_ = 0;
};

}  // namespace worldline::storage
