// storage/page_set.h
//
// PageSet: a set of page numbers that answers "the lowest" in a few steps: a bitmap with a bitmap
// of its non-zero words above it, and so on.
//
// Invariants: a bit above is set exactly if the word below is not zero. Thread: one.
// Units: page numbers. Cost: one word per level, 64^levels pages.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace worldline::storage {

class PageSet {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  void insert(uint32_t number) {
    uint32_t i = number;
    for (size_t level = 0;; ++level) {
      if (level == levels_.size()) levels_.emplace_back();
      auto& words = levels_[level];
      const uint32_t word = i / 64;
      if (word >= words.size()) words.resize(word + 1, 0);
      words[word] |= uint64_t{1} << (i % 64);
      if (words.size() == 1 && level + 1 == levels_.size()) return;
      if (level + 1 == levels_.size()) fill_above(level);
      i = word;
    }
  }

  void erase(uint32_t number) {
    uint32_t i = number;
    for (auto& words : levels_) {
      const uint32_t word = i / 64;
      if (word >= words.size()) return;
      words[word] &= ~(uint64_t{1} << (i % 64));
      if (words[word] != 0) return;
      i = word;
    }
  }

  bool contains(uint32_t number) const {
    return !levels_.empty() && number / 64 < levels_[0].size() &&
           (levels_[0][number / 64] >> (number % 64) & 1) != 0;
  }

  uint32_t lowest() const {
    if (levels_.empty() || levels_.back()[0] == 0) return kNone;
    uint32_t i = 0;
    for (size_t level = levels_.size(); level-- > 0;)
      i = i * 64 + static_cast<uint32_t>(std::countr_zero(levels_[level][i]));
    return i;
  }

  void clear() { levels_.clear(); }

 private:
  // A top level that outgrew one word gets a level above it.
  void fill_above(size_t level) {
    std::vector<uint64_t> above((levels_[level].size() + 63) / 64, 0);
    for (size_t word = 0; word < levels_[level].size(); ++word)
      if (levels_[level][word] != 0) above[word / 64] |= uint64_t{1} << (word % 64);
    levels_.push_back(std::move(above));
  }

  std::vector<std::vector<uint64_t>> levels_;  // levels_[0] has one bit per page.
};

}  // namespace worldline::storage
