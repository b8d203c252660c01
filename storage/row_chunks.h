// storage/row_chunks.h
//
// RowChunks: the materialised result of a scan, as row iterators of modules need it: rows copied at
// open, so later writes of the transaction do not change what the iterator yields [S 05/1.6].
//
// Invariants: a chunk ends at the first row boundary at or past kRowChunkBytes.
// Ownership: owns its bytes; clear() keeps the capacity. Thread: one.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "storage/read_view.h"

namespace worldline::storage {

class RowChunks {
 public:
  void clear();
  void add(Bytes row);
  void collect(RowCursor cursor);    // Appends every row.
  void collect(IndexCursor cursor);  // Appends every row.

  size_t row_count() const { return row_count_; }
  Bytes bytes() const { return bytes_; }  // All rows one after the other.
  size_t chunk_count() const;
  Bytes chunk(size_t i) const;  // REQUIRES: i < chunk_count().

 private:
  ByteBuffer bytes_;
  std::vector<size_t> chunk_ends_;  // Of closed chunks; the rest of bytes_ is the last one.
  size_t row_count_ = 0;
};

}  // namespace worldline::storage
