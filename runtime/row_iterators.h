// runtime/row_iterators.h
//
// RowIterators holds the row iterators a module has open. A scan is copied completely when it is
// opened, so later writes of the transaction do not show, and is handed out in chunks: a chunk is
// closed at the first row boundary past 32 KiB [S 03/2.6].
//
// Invariants: numbers are never used twice, not even by a later call: an instance that has used up
// half of them is to be replaced, and one that has used all of them opens no more. At most
// kOpenIteratorsMax are open, holding at most kOpenIteratorBytesMax. Everything is dropped at the
// end of the call. Buffers are kept for reuse up to kKeptBytesMax each.
// Ownership and thread: one instance, its thread. Units: bytes.
// Usage: Rows* rows = open(); while (rows->add(row))...; number = publish(*rows), or drop(*rows).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace worldline::runtime {

inline constexpr size_t kIteratorChunkBytes = 32 * limits::KiB;
inline constexpr size_t kOpenIteratorBytesMax = 256 * limits::MiB;  // Copied rows of one call.
inline constexpr size_t kOpenIteratorsMax = 4'096;                  // Of one call.

class RowIterators {
 public:
  class Rows {
   public:
    // False, and nothing is copied, if the open iterators would hold too much.
    [[nodiscard]] bool add(Bytes row) {
      if (row.size() > room_ - bytes_.size()) return false;
      bytes_.insert(bytes_.end(), row.begin(), row.end());
      if (bytes_.size() - chunk_start_ > kIteratorChunkBytes) close_chunk();
      return true;
    }

   private:
    friend class RowIterators;
    void close_chunk() {
      chunk_start_ = bytes_.size();
      chunk_ends_.push_back(chunk_start_);
    }
    void clear();

    uint32_t number_ = 0;             // 0 = slot is free.
    size_t room_ = 0;                 // What bytes_ may grow to.
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

  RowIterators() = default;
  explicit RowIterators(uint32_t last_number) : last_number_(last_number) {}  // For tests.

  // An empty slot to add rows to; null if too many are open or all numbers are used up.
  // REQUIRES: published or dropped before the next open().
  Rows* open();
  uint32_t publish(Rows& rows);
  void drop(Rows& rows);

  AdvanceResult advance(uint32_t number, MutableBytes into);
  bool close(uint32_t number);  // False: no such iterator.
  void close_all();

  size_t remaining_bytes(uint32_t number);  // Not yet handed out; 0 if there is no such iterator.
  size_t open_count() const { return open_count_; }
  // So many numbers are used that the instance should make room for a fresh one.
  bool is_worn() const { return last_number_ >= kWornNumber; }
  // Size of the copied rows of all open iterators.
  size_t open_bytes() const { return open_bytes_; }

 private:
  static constexpr uint32_t kWornNumber = uint32_t{1} << 31;

  Rows* find(uint32_t number);
  void release(Rows& rows);

  std::vector<Rows> slots_;
  uint32_t last_number_ = 0;
  size_t open_count_ = 0;
  size_t open_bytes_ = 0;
};

}  // namespace worldline::runtime
