// storage/direct_map.h
//
// DirectMap: the array under a direct index: the packed row ref of key k stands in place k, so a
// look-up searches nothing [S 05/1.7].
//
// The idea: chunks of 64 places in a CowVector; a pinned snapshot costs one reference, and a change
// after it clones one chunk and the path to it. Keys that are few and far apart would waste chunks:
// fits() says which key may come, and IndexTree becomes a B+tree at one that may not, or when
// is_dense() no longer holds.
//
// Invariants: a chunk holds at least one ref; all keys are below the limit of fits() at the time of
// their insertion. Ownership: a value that shares its chunks when copied.
// Thread: copies any; changes by the writer. Units: 8 bytes a place.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/check.h"
#include "storage/cow_vector.h"
#include "storage/ref_count.h"

namespace worldline::storage {

class DirectMap {
 public:
  static constexpr uint64_t kFewKeys = 4096;  // 32 KiB of places are nobody's loss.
  static constexpr uint64_t kSpread = 4;      // Places per entry: at most 32 bytes each.

  // Whether an array with `entries` keys may take this one.
  static bool fits(uint64_t key, uint64_t entries) {
    return key / kSpread < entries + kFewKeys / kSpread;
  }
  // False once it lost most of its keys, so that a scan would look at little but gaps. Far from the
  // limit of fits(): a tree is built after as many removals only.
  bool is_dense(uint64_t entries) const {
    return chunks_.size() * kChunkKeys <= 4 * (kSpread * entries + kFewKeys);
  }

  std::optional<uint64_t> find(uint64_t key) const {
    const Chunk* const chunk = chunk_of(key);
    if (chunk == nullptr || chunk->refs[key % kChunkKeys] == kNone) return std::nullopt;
    return chunk->refs[key % kChunkKeys];
  }
  // The first key not below `from` that is there.
  std::optional<uint64_t> find_next(uint64_t from) const {
    const uint64_t end = chunks_.size() * kChunkKeys;
    for (uint64_t key = from; key < end;) {
      const Chunk* const chunk = chunk_of(key);
      if (chunk != nullptr && chunk->refs[key % kChunkKeys] != kNone) return key;
      key = chunk != nullptr ? key + 1 : (key / kChunkKeys + 1) * kChunkKeys;
    }
    return std::nullopt;
  }

  // --- Changes. REQUIRES: whoever holds this is not shared. ---
  void insert(uint64_t key, uint64_t ref) {  // REQUIRES: the key is not there and fits.
    Chunk& chunk = own(key);
    uint64_t& place = chunk.refs[key % kChunkKeys];
    WL_CHECK(place == kNone);
    place = ref;
    ++chunk.count;
  }
  void erase(uint64_t key, uint64_t ref) {  // REQUIRES: the key is there with this ref.
    WL_CHECK(find(key) == ref);
    Chunk& chunk = own(key);
    chunk.refs[key % kChunkKeys] = kNone;
    if (--chunk.count != 0) return;
    void*& link = chunks_.own(key / kChunkKeys);
    static_cast<Chunk*>(link)->release();
    link = nullptr;
  }
  void clear() { chunks_.clear(); }
  void share(const DirectMap& other) { chunks_.share(other.chunks_); }

  // The number of entries, or nothing if a chunk miscounts its own.
  std::optional<uint64_t> check() const {
    uint64_t total = 0;
    for (size_t i = 0; i < chunks_.size(); ++i) {
      const Chunk* const chunk = chunks_.get(i);
      if (chunk == nullptr) continue;
      const auto none = std::count(chunk->refs.begin(), chunk->refs.end(), kNone);
      if (chunk->count == 0 || chunk->count + static_cast<uint64_t>(none) != kChunkKeys)
        return std::nullopt;
      total += chunk->count;
    }
    return total;
  }

 private:
  static constexpr uint64_t kChunkKeys = 64;
  static constexpr uint64_t kNone = UINT64_MAX;  // A packed ref has 48 bits.
  struct Chunk {
    RefCount counted;
    uint32_t count = 0;  // Of refs that are not kNone.
    std::array<uint64_t, kChunkKeys> refs;

    void add_ref() { counted.add(); }
    void release() {
      if (counted.release()) const std::unique_ptr<Chunk> owned(this);
    }
  };

  const Chunk* chunk_of(uint64_t key) const { return chunks_.get(key / kChunkKeys); }
  Chunk& own(uint64_t key) {
    void*& link = chunks_.own(key / kChunkKeys);
    auto* const chunk = static_cast<Chunk*>(link);
    if (chunk != nullptr && chunk->counted.is_one()) return *chunk;
    auto copy = std::make_unique<Chunk>();
    if (chunk == nullptr) {
      copy->refs.fill(kNone);
    } else {
      copy->count = chunk->count;
      copy->refs = chunk->refs;
      chunk->release();
    }
    return *static_cast<Chunk*>(link = copy.release());
  }

  CowVector<Chunk> chunks_;
};

}  // namespace worldline::storage
