#include "schema/protocol/row_list.h"

#include <limits>

#include "base/check.h"
#include "schema/protocol/wire_writer.h"

namespace worldline::protocol {
namespace {

enum HintTag : uint8_t { kFixedSize, kRowOffsets };

// The common length of all rows, or 0 if they differ, are empty or do not fit the hint.
uint16_t common_length(std::span<const uint32_t> ends) {
  if (ends.empty()) return 0;
  const uint32_t length = ends[0];
  if (length == 0 || length > std::numeric_limits<uint16_t>::max()) return 0;
  for (size_t i = 1; i < ends.size(); ++i)
    if (ends[i] - ends[i - 1] != length) return 0;
  return static_cast<uint16_t>(length);
}

}  // namespace

void encode_row_list(Bytes data, std::span<const uint32_t> ends, ByteBuffer& out) {
  WL_CHECK((ends.empty() ? 0 : ends.back()) == data.size());
  WireWriter writer(out);
  if (const uint16_t length = common_length(ends); length != 0) {
    writer.u8(kFixedSize).u16(length).bytes(data);
    return;
  }
  writer.u8(kRowOffsets).u32(static_cast<uint32_t>(ends.size()));
  uint64_t start = 0;
  for (const uint32_t end : ends) {
    writer.u64(start);
    start = end;
  }
  writer.bytes(data);
}

void encode_fixed_row_list(Bytes data, size_t row_bytes, size_t count, ByteBuffer& out) {
  WL_CHECK(data.size() == row_bytes * count);
  if (count > 0 && row_bytes > 0 && row_bytes <= std::numeric_limits<uint16_t>::max()) {
    WireWriter(out).u8(kFixedSize).u16(static_cast<uint16_t>(row_bytes)).bytes(data);
    return;
  }
  WireWriter writer(out);
  writer.u8(kRowOffsets).u32(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) writer.u64(i * row_bytes);
  writer.bytes(data);
}

void encode_empty_row_list(ByteBuffer& out) {
  WireWriter(out).u8(kRowOffsets).u32(0).u32(0);
}

RowListView RowListView::read(WireReader& reader) {
  RowListView list;
  if (reader.read_tag(2, "RowSizeHint") == kFixedSize) {
    list.fixed_row_bytes_ = reader.read_u16();
    list.data_ = reader.read_bytes();
    if (!reader.ok()) return {};
    if (list.fixed_row_bytes_ == 0 || list.data_.size() % list.fixed_row_bytes_ != 0) {
      reader.fail(Status::invalid_argument("row list of {} B is not made of rows of {} B",
                                           list.data_.size(), list.fixed_row_bytes_));
      return {};
    }
    list.count_ = list.data_.size() / list.fixed_row_bytes_;
    return list;
  }
  list.count_ = reader.read_count(sizeof(uint64_t));
  list.offsets_ = reader.read_raw(list.count_ * sizeof(uint64_t));
  list.data_ = reader.read_bytes();
  if (!reader.ok()) return {};
  if (list.count_ == 0 && !list.data_.empty()) {
    reader.fail(Status::invalid_argument("row list of no rows has {} B", list.data_.size()));
    return {};
  }
  uint64_t previous = 0;
  for (size_t i = 0; i < list.count_; ++i) {
    const auto offset = load_le<uint64_t>(list.offsets_.data() + i * sizeof(uint64_t));
    if (offset < previous || offset > list.data_.size() || (i == 0 && offset != 0)) {
      reader.fail(Status::invalid_argument("row offset {} is outside of {} B of rows", offset,
                                           list.data_.size()));
      return {};
    }
    previous = offset;
  }
  return list;
}

Bytes RowListView::operator[](size_t row) const {
  WL_CHECK(row < count_);
  if (fixed_row_bytes_ != 0) return data_.subspan(row * fixed_row_bytes_, fixed_row_bytes_);
  const auto start = load_le<uint64_t>(offsets_.data() + row * sizeof(uint64_t));
  const uint64_t end = row + 1 < count_
                           ? load_le<uint64_t>(offsets_.data() + (row + 1) * sizeof(uint64_t))
                           : data_.size();
  return data_.subspan(start, end - start);
}

}  // namespace worldline::protocol
