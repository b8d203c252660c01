// storage/index_tree.cc: dispatch on the key kind, counts, cursors.
#include "storage/index_tree.h"

#include <type_traits>

#include "base/secure_random.h"
#include "storage/table_record.h"

namespace worldline::storage {
namespace {

template <typename Keys>
auto probe_of(const IndexKey& key) {
  if constexpr (std::is_same_v<Keys, WordKeys>) {
    return key.word();
  } else {
    return ByteProbe(key.bytes());
  }
}

// Calls `run` for the kind of keys, which it gets as a type.
template <typename Run>
auto with_keys(KeyKind kind, Run&& run) {
  switch (kind) {
    case KeyKind::kWord:
      return run.template operator()<WordKeys>();
    case KeyKind::kBytes16:
      return run.template operator()<FixedKeys<16>>();
    case KeyKind::kBytes32:
      return run.template operator()<FixedKeys<32>>();
    case KeyKind::kBytes:
      break;
  }
  return run.template operator()<ByteKeys>();
}

uint64_t random_seed() {
  uint64_t seed = 0;
  fill_random({reinterpret_cast<Byte*>(&seed), sizeof seed});
  return seed;
}

}  // namespace

KeyKind key_kind_of(const schema::KeyEncoder& key) {
  if (key.is_word()) return KeyKind::kWord;
  if (key.fixed_size() == 16u) return KeyKind::kBytes16;
  if (key.fixed_size() == 32u) return KeyKind::kBytes32;
  return KeyKind::kBytes;
}

IndexTree::IndexTree(KeyKind kind, Uniqueness uniqueness, IndexForm form, uint32_t position)
    : kind_(kind),
      uniqueness_(uniqueness),
      position_(position),
      first_form_(form),
      form_(form),
      hash_(form == IndexForm::kHash ? random_seed() : 0) {
  if (form == IndexForm::kDirect) WL_CHECK(kind == KeyKind::kWord && is_unique());
  if (form == IndexForm::kHash) WL_CHECK(is_unique());
}

IndexTree::IndexTree(const IndexTree& other)
    : kind_(other.kind_),
      uniqueness_(other.uniqueness_),
      position_(other.position_),
      first_form_(other.first_form_),
      form_(other.form_),
      direct_(other.direct_),
      hash_(other.hash_),
      root_(other.root_),
      entries_(other.entries_),
      distinct_(other.distinct_) {
  if (root_ != nullptr) root_->refs.add();
}

IndexTree::IndexTree(IndexTree&& other) noexcept : IndexTree(other) {
  other.clear();
}

void IndexTree::clear() {
  with_keys(kind_, [this]<typename Keys>() { Tree<Keys>::release(root_); });
  root_ = nullptr;
  direct_.clear();
  hash_.clear();
  form_ = first_form_;
  entries_ = 0;
  distinct_ = 0;
}

void IndexTree::share(const IndexTree& other) {
  WL_CHECK(kind_ == other.kind_ && uniqueness_ == other.uniqueness_);
  WL_CHECK(first_form_ == other.first_form_);
  if (other.root_ != nullptr) other.root_->refs.add();
  const uint64_t entries = other.entries_;
  const uint64_t distinct = other.distinct_;
  clear();
  direct_.share(other.direct_);
  hash_.share(other.hash_);
  form_ = other.form_;
  root_ = other.root_;
  entries_ = entries;
  distinct_ = distinct;
}

uint32_t IndexTree::hash_of(const IndexKey& key) const {
  if (kind_ != KeyKind::kWord) return hash_.hash_of(key.bytes());
  const uint64_t word = key.word();
  return hash_.hash_of({reinterpret_cast<const Byte*>(&word), sizeof word});
}

std::optional<RowRef> IndexTree::find_unique(const TableRecord* table, const IndexKey& key) const {
  if (is_hash())
    return hash_.find(hash_of(key), [this, table, &key](RowRef ref) {
      return table->has_key(position_, table->row(ref), key);
    });
  const std::optional<uint64_t> found =
      is_direct() ? direct_.find(key.word()) : with_keys(kind_, [this, &key]<typename Keys>() {
        return Tree<Keys>::find(root_, probe_of<Keys>(key));
      });
  if (!found) return std::nullopt;
  return RowRef::from_packed(*found);
}

bool IndexTree::contains(const TableRecord* table, const IndexKey& key) const {
  return is_unique() ? find_unique(table, key).has_value() : contains_in_tree(key);
}

bool IndexTree::contains_in_tree(const IndexKey& key) const {
  return with_keys(kind_, [this, &key]<typename Keys>() {
    return Tree<Keys>::contains(root_, probe_of<Keys>(key));
  });
}

bool IndexTree::contains_twice(const IndexKey& key) const {
  return with_keys(kind_, [this, &key]<typename Keys>() {
    return Tree<Keys>::contains_twice(root_, probe_of<Keys>(key));
  });
}

TreePath IndexTree::lower_bound(const IndexKey& key) const {
  return with_keys(kind_, [this, &key]<typename Keys>() {
    return Tree<Keys>::lower_bound(root_, probe_of<Keys>(key));
  });
}

IndexCursor IndexTree::point(const TableRecord* table, const IndexKey& key) const {
  IndexCursor cursor;
  if (is_hash()) {
    if (const auto found = find_unique(table, key)) cursor.begin_one(table, *found);
    return cursor;
  }
  if (is_direct()) {
    IndexKey next;
    next.word_ = key.word() + 1;  // The greatest word never fits an array, but the cursor is right.
    return between(table, &key, key.word() == UINT64_MAX ? nullptr : &next);
  }
  if (root_ == nullptr) return cursor;
  cursor.table_ = table;
  cursor.path_ = lower_bound(key);
  // The end is where the next greater key would begin: for a word its successor, for bytes the key
  // followed by the smallest byte, because normal forms are prefix-free.
  IndexKey next;
  if (kind_ == KeyKind::kWord) {
    if (key.word() == UINT64_MAX) return cursor;
    next.word_ = key.word() + 1;
  } else {
    next.bytes_ = key.bytes_;
    next.bytes_.push_back(0);
  }
  const TreePath end = lower_bound(next);
  cursor.end_leaf_ = end.steps[0].node;
  cursor.end_at_ = end.steps[0].at;
  return cursor;
}

IndexCursor IndexTree::all(const TableRecord* table) const {
  return between(table, nullptr, nullptr);
}

IndexCursor IndexTree::between(const TableRecord* table, const IndexKey* from,
                               const IndexKey* to) const {
  WL_CHECK(!is_hash());
  IndexCursor cursor;
  if (is_direct()) {
    cursor.table_ = table;
    cursor.direct_ = &direct_;
    cursor.next_key_ = from == nullptr ? 0 : from->word();
    cursor.end_key_ = to == nullptr ? UINT64_MAX : to->word();  // No array holds that key.
    return cursor;
  }
  if (root_ == nullptr) return cursor;
  cursor.table_ = table;
  cursor.path_ = from == nullptr ? tree_begin(root_) : lower_bound(*from);
  if (to != nullptr) {
    const TreePath end = lower_bound(*to);
    cursor.end_leaf_ = end.steps[0].node;
    cursor.end_at_ = end.steps[0].at;
  }
  return cursor;
}

void IndexTree::turn_into_tree() {
  for (auto key = direct_.find_next(0); key; key = direct_.find_next(*key + 1))
    Tree<WordKeys>::insert(root_, *key, *direct_.find(*key), uniqueness_);
  direct_.clear();
  form_ = IndexForm::kTree;
}

void IndexTree::insert(const IndexKey& key, RowRef ref) {
  if (is_direct() && !DirectMap::fits(key.word(), entries_)) turn_into_tree();
  ++entries_;
  if (is_hash()) return hash_.insert(hash_of(key), ref);
  if (is_direct()) return direct_.insert(key.word(), ref.packed());
  const Neighbour neighbour = with_keys(kind_, [this, &key, ref]<typename Keys>() {
    return Tree<Keys>::insert(root_, probe_of<Keys>(key), ref.packed(), uniqueness_);
  });
  if (is_unique() || neighbour == Neighbour::kEqual) return;
  if (neighbour == Neighbour::kUnknown && contains_twice(key)) return;
  ++distinct_;
}

void IndexTree::erase(const IndexKey& key, RowRef ref) {
  --entries_;
  if (is_hash()) return hash_.erase(hash_of(key), ref);
  if (is_direct()) {
    direct_.erase(key.word(), ref.packed());
    if (!direct_.is_dense(entries_)) turn_into_tree();
    return;
  }
  with_keys(kind_, [this, &key, ref]<typename Keys>() {
    Tree<Keys>::erase(root_, probe_of<Keys>(key), ref.packed(), uniqueness_);
  });
  if (entries_ == 0) form_ = first_form_;
  if (!is_unique() && !contains_in_tree(key)) --distinct_;
}

bool IndexTree::check() const {
  if (is_hash()) return root_ == nullptr && hash_.entries() == entries_ && hash_.check();
  if (is_direct()) return root_ == nullptr && direct_.check() == entries_;
  const auto counted =
      with_keys(kind_, [this]<typename Keys>() { return Tree<Keys>::check(root_, uniqueness_); });
  return counted == entries_ && distinct() <= entries_;
}

}  // namespace worldline::storage
