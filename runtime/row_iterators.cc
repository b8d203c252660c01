#include "runtime/row_iterators.h"

#include "base/check.h"

namespace worldline::runtime {
namespace {

constexpr size_t kKeptBytesMax = 256 * limits::KiB;  // A freed slot keeps at most so much.

void shrink(ByteBuffer& bytes) {
  if (bytes.capacity() > kKeptBytesMax) ByteBuffer().swap(bytes);
}

}  // namespace

void RowIterators::Rows::clear() {
  number_ = 0;
  bytes_.clear();
  chunk_start_ = 0;
  chunk_ends_.clear();
  read_ = 0;
  next_chunk_ = 0;
}

RowIterators::Rows* RowIterators::open() {
  if (open_count_ >= kOpenIteratorsMax || last_number_ == UINT32_MAX) return nullptr;
  WL_CHECK(open_bytes_ <= kOpenIteratorBytesMax);
  Rows* free = nullptr;
  for (Rows& rows : slots_)
    if (rows.number_ == 0) {
      free = &rows;
      break;
    }
  if (free == nullptr) free = &slots_.emplace_back();
  free->clear();
  free->room_ = kOpenIteratorBytesMax - open_bytes_;
  return free;
}

uint32_t RowIterators::publish(Rows& rows) {
  WL_CHECK(last_number_ < UINT32_MAX);  // open() saw to it.
  rows.number_ = ++last_number_;
  ++open_count_;
  open_bytes_ += rows.bytes_.size();
  return last_number_;
}

void RowIterators::drop(Rows& rows) {
  WL_CHECK(rows.number_ == 0);
  rows.clear();
  shrink(rows.bytes_);
}

RowIterators::Rows* RowIterators::find(uint32_t number) {
  if (number == 0) return nullptr;
  for (Rows& rows : slots_)
    if (rows.number_ == number) return &rows;
  return nullptr;
}

RowIterators::AdvanceResult RowIterators::advance(uint32_t number, MutableBytes into) {
  Rows* rows = find(number);
  if (rows == nullptr) return {Advance::kNoSuchIter, 0};
  const size_t total = rows->bytes_.size();
  size_t end = rows->read_;
  while (end < total) {
    const bool last = rows->next_chunk_ == rows->chunk_ends_.size();
    const size_t chunk_end = last ? total : rows->chunk_ends_[rows->next_chunk_];
    if (chunk_end - rows->read_ > into.size()) {
      if (end == rows->read_) return {Advance::kTooSmall, chunk_end - rows->read_};
      break;
    }
    end = chunk_end;
    if (!last) ++rows->next_chunk_;
  }
  const size_t count = end - rows->read_;
  if (count > 0) std::memcpy(into.data(), rows->bytes_.data() + rows->read_, count);
  rows->read_ = end;
  if (end < total) return {Advance::kMore, count};
  release(*rows);
  return {Advance::kDone, count};
}

bool RowIterators::close(uint32_t number) {
  Rows* rows = find(number);
  if (rows == nullptr) return false;
  release(*rows);
  return true;
}

void RowIterators::close_all() {
  if (open_count_ == 0) return;
  for (Rows& rows : slots_)
    if (rows.number_ != 0) release(rows);
}

size_t RowIterators::remaining_bytes(uint32_t number) {
  const Rows* rows = find(number);
  return rows == nullptr ? 0 : rows->bytes_.size() - rows->read_;
}

void RowIterators::release(Rows& rows) {
  open_bytes_ -= rows.bytes_.size();
  rows.clear();
  shrink(rows.bytes_);
  --open_count_;
}

}  // namespace worldline::runtime
