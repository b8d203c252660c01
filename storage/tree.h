// storage/tree.h
//
// Tree<Keys>: the B+tree under every index: ordered (key, row ref) entries in copy-on-write nodes.
// All functions are static; a tree is its root pointer, so that IndexTree can hold either kind.
//
// The idea: with Uniqueness::kUnique entries are found by key alone (the ref takes no part, and
// separators store none), otherwise by (key, ref), which orders duplicates and makes deletion
// logarithmic. A change walks down once and unshares each node on its way.
//
// Invariants: entries ascend; separator i is not greater than anything in child i and greater than
// everything in child i-1; only the root may have one child or, as a leaf, be empty (null instead).
// Ownership: the root pointer holds one reference. Thread: changes by the writer, frozen trees any.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/tree_keys.h"
#include "storage/tree_node.h"

namespace worldline::storage {

enum class Uniqueness : uint8_t { kUnique, kDuplicates };

// What an insert learnt about equal keys in its leaf.
enum class Neighbour : uint8_t { kEqual, kDifferent, kUnknown };

template <typename Keys>
class Tree {
 public:
  using Probe = typename Keys::Probe;

  // Adds an entry. REQUIRES: it is not there; with kUnique, no entry has its key.
  static Neighbour insert(TreeNode*& root, const Probe& key, uint64_t ref, Uniqueness uniqueness);
  // Removes an entry. REQUIRES: it is there.
  static void erase(TreeNode*& root, const Probe& key, uint64_t ref, Uniqueness uniqueness);

  // The ref of a unique key.
  static std::optional<uint64_t> find(const TreeNode* root, const Probe& key);
  static bool contains(const TreeNode* root, const Probe& key);
  static bool contains_twice(const TreeNode* root, const Probe& key);
  // The first entry not below (key, 0); its leaf position may be one past the leaf's end.
  static TreePath lower_bound(const TreeNode* root, const Probe& key);

  static void release(TreeNode* root);
  // Structure and order of every node; the number of entries, or nothing if broken.
  static std::optional<uint64_t> check(const TreeNode* root, Uniqueness uniqueness);

 private:
  struct Layout;
};

extern template class Tree<WordKeys>;
extern template class Tree<FixedKeys<16>>;
extern template class Tree<FixedKeys<32>>;
extern template class Tree<ByteKeys>;

// The first entry of a tree.
TreePath tree_begin(const TreeNode* root);
// Moves a position behind the end of its leaf to the next leaf. False at the end of the tree.
bool tree_normalise(TreePath& path);

}  // namespace worldline::storage
