// storage/page.cc: row classes, slots and bitmaps of one page.
#include "storage/page.h"

#include <algorithm>
#include <array>
#include <new>

namespace worldline::storage {
namespace {

// Slot sizes of the variable classes: 16 to 64 by 8, then eight steps per octave up to the longest
// row that stays in a page, with its header.
constexpr uint32_t kSlotBytesMax = kInlineRowBytesMax + kVariableHeaderBytes + 6;
struct VariableClasses {
  std::array<uint32_t, 80> bytes{};
  uint32_t count = 0;
};
constexpr VariableClasses make_variable_classes() {
  VariableClasses classes;
  uint32_t size = 16;
  while (size < kSlotBytesMax) {
    classes.bytes[classes.count++] = size;
    const uint32_t step = std::max(8u, std::bit_floor(size) / 8);
    size += step;
  }
  classes.bytes[classes.count++] = kSlotBytesMax;
  return classes;
}
constexpr VariableClasses kVariable = make_variable_classes();
static_assert(kVariable.count < 80);
static_assert(kInlineRowBytesMax <= UINT16_MAX, "the length header has two bytes");

constexpr uint32_t kMinSlotBytes = 8;  // Bounds the bitmaps at 1/32 of a page.

constexpr uint32_t header_bytes(uint32_t slot_count) {
  return static_cast<uint32_t>(sizeof(Page)) + 2 * 8 * ((slot_count + 63) / 64);
}

}  // namespace

uint8_t row_class_of(size_t row_bytes, bool fixed) {
  if (row_bytes > kInlineRowBytesMax) return kBlobClass;
  if (fixed) return kFixedClass;
  const auto needed = static_cast<uint32_t>(row_bytes) + kVariableHeaderBytes;
  const auto* begin = kVariable.bytes.data();
  const auto* found = std::lower_bound(begin, begin + kVariable.count, needed);
  return static_cast<uint8_t>(found - begin + 1);
}

bool is_known_row_class(uint8_t row_class) {
  return row_class == kBlobClass || row_class <= kVariable.count;
}

PageFormat PageFormat::of_class(uint8_t row_class, uint32_t fixed_row_bytes) {
  PageFormat format;
  format.row_class = row_class;
  if (row_class == kBlobClass) {
    format.slot_bytes = sizeof(Blob*);
    format.slot_count = kBlobSlotsPerPage;
    return format;
  }
  WL_CHECK(is_known_row_class(row_class));
  format.row_bytes = row_class == kFixedClass ? fixed_row_bytes : 0;
  format.slot_bytes = row_class == kFixedClass ? std::max(kMinSlotBytes, fixed_row_bytes)
                                               : kVariable.bytes[row_class - 1u];
  constexpr auto kPage = static_cast<uint32_t>(limits::kPageBytes);
  uint32_t count = (kPage - static_cast<uint32_t>(sizeof(Page))) / format.slot_bytes;
  while (header_bytes(count) + count * format.slot_bytes > kPage) --count;
  format.slot_count = count;
  return format;
}

Blob* Blob::create(Bytes row) {
  void* memory = ::operator new(sizeof(Blob) + row.size());
  Blob* blob = new (memory) Blob(row.size());
  std::memcpy(static_cast<Byte*>(memory) + sizeof(Blob), row.data(), row.size());
  return blob;
}

void Blob::release() {
  if (!refs_.release()) return;
  this->~Blob();
  ::operator delete(this);
}

Page::Page(const PageFormat& format, uint64_t version, uint32_t alloc_bytes)
    : row_class_(format.row_class),
      slot_bytes_(format.slot_bytes),
      row_bytes_(format.row_bytes),
      slot_count_(format.slot_count),
      data_offset_(header_bytes(format.slot_count)),
      alloc_bytes_(alloc_bytes),
      version_(version) {
  std::memset(bitmap(), 0, data_offset_ - sizeof(Page));
}

Page* Page::create(const PageFormat& format, uint64_t version) {
  const uint32_t bytes =
      std::max(header_bytes(format.slot_count) + format.slot_count * format.slot_bytes,
               static_cast<uint32_t>(sizeof(Page)));
  return new (::operator new(bytes)) Page(format, version, bytes);
}

Page* Page::clone() const {
  void* memory = ::operator new(alloc_bytes_);
  const PageFormat format{row_class_, slot_bytes_, row_bytes_, slot_count_};
  Page* copy = new (memory) Page(format, version_, alloc_bytes_);
  copy->visible_count_ = visible_count_;
  copy->taken_count_ = taken_count_;
  copy->high_water_ = high_water_;
  copy->free_hint_ = free_hint_;
  std::memcpy(copy->bitmap(), bitmap(),
              data_offset_ - sizeof(Page) + size_t{high_water_} * slot_bytes_);
  if (row_class_ == kBlobClass)
    for (uint32_t slot = 0; slot < slot_count_; ++slot)
      if (is_taken(slot)) load_le<Blob*>(slot_data(slot))->add_ref();
  return copy;
}

void Page::release() {
  if (!refs_.release()) return;
  if (row_class_ == kBlobClass)
    for (uint32_t slot = 0; slot < slot_count_; ++slot)
      if (is_taken(slot)) load_le<Blob*>(slot_data(slot))->release();
  this->~Page();
  ::operator delete(this);
}

uint32_t Page::find_free() {
  for (uint32_t word = free_hint_; word < word_count(); ++word) {
    const uint64_t bits = ~taken()[word];
    if (bits == 0) continue;
    free_hint_ = word;
    const uint32_t slot = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
    return slot < slot_count_ ? slot : kNoSlot;
  }
  free_hint_ = word_count();
  return kNoSlot;
}

void Page::write_slot(uint32_t slot, Bytes row) {
  Byte* at = slot_data(slot);
  if (row_class_ == kBlobClass) {
    store_le(at, Blob::create(row));
    return;
  }
  if (row_class_ != kFixedClass) {
    store_le(at, static_cast<uint16_t>(row.size()));
    at += kVariableHeaderBytes;
  }
  if (!row.empty()) std::memcpy(at, row.data(), row.size());
}

void Page::place(uint32_t slot, Bytes row) {
  WL_CHECK(slot < slot_count_);
  const uint64_t bit = uint64_t{1} << (slot % 64);
  WL_CHECK((taken()[slot / 64] & bit) == 0);
  taken()[slot / 64] |= bit;
  bitmap()[slot / 64] |= bit;
  ++taken_count_;
  ++visible_count_;
  high_water_ = std::max(high_water_, slot + 1);
  write_slot(slot, row);
}

void Page::hide(uint32_t slot) {
  WL_CHECK(is_visible(slot));
  bitmap()[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  --visible_count_;
}

void Page::show(uint32_t slot) {
  WL_CHECK(is_taken(slot) && !is_visible(slot));
  bitmap()[slot / 64] |= uint64_t{1} << (slot % 64);
  ++visible_count_;
}

void Page::free_slot(uint32_t slot) {
  WL_CHECK(is_taken(slot) && !is_visible(slot));
  if (row_class_ == kBlobClass) load_le<Blob*>(slot_data(slot))->release();
  taken()[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  --taken_count_;
  free_hint_ = std::min(free_hint_, slot / 64);
}

void Page::overwrite(uint32_t slot, Bytes row) {
  Blob* old = row_class_ == kBlobClass ? load_le<Blob*>(slot_data(slot)) : nullptr;
  write_slot(slot, row);
  if (old != nullptr) old->release();
}

size_t Page::slot_image_bytes(uint32_t slot) const {
  if (row_class_ == kFixedClass) return row_bytes_;
  if (row_class_ == kBlobClass) return sizeof(Blob*);
  return kVariableHeaderBytes + size_t{load_le<uint16_t>(slot_data(slot))};
}

void Page::swap_out(uint32_t slot, Byte* image, Bytes row) {
  if (const size_t bytes = slot_image_bytes(slot); bytes != 0)
    std::memcpy(image, slot_data(slot), bytes);
  write_slot(slot, row);
}

void Page::put_back(uint32_t slot, const Byte* image) {
  Byte* at = slot_data(slot);
  if (row_class_ == kBlobClass) load_le<Blob*>(at)->release();
  size_t bytes = row_class_ == kBlobClass ? sizeof(Blob*) : row_bytes_;
  if (row_class_ != kBlobClass && row_class_ != kFixedClass)
    bytes = kVariableHeaderBytes + size_t{load_le<uint16_t>(image)};
  if (bytes != 0) std::memcpy(at, image, bytes);
}

Bytes Page::image_row(uint8_t row_class, Bytes image) {
  if (row_class == kFixedClass) return image;
  if (row_class == kBlobClass) return load_le<Blob*>(image.data())->bytes();
  return image.subspan(kVariableHeaderBytes);
}

void Page::release_image(uint8_t row_class, const Byte* image) {
  if (row_class == kBlobClass) load_le<Blob*>(image)->release();
}

}  // namespace worldline::storage
