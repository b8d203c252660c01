// storage/hash_map.cc: buckets, and the one that is split or joined when their number changes.
#include "storage/hash_map.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace worldline::storage {
HashMap::Bucket* HashMap::Bucket::create(uint32_t entries) {
  static_assert(sizeof(Bucket) == 8, "the tags follow without a gap");
  const uint32_t capacity = (entries + kStep - 1) / kStep * kStep;
  // Within reach of nobody who does not know the seed.
  WL_CHECK(capacity <= UINT16_MAX);
  void* const memory =
      ::operator new (sizeof(Bucket) + size_t{capacity} * kPlaceParts * sizeof(uint16_t));
  return new (memory) Bucket(capacity);
}

void HashMap::Bucket::release() {
  if (!counted.release()) return;
  this->~Bucket();
  ::operator delete(this);
}

HashMap::Bucket* HashMap::Bucket::copy(uint32_t entries) const {
  Bucket* const made = create(entries);
  made->count = count;
  std::copy_n(tags(), count, made->tags());
  std::copy_n(refs(), kRefParts * count, made->refs());
  std::copy_n(rests(), count, made->rests());
  return made;
}

void HashMap::Bucket::push(uint32_t hash, RowRef at) {
  WL_DCHECK(count < capacity);
  uint16_t* const parts = refs() + kRefParts * count;
  tags()[count] = tag_of(hash);
  parts[0] = static_cast<uint16_t>(at.page);
  parts[1] = static_cast<uint16_t>(at.page >> 16);
  parts[2] = at.slot;
  rests()[count] = static_cast<uint16_t>(hash);
  ++count;
}

void HashMap::Bucket::take_out(uint32_t i) {
  --count;
  tags()[i] = tags()[count];
  std::copy_n(refs() + kRefParts * count, kRefParts, refs() + kRefParts * i);
  rests()[i] = rests()[count];
}

uint32_t HashMap::hash_of(Bytes key) const {
  return static_cast<uint32_t>(XXH3_64bits_withSeed(key.data(), key.size(), seed_));
}

void HashMap::append(uint64_t bucket, uint32_t hash, RowRef ref) {
  void*& link = buckets_.own(bucket);
  auto* at = static_cast<Bucket*>(link);
  if (at == nullptr) {
    link = at = Bucket::create(1);
  } else if (at->count == at->capacity || !at->counted.is_one()) {
    Bucket* const grown = at->copy(at->count + 1u);
    at->release();
    link = at = grown;
  }
  at->push(hash, ref);
}

// Gives memory back once two steps are free, so that a bucket at a step's edge stays as it is.
void HashMap::remove(uint64_t bucket, uint32_t i) {
  void*& link = buckets_.own(bucket);
  auto* at = static_cast<Bucket*>(link);
  if (at->count == 1) {
    at->release();
    link = nullptr;
    return;
  }
  if (at->count - 1u + 2 * kStep <= at->capacity || !at->counted.is_one()) {
    Bucket* const made = at->copy(at->count);
    at->release();
    link = at = made;
  }
  at->take_out(i);
}

void HashMap::insert(uint32_t hash, RowRef ref) {
  append(bucket_of(hash), hash, ref);
  ++entries_;
  if (entries_ > kMean * bucket_count_) split_one();
}

void HashMap::erase(uint32_t hash, RowRef ref) {
  const uint64_t bucket = bucket_of(hash);
  const Bucket* const at = buckets_.get(bucket);
  WL_CHECK(at != nullptr);
  uint32_t i = 0;
  while (i < at->count && !(at->tags()[i] == tag_of(hash) && at->ref(i) == ref)) ++i;
  WL_CHECK(i < at->count);
  remove(bucket, i);
  --entries_;
  if (bucket_count_ > 1 && 4 * entries_ < kMean * bucket_count_) join_one();
}

// The next bucket in order gives to a new last one what the next bit of the hash sends there.
void HashMap::split_one() {
  const uint64_t from = bucket_count_ - half_;
  const uint64_t to = bucket_count_++;
  const uint64_t bit = half_;
  if (bucket_count_ == 2 * half_) half_ *= 2;
  if (buckets_.get(from) == nullptr) return;
  void*& link = buckets_.own(from);
  Bucket* const whole = static_cast<Bucket*>(link);
  uint32_t leaving = 0;
  for (uint32_t i = 0; i < whole->count; ++i) leaving += (whole->hash(i) & bit) != 0 ? 1 : 0;
  const uint32_t staying = whole->count - leaving;
  Bucket* const parts[2] = {staying == 0 ? nullptr : Bucket::create(staying),
                            leaving == 0 ? nullptr : Bucket::create(leaving)};
  for (uint32_t i = 0; i < whole->count; ++i)
    parts[(whole->hash(i) & bit) != 0 ? 1 : 0]->push(whole->hash(i), whole->ref(i));
  whole->release();
  link = parts[0];
  if (leaving != 0) buckets_.own(to) = parts[1];
}

// The last bucket goes back to where it came from.
void HashMap::join_one() {
  const uint64_t from = --bucket_count_;
  if (bucket_count_ < half_) half_ /= 2;
  if (buckets_.get(from) == nullptr) return;
  Bucket* const at = static_cast<Bucket*>(std::exchange(buckets_.own(from), nullptr));
  for (uint32_t i = 0; i < at->count; ++i) append(from - half_, at->hash(i), at->ref(i));
  at->release();
}

void HashMap::clear() {
  buckets_.clear();
  bucket_count_ = half_ = 1;
  entries_ = 0;
}

void HashMap::share(const HashMap& other) {
  buckets_.share(other.buckets_);
  bucket_count_ = other.bucket_count_;
  half_ = other.half_;
  entries_ = other.entries_;
  seed_ = other.seed_;
}

bool HashMap::check() const {
  uint64_t counted = 0;
  for (uint64_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    const Bucket* const at = buckets_.get(bucket);
    if (at == nullptr) continue;
    counted += at->count;
    if (at->count == 0 || at->count > at->capacity || at->capacity % kStep != 0) return false;
    for (uint32_t i = 0; i < at->count; ++i)
      if (bucket_of(at->hash(i)) != bucket) return false;
  }
  const bool is_sized = entries_ <= kMean * bucket_count_ &&
                        (bucket_count_ == 1 || 4 * entries_ >= kMean * (bucket_count_ - 1));
  return counted == entries_ && is_sized && half_ <= bucket_count_ && bucket_count_ < 2 * half_;
}

}  // namespace worldline::storage
