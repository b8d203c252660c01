// actors/meter_series.h
//
// The parts a DatabaseMeter is made of: a histogram of atomics, and a list of series that grows
// while others read it.
//
// Invariants: a series never moves and is never removed; a reader sees it complete or not at all.
// Ownership: values of their meter. Thread: figures any (relaxed atomics, none depends on another);
// MeterHistogram::observe() one at a time, MeterList::add() one writer, the rest any. Units: whole
// numbers, see MeterBuckets.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/check.h"

namespace worldline::actors {

inline constexpr size_t kMeterBucketsMax = 16;

inline void add(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}
// By the only thread that writes the counter at that time: no locked instruction.
inline void add_alone(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
inline void set(std::atomic<uint64_t>& gauge, uint64_t value) {
  gauge.store(value, std::memory_order_relaxed);
}
inline uint64_t value_of(const std::atomic<uint64_t>& figure) {
  return figure.load(std::memory_order_relaxed);
}

// Upper bounds as whole numbers; a bound on the page is bound / units_per_one.
struct MeterBuckets {
  std::span<const uint64_t> bounds;  // Ascending; of static storage.
  double units_per_one = 1;
};

class MeterHistogram {
 public:
  explicit MeterHistogram(const MeterBuckets& buckets) : buckets_(buckets) {
    WL_CHECK(buckets.bounds.size() <= kMeterBucketsMax);
  }

  void observe(uint64_t value) {
    size_t i = 0;
    while (i < buckets_.bounds.size() && value > buckets_.bounds[i]) ++i;
    add_alone(counts_[i], 1);
    add_alone(sum_, value);
  }

  const MeterBuckets& buckets() const { return buckets_; }
  uint64_t count(size_t bucket) const { return value_of(counts_[bucket]); }  // Not cumulative.
  uint64_t count_in_all() const {
    uint64_t all = 0;
    for (const auto& one : counts_) all += value_of(one);
    return all;
  }
  uint64_t sum() const { return value_of(sum_); }

 private:
  const MeterBuckets buckets_;
  std::array<std::atomic<uint64_t>, kMeterBucketsMax + 1> counts_{};  // The last: above all bounds.
  std::atomic<uint64_t> sum_{0};
};

// Append-only, at most `size_max` elements.
template <typename T>
class MeterList {
 public:
  explicit MeterList(size_t size_max) : size_max_(size_max) {}
  MeterList(const MeterList&) = delete;
  MeterList& operator=(const MeterList&) = delete;
  ~MeterList() {
    for (Node* node = first_.load(std::memory_order_relaxed); node != nullptr;)
      node = std::unique_ptr<Node>(node)->next.load(std::memory_order_relaxed);
  }

  // The new element; null if the list is full.
  template <typename... Args>
  T* add(Args&&... args) {
    if (size_ == size_max_) return nullptr;
    auto node = std::make_unique<Node>(std::forward<Args>(args)...);
    T* const added = &node->value;
    std::atomic<Node*>& link = last_ == nullptr ? first_ : last_->next;
    last_ = node.release();
    link.store(last_, std::memory_order_release);
    ++size_;
    return added;
  }

  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const Node* node = first_.load(std::memory_order_acquire); node != nullptr;
         node = node->next.load(std::memory_order_acquire))
      visit(node->value);
  }
  template <typename Visit>  // By the writer.
  void for_each(const Visit& visit) {
    for (Node* node = first_.load(std::memory_order_relaxed); node != nullptr;
         node = node->next.load(std::memory_order_relaxed))
      visit(node->value);
  }

 private:
  struct Node {
    template <typename... Args>
    explicit Node(Args&&... args) : value(std::forward<Args>(args)...) {}
    T value;
    std::atomic<Node*> next{nullptr};
  };

  const size_t size_max_;
  std::atomic<Node*> first_{nullptr};
  Node* last_ = nullptr;  // Of the writer, as is the next.
  size_t size_ = 0;
};

}  // namespace worldline::actors
