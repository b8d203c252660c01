// gateway/size_tally.h
//
// SizeTally counts payload sizes by the buckets of [S 05/6.4] in plain numbers of its owner, who
// hands them to the metrics page now and then: counting a message costs a few comparisons.
//
// Invariant: the counts add up to message_count(). Ownership: one connection; not thread-safe.
// Units: bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace worldline::gateway {

class SizeTally {
 public:
  static constexpr std::array<size_t, 14> kUpperBounds{
      100,       500,        1'000,      10'000,     100'000,    500'000,     1'000'000,
      5'000'000, 10'000'000, 25'000'000, 50'000'000, 75'000'000, 100'000'000, 500'000'000};

  void add(size_t bytes) {
    size_t bucket = 0;
    while (bucket < kUpperBounds.size() && bytes > kUpperBounds[bucket]) ++bucket;
    ++counts_[bucket];
    ++message_count_;
    bytes_ += bytes;
  }

  bool empty() const { return message_count_ == 0; }
  uint64_t message_count() const { return message_count_; }
  uint64_t bytes() const { return bytes_; }  // Of all messages.
  // By bucket, not cumulative; the last is above all bounds.
  std::span<const uint64_t> counts() const { return counts_; }

 private:
  std::array<uint64_t, kUpperBounds.size() + 1> counts_{};
  uint64_t message_count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace worldline::gateway
