// query/interval_set.h
//
// IntervalSet finds all closed intervals that contain a point: the range conditions of
// subscriptions. Points and ends are scalars mapped to 64 bits in order (interval_point); the map
// may merge neighbours, so a hit is a "maybe" that the query's own condition decides.
//
// The idea: intervals sorted by low end form an implicit balanced tree over an array, each node
// knowing the highest end below it. Changes go to a short unsorted list that is merged into the
// array when it has grown to the square root of it, so a change costs O(sqrt n) on average.
//
// Invariants: low <= high. Ownership: a value. Thread: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "query/scalar.h"

namespace worldline::query {

struct Interval {
  uint64_t low = 0;
  uint64_t high = UINT64_MAX;
};

// Order-preserving, not injective for texts and for numbers beyond 64 bits.
uint64_t interval_point(ScalarKind scalar, Bytes value);

template <typename T>
class IntervalSet {
 public:
  bool empty() const { return sorted_.empty() && recent_.empty(); }

  void add(Interval interval, T value) {
    recent_.push_back({interval, interval.high, std::move(value)});
    if (recent_.size() * recent_.size() > sorted_.size() + kRecentMin) merge();
  }

  // Removes one entry with this value. REQUIRES: there is one.
  void remove(const T& value) {
    const auto is_it = [&](const Node& node) { return node.value == value; };
    const auto recent = std::find_if(recent_.begin(), recent_.end(), is_it);
    if (recent != recent_.end()) {
      recent_.erase(recent);
      return;
    }
    sorted_.erase(std::find_if(sorted_.begin(), sorted_.end(), is_it));
    update_highest(0, sorted_.size());
  }

  template <typename OnHit>
  void for_each_containing(uint64_t point, OnHit&& on_hit) const {
    for (const Node& node : recent_)
      if (node.contains(point)) on_hit(node.value);
    visit(0, sorted_.size(), point, on_hit);
  }

 private:
  static constexpr size_t kRecentMin = 256;

  struct Node {
    Interval interval;
    uint64_t highest;  // Of the subtree; valid in sorted_.
    T value;
    bool contains(uint64_t point) const { return interval.low <= point && point <= interval.high; }
  };

  void merge() {
    sorted_.insert(sorted_.end(), recent_.begin(), recent_.end());
    recent_.clear();
    std::stable_sort(sorted_.begin(), sorted_.end(),
                     [](const Node& a, const Node& b) { return a.interval.low < b.interval.low; });
    update_highest(0, sorted_.size());
  }

  // The root of [begin, end) is its middle. Depth of recursion: log2 of the size.
  uint64_t update_highest(size_t begin, size_t end) {
    if (begin == end) return 0;
    const size_t middle = begin + (end - begin) / 2;
    Node& node = sorted_[middle];
    node.highest = std::max(
        {node.interval.high, update_highest(begin, middle), update_highest(middle + 1, end)});
    return node.highest;
  }

  template <typename OnHit>
  void visit(size_t begin, size_t end, uint64_t point, OnHit& on_hit) const {
    while (begin < end) {
      const size_t middle = begin + (end - begin) / 2;
      const Node& node = sorted_[middle];
      if (node.highest < point) return;
      visit(begin, middle, point, on_hit);
      if (node.interval.low > point) return;
      if (node.contains(point)) on_hit(node.value);
      begin = middle + 1;
    }
  }

  std::vector<Node> sorted_;  // By low end.
  std::vector<Node> recent_;
};

}  // namespace worldline::query
