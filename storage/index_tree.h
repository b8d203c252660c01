// storage/index_tree.h
//
// IndexTree: one index of one table version: a tree of either key kind, a hash map for a unique
// hash index, or an array for a direct one; its number of entries and of distinct keys. A value
// that shares its nodes when copied.
//
// Invariants: distinct <= entries; equal if unique. Ownership: counted nodes.
// Thread: copies any; changes by the writer. A hash index that is not unique is a tree too, and a
// direct one becomes a tree at a key too far from the others; neither point look-ups nor ranges can
// tell (a hash index refuses ranges in IndexView) [S 05/1.7].
// A hash map keeps no keys: who looks one up brings the table, in whose rows they are.
#pragma once

#include <cstdint>
#include <optional>

#include "schema/key_encoding.h"
#include "storage/direct_map.h"
#include "storage/hash_map.h"
#include "storage/read_view.h"
#include "storage/tree.h"

namespace worldline::storage {

// The first is a number, the others are byte strings.
enum class KeyKind : uint8_t { kWord, kBytes16, kBytes32, kBytes };

KeyKind key_kind_of(const schema::KeyEncoder& key);

enum class IndexForm : uint8_t { kTree, kDirect, kHash };

class IndexTree {
 public:
  // `position` is that in the table's indexes; a hash map asks the table by it.
  // REQUIRES: a direct one is unique and of words; one by hash is unique.
  IndexTree(KeyKind kind, Uniqueness uniqueness, IndexForm form = IndexForm::kTree,
            uint32_t position = 0);
  IndexTree(const IndexTree& other);
  IndexTree(IndexTree&& other) noexcept;
  IndexTree& operator=(const IndexTree&) = delete;
  ~IndexTree() { clear(); }

  KeyKind kind() const { return kind_; }
  bool is_unique() const { return uniqueness_ == Uniqueness::kUnique; }
  bool is_direct() const { return form_ == IndexForm::kDirect; }  // An array at the moment.
  bool is_hash() const { return form_ == IndexForm::kHash; }
  uint64_t entries() const { return entries_; }
  uint64_t distinct() const { return is_unique() ? entries_ : distinct_; }

  // `table` is the version that holds this. REQUIRES: is_unique().
  std::optional<RowRef> find_unique(const TableRecord* table, const IndexKey& key) const;
  bool contains(const TableRecord* table, const IndexKey& key) const;
  IndexCursor point(const TableRecord* table, const IndexKey& key) const;
  IndexCursor all(const TableRecord* table) const;  // REQUIRES: !is_hash().
  // Entries of [from, to); null is open. REQUIRES: from <= to if both are given, !is_hash().
  IndexCursor between(const TableRecord* table, const IndexKey* from, const IndexKey* to) const;

  // --- Changes. REQUIRES: the table record that holds this is not shared. ---
  void insert(const IndexKey& key, RowRef ref);
  void erase(const IndexKey& key, RowRef ref);
  void clear();
  void share(const IndexTree& other);  // Becomes a copy. REQUIRES: constructed alike.

  bool check() const;  // Structure, order and the number of entries.

 private:
  TreePath lower_bound(const IndexKey& key) const;
  bool contains_in_tree(const IndexKey& key) const;
  bool contains_twice(const IndexKey& key) const;
  uint32_t hash_of(const IndexKey& key) const;
  void turn_into_tree();

  const KeyKind kind_;
  const Uniqueness uniqueness_;
  const uint32_t position_;
  const IndexForm first_form_;
  IndexForm form_;  // Where the entries are: below root_, in direct_ or in hash_.
  DirectMap direct_;
  HashMap hash_;
  TreeNode* root_ = nullptr;
  uint64_t entries_ = 0;
  uint64_t distinct_ = 0;  // Kept for duplicates only.
};

}  // namespace worldline::storage
