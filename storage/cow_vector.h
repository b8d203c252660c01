// storage/cow_vector.h
//
// CowVector<T>: a sparse array of counted objects that is copied in O(1) and changed along one
// path: a radix tree of fan-out 64 whose nodes are shared by reference count.
//
// Invariants: all leaves are at depth levels_; an absent element is null; a node whose only
// reference is held by its unique parent may be changed in place.
// Ownership: holds one reference to every element; T has add_ref() and release().
// Thread: copies may be read and destroyed on any thread; own() only by the writer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "storage/ref_count.h"

namespace worldline::storage {

template <typename T>
class CowVector {
 public:
  CowVector() = default;
  CowVector(const CowVector& other)
      : root_(other.root_), levels_(other.levels_), size_(other.size_) {
    if (root_ != nullptr) root_->refs.add();
  }
  CowVector& operator=(const CowVector&) = delete;
  ~CowVector() { release(root_, levels_); }

  // One past the largest index ever owned.
  size_t size() const { return size_; }

  T* get(size_t i) const {
    if (i >= size_) return nullptr;
    const Node* node = root_;
    for (uint32_t level = levels_; level > 1; --level) {
      if (node == nullptr) return nullptr;
      node = static_cast<const Node*>(node->children[digit(i, level)]);
    }
    return node == nullptr ? nullptr : static_cast<T*>(node->children[digit(i, 1)]);
  }

  // The slot of element i, with everything above it unshared and grown as needed. The caller may
  // replace its content; references move with the pointer.
  // REQUIRES: this vector's owner is itself unshared.
  void*& own(size_t i) {
    grow(i);
    Node** link = &root_;
    for (uint32_t level = levels_; level > 1; --level) {
      unshare(*link, level);
      link = reinterpret_cast<Node**>(&(*link)->children[digit(i, level)]);
      if (*link == nullptr) *link = std::make_unique<Node>().release();
    }
    unshare(*link, 1);
    return (*link)->children[digit(i, 1)];
  }

  // Becomes a copy of `other`.
  void share(const CowVector& other) {
    if (other.root_ != nullptr) other.root_->refs.add();
    release(root_, levels_);
    root_ = other.root_;
    levels_ = other.levels_;
    size_ = other.size_;
  }

  void clear() {
    release(root_, levels_);
    root_ = nullptr;
    levels_ = 0;
    size_ = 0;
  }

 private:
  static constexpr uint32_t kBits = 6;
  static constexpr size_t kFanOut = size_t{1} << kBits;
  struct Node {
    RefCount refs;
    std::array<void*, kFanOut> children{};  // Nodes above level 1, else elements.
  };

  static size_t digit(size_t i, uint32_t level) {
    return (i >> (kBits * (level - 1))) & (kFanOut - 1);
  }

  void grow(size_t i) {
    if (levels_ == 0) {
      root_ = std::make_unique<Node>().release();
      levels_ = 1;
    }
    while ((i >> (kBits * levels_)) != 0) {
      auto above = std::make_unique<Node>();
      above->children[0] = root_;
      root_ = above.release();
      ++levels_;
    }
    if (i >= size_) size_ = i + 1;
  }

  static void unshare(Node*& link, uint32_t level) {
    if (link->refs.is_one()) return;
    auto copy = std::make_unique<Node>();
    copy->children = link->children;
    for (void* child : copy->children) {
      if (child == nullptr) continue;
      if (level > 1)
        static_cast<Node*>(child)->refs.add();
      else
        static_cast<T*>(child)->add_ref();
    }
    release(link, level);
    link = copy.release();
  }

  static void release(Node* node, uint32_t level) {
    if (node == nullptr || !node->refs.release()) return;
    const std::unique_ptr<Node> owned(node);
    for (void* child : node->children) {
      if (child == nullptr) continue;
      if (level > 1)
        release(static_cast<Node*>(child), level - 1);  // Depth <= 11: 64^11 > 2^64.
      else
        static_cast<T*>(child)->release();
    }
  }

  Node* root_ = nullptr;
  uint32_t levels_ = 0;
  size_t size_ = 0;
};

}  // namespace worldline::storage
