// storage/row_chunks.cc
#include "storage/row_chunks.h"

#include "base/check.h"

namespace worldline::storage {

void RowChunks::clear() {
  bytes_.clear();
  chunk_ends_.clear();
  row_count_ = 0;
}

void RowChunks::add(Bytes row) {
  append(bytes_, row);
  ++row_count_;
  const size_t begin = chunk_ends_.empty() ? 0 : chunk_ends_.back();
  if (bytes_.size() - begin >= kRowChunkBytes) chunk_ends_.push_back(bytes_.size());
}

void RowChunks::collect(RowCursor cursor) {
  while (cursor.next()) add(cursor.row());
}

void RowChunks::collect(IndexCursor cursor) {
  while (cursor.next()) add(cursor.row());
}

size_t RowChunks::chunk_count() const {
  const size_t closed = chunk_ends_.empty() ? 0 : chunk_ends_.back();
  return chunk_ends_.size() + (bytes_.size() > closed ? 1 : 0);
}

Bytes RowChunks::chunk(size_t i) const {
  WL_CHECK(i < chunk_count());
  const size_t begin = i == 0 ? 0 : chunk_ends_[i - 1];
  const size_t end = i < chunk_ends_.size() ? chunk_ends_[i] : bytes_.size();
  return Bytes(bytes_).subspan(begin, end - begin);
}

}  // namespace worldline::storage
