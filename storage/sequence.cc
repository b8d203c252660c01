// storage/sequence.cc: wrapping steps and batch reservation.
#include "storage/sequence.h"

#include <algorithm>
#include <cstring>

namespace worldline::storage {

Int128 Sequence::next_value(const SequenceSchema& schema, Int128 value) {
  // Unsigned arithmetic throughout: distances reach 2^128-1 and sums must not overflow.
  const auto min = static_cast<UInt128>(schema.min_value);
  const auto max = static_cast<UInt128>(schema.max_value);
  const auto at = static_cast<UInt128>(value);
  const UInt128 range = max - min + 1;  // 0 means 2^128: nothing to wrap at.
  if (schema.increment > 0) {
    const auto step = static_cast<UInt128>(schema.increment);
    const UInt128 room = max - at;
    if (step <= room) return static_cast<Int128>(at + step);
    const UInt128 over = step - room - 1;
    return static_cast<Int128>(min + (range == 0 ? over : over % range));
  }
  const UInt128 step = UInt128{0} - static_cast<UInt128>(schema.increment);
  const UInt128 room = at - min;
  if (step <= room) return static_cast<Int128>(at - step);
  const UInt128 over = step - room - 1;
  return static_cast<Int128>(max - (range == 0 ? over : over % range));
}

void Sequence::reserve() {
  const Int128 old = allocated_;
  Int128 end = old;
  for (uint32_t i = 0; i < kSequenceBatch; ++i) {
    const Int128 next = next_value(schema_, end);
    if (next == old) break;  // The batch must not end where it began, or it would look empty.
    end = next;
  }
  allocated_ = end;
}

std::optional<Int128> Sequence::take() {
  if (needs_batch()) return std::nullopt;
  const Int128 value = position_;
  position_ = next_value(schema_, position_);
  return value;
}

bool Sequence::save() {
  if (is_saved_) return false;
  is_saved_ = true;
  saved_position_ = position_;
  saved_allocated_ = allocated_;
  return true;
}

void Sequence::restore() {
  position_ = saved_position_;
  allocated_ = saved_allocated_;
  is_saved_ = false;
}

void store_sequence_value(Int128 value, MutableBytes column) {
  const size_t low = std::min(column.size(), sizeof value);
  std::memcpy(column.data(), &value, low);
  if (column.size() > low)
    std::memset(column.data() + low, value < 0 ? 0xff : 0, column.size() - low);
}

}  // namespace worldline::storage
