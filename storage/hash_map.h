// storage/hash_map.h
//
// HashMap: the place of each key of a unique hash index, by 32 bits of the key's hash. A look-up
// reads one short list of hashes instead of a search on every level of a tree, and keys of any
// size cost the same: they stand in their rows, to which the caller compares.
//
// The idea: linear hashing (Litwin, VLDB 1980). The number of buckets follows the number of
// entries by one at a time, so no insertion ever moves more than one bucket. A bucket is a counted
// block that grows in steps of kStep entries, and is copied when it changes while a snapshot holds
// it; buckets hang in a CowVector. In a block the upper halves of the hashes (tags) come first: a
// look-up reads those, one or two cache lines, and the place of the entry whose tag agrees. The
// lower halves come last; only splits read them.
//
// Invariants: an entry is in bucket_of(its hash); a bucket holds at least one entry; per bucket
// there are kMean entries at most on average, and kMean / 4 at least beyond the first bucket.
// With a seed that nobody knows nobody can choose keys that collide; nothing that leaves the
// process depends on the order of buckets.
// Ownership: a value that shares its buckets when copied.
// Thread: copies any; changes by the writer. Units: 10 bytes a place, about 13 with everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "storage/cow_vector.h"
#include "storage/ref_count.h"
#include "storage/storage_types.h"

namespace worldline::storage {

class HashMap {
 public:
  explicit HashMap(uint64_t seed) : seed_(seed) {}
  HashMap(const HashMap&) = default;
  HashMap& operator=(const HashMap&) = delete;
  ~HashMap() = default;

  uint32_t hash_of(Bytes key) const;
  uint64_t entries() const { return entries_; }

  // The entry of that hash for which `matches(RowRef)` is true.
  template <typename Matches>
  std::optional<RowRef> find(uint32_t hash, Matches&& matches) const {
    const Bucket* const bucket = buckets_.get(bucket_of(hash));
    if (bucket == nullptr) return std::nullopt;
    bucket->prefetch();
    const uint16_t* const tags = bucket->tags();
    for (uint32_t i = 0; i < bucket->count; ++i)
      if (tags[i] == tag_of(hash) && matches(bucket->ref(i))) return bucket->ref(i);
    return std::nullopt;
  }

  // --- Changes. REQUIRES: whoever holds this is not shared. ---
  void insert(uint32_t hash, RowRef ref);  // REQUIRES: the entry is not there.
  void erase(uint32_t hash, RowRef ref);   // REQUIRES: the entry is there.
  void clear();
  void share(const HashMap& other);  // Becomes a copy.

  bool check() const;  // Every entry is where it belongs, and counted.

 private:
  static constexpr uint32_t kMean = 12;
  static constexpr uint32_t kStep = 4;
  static constexpr uint32_t kRefParts = 3;  // Of 16 bits: page, page, slot.
  static constexpr uint32_t kPlaceParts = 1 + kRefParts + 1;

  static uint16_t tag_of(uint32_t hash) { return static_cast<uint16_t>(hash >> 16); }

  // `capacity` tags follow it, then as many refs, then as many lower halves of hashes.
  struct Bucket {
    RefCount counted;
    uint16_t count = 0;
    uint16_t capacity;

    static Bucket* create(uint32_t entries);  // With room for as many, rounded up to a step.
    explicit Bucket(uint32_t places) : capacity(static_cast<uint16_t>(places)) {}
    void add_ref() { counted.add(); }
    void release();
    Bucket* copy(uint32_t entries) const;
    void push(uint32_t hash, RowRef at);
    void take_out(uint32_t i);

    uint16_t* tags() { return reinterpret_cast<uint16_t*>(this + 1); }
    const uint16_t* tags() const { return reinterpret_cast<const uint16_t*>(this + 1); }
    uint16_t* refs() { return tags() + capacity; }
    const uint16_t* refs() const { return tags() + capacity; }
    uint16_t* rests() { return refs() + kRefParts * capacity; }
    const uint16_t* rests() const { return refs() + kRefParts * capacity; }

    uint32_t hash(uint32_t i) const { return uint32_t{tags()[i]} << 16 | rests()[i]; }
    RowRef ref(uint32_t i) const {
      const uint16_t* const parts = refs() + kRefParts * i;
      return {parts[0] | uint32_t{parts[1]} << 16, parts[2]};
    }
    // Its second and third cache line, where most refs are.
    void prefetch() const {
      __builtin_prefetch(reinterpret_cast<const Byte*>(this) + 64);
      __builtin_prefetch(reinterpret_cast<const Byte*>(this) + 128);
    }
  };

  // Buckets below bucket_count_ - half_ have been split in two since the number was half_.
  uint64_t bucket_of(uint32_t hash) const {
    const uint64_t place = hash & (2 * half_ - 1);
    return place < bucket_count_ ? place : place - half_;
  }
  void append(uint64_t bucket, uint32_t hash, RowRef ref);
  void remove(uint64_t bucket, uint32_t i);
  void split_one();
  void join_one();

  CowVector<Bucket> buckets_;  // Absent: empty.
  uint64_t bucket_count_ = 1;
  uint64_t half_ = 1;  // The greatest power of two that is not above bucket_count_.
  uint64_t entries_ = 0;
  uint64_t seed_;
};

}  // namespace worldline::storage
