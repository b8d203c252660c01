// runtime/row_iterators.h
//
// RowIterators holds the row iterators a module has open. A scan is copied completely when it is
// opened, so later writes of the transaction do not show, and is handed out in chunks: a chunk is
// closed at the first row boundary past 32 KiB [S 03/2.6].
//
// Invariants: numbers are never used twice, not even by a later call; everything is dropped at the
// end of the call. Buffers are kept for reuse up to kKeptBytesMax each.
// Ownership and thread: one instance, its thread. Units: bytes.
// Usage: Builder& b = open(); b.add(row)...; number = publish(b).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace worldline::runtime {

inline constexpr size_t kIteratorChunkBytes = 32 * limits::KiB;

class RowIterators {
 public:
  class Rows {
   public:
    void add(Bytes row) {
      bytes_.insert(bytes_.end(), row.begin(), row.end());
      if (bytes_.size() - chunk_start_ > kIteratorChunkBytes) close_chunk();
    }

   private:
    friend class RowIterators;
    void close_chunk() {
      chunk_start_ = bytes_.size();
      chunk_ends_.push_back(chunk_start_);
    }
    void clear();

    uint32_t number_ = 0;             // 0 = slot is free.
    ByteBuffer bytes_;                // All rows, back to back.
    size_t chunk_start_ = 0;          // Of the chunk being filled.
    std::vector<size_t> chunk_ends_;  // Chunks but the last; the last ends with bytes_.
    size_t read_ = 0;                 // Bytes handed out.
    size_t next_chunk_ = 0;           // Index into chunk_ends_.
  };

  enum class Advance : uint8_t {
    kMore,      // `bytes` copied, some remain.
    kDone,      // `bytes` copied (maybe none); the iterator is gone.
    kTooSmall,  // Nothing copied; `bytes` is the size of the next chunk.
    kNoSuchIter,
  };
  struct AdvanceResult {
    Advance kind;
    size_t bytes;
  };

  // An empty slot to add rows to. REQUIRES: published before the next open().
  Rows& open();
  uint32_t publish(Rows& rows);

  AdvanceResult advance(uint32_t number, MutableBytes into);
  bool close(uint32_t number);  // False: no such iterator.
  void close_all();

  size_t remaining_bytes(uint32_t number);  // Not yet handed out; 0 if there is no such iterator.
  size_t open_count() const { return open_count_; }
  // Size of the copied rows of all open iterators.
  size_t open_bytes() const;

 private:
  Rows* find(uint32_t number);
  void release(Rows& rows);

  std::vector<Rows> slots_;
  uint32_t last_number_ = 0;
  size_t open_count_ = 0;
};

}  // namespace worldline::runtime
