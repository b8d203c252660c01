// schema/protocol/row_list.h
//
// BsatnRowList [S 02/6.2]: rows back to back, with a hint that says where each starts. The rule
// for the hint is the reference's, so that byte comparisons hold: equal lengths from 1 to 65535
// give FixedSize, everything else, no rows included, gives RowOffsets.
//
// Ownership: a RowListView borrows its message; a RowListBuilder owns its rows. Thread: any, pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/protocol/wire_reader.h"

namespace worldline::protocol {

// Appends the list of the rows in `data`; row i ends at ends[i] and starts where i - 1 ended.
// REQUIRES: ends ascending, the last one equal to data.size().
void encode_row_list(Bytes data, std::span<const uint32_t> ends, ByteBuffer& out);
// The same for `count` rows of `row_bytes` each, without looking at ends.
// REQUIRES: data.size() == count * row_bytes.
void encode_fixed_row_list(Bytes data, size_t row_bytes, size_t count, ByteBuffer& out);
void encode_empty_row_list(ByteBuffer& out);

// Collects rows that do not lie back to back, for example those that pass a filter.
class RowListBuilder {
 public:
  void add(Bytes row) {
    append(data_, row);
    ends_.push_back(static_cast<uint32_t>(data_.size()));
  }
  size_t row_count() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  size_t data_bytes() const { return data_.size(); }
  void encode(ByteBuffer& out) const { encode_row_list(data_, ends_, out); }
  void clear() {  // Keeps the memory.
    data_.clear();
    ends_.clear();
  }

 private:
  ByteBuffer data_;
  std::vector<uint32_t> ends_;  // Row i is data_[ends_[i - 1], ends_[i]).
};

// A decoded list. INVARIANT: every row lies within `data`.
class RowListView {
 public:
  RowListView() = default;
  // Reads the list at the reader's place; on failure the reader has the error.
  static RowListView read(WireReader& reader);

  size_t size() const { return count_; }
  Bytes operator[](size_t row) const;  // REQUIRES: row < size().
  Bytes data() const { return data_; }
  uint16_t fixed_row_bytes() const { return fixed_row_bytes_; }  // 0: the hint is RowOffsets.

 private:
  Bytes data_;
  Bytes offsets_;  // u64 each, unaligned.
  size_t count_ = 0;
  uint16_t fixed_row_bytes_ = 0;
};

}  // namespace worldline::protocol
