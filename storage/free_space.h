// storage/free_space.h
//
// FreeSpace: which pages of a table have room for which row class. Kept by the writer only and
// rebuilt from page occupancy at load, so it can hold nothing that occupancy does not say [S
// 04/R06].
//
// Invariants: a page is listed exactly if it exists and is not full; a number is empty exactly if
// it is below the limit and has no page. Thread: writer.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/page.h"
#include "storage/page_set.h"

namespace worldline::storage {

class FreeSpace {
 public:
  // The lowest page of the class with a free slot, or PageSet::kNone.
  uint32_t find_page(uint8_t row_class) const {
    const size_t at = place_of(row_class);
    return at < by_class_.size() ? by_class_[at].lowest() : PageSet::kNone;
  }
  // The lowest number without a page.
  uint32_t find_number() const {
    const uint32_t number = empty_.lowest();
    return number == PageSet::kNone ? limit_ : number;
  }

  void add_page(uint32_t number, const Page& page) {  // A page appeared.
    while (limit_ < number) empty_.insert(limit_++);
    if (number == limit_) ++limit_;
    empty_.erase(number);
    if (!page.is_full()) pages_of(page.row_class()).insert(number);
  }
  void drop_page(uint32_t number, uint8_t row_class) {
    pages_of(row_class).erase(number);
    empty_.insert(number);
  }
  void page_is_full(uint32_t number, uint8_t row_class) { pages_of(row_class).erase(number); }
  void page_has_room(uint32_t number, uint8_t row_class) { pages_of(row_class).insert(number); }
  bool has_room(uint32_t number, uint8_t row_class) { return pages_of(row_class).contains(number); }
  void clear() {
    by_class_.clear();
    empty_.clear();
    limit_ = 0;
  }

 private:
  static size_t place_of(uint8_t row_class) {
    return row_class == kBlobClass ? 1 : (row_class == kFixedClass ? 0 : row_class + size_t{1});
  }
  PageSet& pages_of(uint8_t row_class) {
    const size_t at = place_of(row_class);
    if (at >= by_class_.size()) by_class_.resize(at + 1);
    return by_class_[at];
  }

  std::vector<PageSet> by_class_;
  PageSet empty_;
  uint32_t limit_ = 0;
};

}  // namespace worldline::storage
