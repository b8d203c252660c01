// storage/index_tree.h
//
// IndexTree: one index of one table version: a tree of either key kind, or an array for a direct
// one, its number of entries and of distinct keys. A value that shares its nodes when copied.
//
// Invariants: distinct <= entries; equal if unique. Ownership: counted nodes.
// Thread: copies any; changes by the writer. Hash indexes are trees too, and a direct one becomes a
// tree at a key too far from the others; neither point look-ups nor ranges can tell (a hash index
// refuses ranges in IndexView) [S 05/1.7].
#pragma once

#include <cstdint>
#include <optional>

#include "schema/key_encoding.h"
#include "storage/direct_map.h"
#include "storage/read_view.h"
#include "storage/tree.h"

namespace worldline::storage {

// The first is a number, the others are byte strings.
enum class KeyKind : uint8_t { kWord, kBytes16, kBytes32, kBytes };

KeyKind key_kind_of(const schema::KeyEncoder& key);

enum class IndexForm : uint8_t { kTree, kDirect };

class IndexTree {
 public:
  // REQUIRES: a direct one is unique and of words.
  IndexTree(KeyKind kind, Uniqueness uniqueness, IndexForm form = IndexForm::kTree);
  IndexTree(const IndexTree& other);
  IndexTree(IndexTree&& other) noexcept;
  IndexTree& operator=(const IndexTree&) = delete;
  ~IndexTree() { clear(); }

  KeyKind kind() const { return kind_; }
  bool is_unique() const { return uniqueness_ == Uniqueness::kUnique; }
  bool is_direct() const { return is_direct_; }  // An array at the moment.
  uint64_t entries() const { return entries_; }
  uint64_t distinct() const { return is_unique() ? entries_ : distinct_; }

  std::optional<RowRef> find_unique(const IndexKey& key) const;  // REQUIRES: is_unique().
  bool contains(const IndexKey& key) const;
  IndexCursor point(const TableRecord* table, const IndexKey& key) const;
  IndexCursor all(const TableRecord* table) const;
  // Entries of [from, to); null is open. REQUIRES: from <= to if both are given.
  IndexCursor between(const TableRecord* table, const IndexKey* from, const IndexKey* to) const;

  // --- Changes. REQUIRES: the table record that holds this is not shared. ---
  void insert(const IndexKey& key, RowRef ref);
  void erase(const IndexKey& key, RowRef ref);
  void replace_ref(const IndexKey& key, RowRef ref);  // REQUIRES: is_unique().
  void clear();
  void share(const IndexTree& other);  // Becomes a copy. REQUIRES: same kind and uniqueness.

  bool check() const;  // Structure, order and the number of entries.

 private:
  TreePath lower_bound(const IndexKey& key) const;
  bool contains_twice(const IndexKey& key) const;
  void turn_into_tree();

  const KeyKind kind_;
  const Uniqueness uniqueness_;
  const bool begins_direct_;
  bool is_direct_;  // Then the entries are in direct_, else below root_.
  DirectMap direct_;
  TreeNode* root_ = nullptr;
  uint64_t entries_ = 0;
  uint64_t distinct_ = 0;  // Kept for duplicates only.
};

}  // namespace worldline::storage
