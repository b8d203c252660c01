// storage/page.h
//
// Page: 64 KiB of row slots of one size. A row is one contiguous run of BSATN in its slot.
//
// The idea: a row class fixes the slot size. Class 0 is the exact row size of a table of fixed-size
// rows. Classes 1..kVariableClasses grow in steps of about 1/8 and hold a 2-byte length before the
// row. kBlobClass holds pointers to rows that are too long for a page. Two bitmaps say what a slot
// is: `visible` rows are in the table; `taken` slots may not be given out, which includes rows the
// open transaction deleted, whose bytes stay for its undo [architecture 4].
//
// Invariants: visible is a subset of taken; outside transactions they are equal. Slots are handed
// out lowest first. `version` is the number of pins before the latest change.
// Ownership: intrusive count; changed only by whoever holds the only reference (or the writer on a
// page that it has stamped since the last pin). Thread: frozen pages any.
// Layout: header | visible words | taken words | slots.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/ref_count.h"
#include "storage/storage_types.h"

namespace worldline::storage {

inline constexpr uint8_t kFixedClass = 0;
inline constexpr uint8_t kBlobClass = 255;
inline constexpr uint32_t kBlobSlotsPerPage = 16;  // Bounds the image of a page [S 08/4.9].
inline constexpr uint32_t kVariableHeaderBytes = 2;
inline constexpr uint32_t kNoSlot = UINT32_MAX;

// What a row class means for the pages of one table.
struct PageFormat {
  uint8_t row_class = kFixedClass;
  uint32_t slot_bytes = 0;
  uint32_t row_bytes = 0;  // Of kFixedClass.
  uint32_t slot_count = 0;

  static PageFormat of_class(uint8_t row_class, uint32_t fixed_row_bytes);
};

// The class of a row. `fixed` says whether the table has rows of one size only.
uint8_t row_class_of(size_t row_bytes, bool fixed);
bool is_known_row_class(uint8_t row_class);

// An immutable row outside of pages, shared by every version of its page.
class Blob {
 public:
  static Blob* create(Bytes row);
  void add_ref() { refs_.add(); }
  void release();
  Bytes bytes() const { return {reinterpret_cast<const Byte*>(this + 1), size_}; }

 private:
  explicit Blob(size_t size) : size_(size) {}
  RefCount refs_;
  size_t size_;
};

class Page {
 public:
  static Page* create(const PageFormat& format, uint64_t version);
  Page* clone() const;
  void add_ref() { refs_.add(); }
  void release();  // Any thread.
  bool is_shared() const { return !refs_.is_one(); }

  uint8_t row_class() const { return row_class_; }
  uint32_t fixed_row_bytes() const { return row_bytes_; }  // Of kFixedClass, else 0.
  uint32_t slot_count() const { return slot_count_; }
  uint32_t visible_count() const { return visible_count_; }
  uint32_t taken_count() const { return taken_count_; }
  bool is_full() const { return taken_count_ == slot_count_; }
  uint32_t alloc_bytes() const { return alloc_bytes_; }  // Rows outside the page not counted.
  uint64_t version() const { return version_; }
  void set_version(uint64_t version) { version_ = version; }

  uint32_t word_count() const { return (slot_count_ + 63) / 64; }
  uint64_t visible_word(uint32_t word) const { return bitmap()[word]; }
  bool is_visible(uint32_t slot) const { return (bitmap()[slot / 64] >> (slot % 64) & 1) != 0; }
  bool is_taken(uint32_t slot) const { return (taken()[slot / 64] >> (slot % 64) & 1) != 0; }

  // REQUIRES: the slot is taken.
  Bytes row(uint32_t slot) const {
    const Byte* at = slot_data(slot);
    if (row_class_ == kFixedClass) return {at, row_bytes_};
    if (row_class_ == kBlobClass) return load_le<Blob*>(at)->bytes();
    return {at + kVariableHeaderBytes, load_le<uint16_t>(at)};
  }

  // --- Changes. REQUIRES: this page is not shared. ---
  uint32_t find_free();                      // The lowest slot that is not taken, or kNoSlot.
  void place(uint32_t slot, Bytes row);      // Not taken -> visible.
  void hide(uint32_t slot);                  // Visible -> taken only.
  void show(uint32_t slot);                  // Taken only -> visible.
  void free_slot(uint32_t slot);             // Taken only -> not taken.
  void overwrite(uint32_t slot, Bytes row);  // Of the same class; the old bytes are lost.
  // The raw content of a slot, to be put back later. A blob's reference moves with it.
  size_t slot_image_bytes(uint32_t slot) const;
  void swap_out(uint32_t slot, Byte* image, Bytes row);  // Saves the image, then writes `row`.
  void put_back(uint32_t slot, const Byte* image);       // Drops what is there.
  // The row inside a saved image.
  static Bytes image_row(uint8_t row_class, Bytes image);
  static void release_image(uint8_t row_class, const Byte* image);

 private:
  Page(const PageFormat& format, uint64_t version, uint32_t alloc_bytes);

  uint64_t* bitmap() { return reinterpret_cast<uint64_t*>(this + 1); }
  const uint64_t* bitmap() const { return reinterpret_cast<const uint64_t*>(this + 1); }
  uint64_t* taken() { return bitmap() + word_count(); }
  const uint64_t* taken() const { return bitmap() + word_count(); }
  Byte* slot_data(uint32_t slot) {
    return reinterpret_cast<Byte*>(this) + data_offset_ + size_t{slot} * slot_bytes_;
  }
  const Byte* slot_data(uint32_t slot) const {
    return reinterpret_cast<const Byte*>(this) + data_offset_ + size_t{slot} * slot_bytes_;
  }
  void write_slot(uint32_t slot, Bytes row);

  RefCount refs_;
  uint8_t row_class_;
  uint32_t slot_bytes_;
  uint32_t row_bytes_;
  uint32_t slot_count_;
  uint32_t data_offset_;
  uint32_t alloc_bytes_;
  uint32_t visible_count_ = 0;
  uint32_t taken_count_ = 0;
  uint32_t high_water_ = 0;  // Slots at or above were never written: clone() leaves them out.
  uint32_t free_hint_ = 0;   // No free slot in bitmap words before this one.
  uint64_t version_;
};
static_assert(sizeof(Page) <= 64 && sizeof(Page) % 8 == 0);

}  // namespace worldline::storage
