// storage/tree.cc: search, insertion with splits, removal with merges, all along one unshared path.
#include "storage/tree.h"

#include <new>

#include "base/check.h"

namespace worldline::storage {

// Where things are in a node. A leaf is header | refs | keys; an inner node is
// header | children | keys | refs, where (key, ref) i is the separator below child i and number 0
// is unused.
template <typename Keys>
struct Tree<Keys>::Layout {
  using Stored = typename Keys::Stored;
  static constexpr uint32_t kLeafMax =
      (Keys::kLeafBytes - sizeof(TreeNode)) / (sizeof(Stored) + sizeof(uint64_t));
  static constexpr uint32_t kInnerMax =
      (Keys::kInnerBytes - sizeof(TreeNode)) / (sizeof(Stored) + 2 * sizeof(uint64_t));
  static_assert(kLeafMax >= 8 && kInnerMax >= 16);
  static constexpr size_t kLineBytes = 64;

  static uint32_t capacity(const TreeNode* node) { return node->level == 0 ? kLeafMax : kInnerMax; }
  static size_t bytes(uint32_t level) { return level == 0 ? Keys::kLeafBytes : Keys::kInnerBytes; }

  static Stored* keys(TreeNode* node) {
    return reinterpret_cast<Stored*>(node->payload() + capacity(node));
  }
  static const Stored* keys(const TreeNode* node) {
    return reinterpret_cast<const Stored*>(node->payload() + capacity(node));
  }
  static uint64_t* separator_refs(TreeNode* node) {
    return reinterpret_cast<uint64_t*>(keys(node) + kInnerMax);
  }
  static const uint64_t* separator_refs(const TreeNode* node) {
    return reinterpret_cast<const uint64_t*>(keys(node) + kInnerMax);
  }

  static TreeNode* create(uint32_t level) {
    auto* node = new (::operator new(bytes(level))) TreeNode;
    node->level = static_cast<uint16_t>(level);
    return node;
  }
  static void destroy(TreeNode* node) {
    node->~TreeNode();
    ::operator delete(node);
  }

  // Keys that the node holds references to: a separator 0 does not exist.
  static uint32_t first_key(const TreeNode* node) { return node->level == 0 ? 0 : 1; }

  static TreeNode* clone(const TreeNode* node) {
    TreeNode* copy = create(node->level);
    copy->count = node->count;
    copy_entries(copy, 0, node, 0, node->count);
    for (uint32_t i = first_key(node); i < node->count; ++i) Keys::add_ref(keys(node)[i]);
    if (node->level != 0)
      for (uint32_t i = 0; i < node->count; ++i) node->child(i)->refs.add();
    return copy;
  }

  // Copies entries bytewise between different nodes of one level; counts are the caller's.
  static void copy_entries(TreeNode* to, uint32_t at, const TreeNode* from, uint32_t first,
                           uint32_t count) {
    std::memcpy(to->payload() + at, from->payload() + first, count * sizeof(uint64_t));
    std::memcpy(keys(to) + at, keys(from) + first, count * sizeof(Stored));
    if (to->level != 0)
      std::memcpy(separator_refs(to) + at, separator_refs(from) + first, count * sizeof(uint64_t));
  }
  static void move_entries(TreeNode* node, uint32_t to, uint32_t from) {
    const size_t count = node->count - from;
    std::memmove(node->payload() + to, node->payload() + from, count * sizeof(uint64_t));
    std::memmove(keys(node) + to, keys(node) + from, count * sizeof(Stored));
    if (node->level != 0)
      std::memmove(separator_refs(node) + to, separator_refs(node) + from,
                   count * sizeof(uint64_t));
  }

  static TreeNode* own(TreeNode*& link) {
    if (link->refs.is_one()) [[likely]]
      return link;
    TreeNode* copy = clone(link);
    Tree::release(link);
    return link = copy;
  }

  static bool less(const Stored& key, uint64_t key_ref, const Probe& probe, uint64_t ref) {
    const auto order = Keys::compare(key, probe);
    return order < 0 || (order == 0 && key_ref < ref);
  }

  // How many of the first `count` keys have a head below `head`.
  static uint32_t heads_below(const Stored* stored, uint32_t count, uint64_t head) {
    if (count == 0) return 0;
    // The end first, where keys of a sequence come and go: nearly always or nearly never.
    const uint64_t last = Keys::head(stored[count - 1]);
    if (last <= head && (count == 1 || Keys::head(stored[count - 2]) < head))
      return count - (last == head ? 1 : 0);
    // Free of branches, which a random key would mispredict half of the time: the comparison
    // becomes a mask.
    uint32_t at = 0;
    for (uint32_t length = count; length > 1;) {
      const uint32_t half = length / 2;
      at += half & (0u - static_cast<uint32_t>(Keys::head(stored[at + half - 1]) < head));
      length -= half;
    }
    return at + static_cast<uint32_t>(Keys::head(stored[at]) < head);
  }
  // The first of the entries [begin, end) that is not below (probe, ref).
  static uint32_t search(const Stored* stored, const uint64_t* refs, uint32_t begin, uint32_t end,
                         const Probe& probe, uint64_t ref) {
    const uint64_t head = Keys::head_of(probe);
    begin += heads_below(stored + begin, end - begin, head);
    // Only keys with the same head need a whole comparison, and mostly that is one.
    uint32_t length = end - begin;
    if (length > 1 && Keys::head(stored[begin + 1]) != head) length = 1;
    while (length > 0) {
      const uint32_t half = length / 2;
      const bool is_less = less(stored[begin + half], refs[begin + half], probe, ref);
      begin = is_less ? begin + half + 1 : begin;
      length = is_less ? length - half - 1 : half;
    }
    return begin;
  }
  // First leaf entry not below (probe, ref).
  static uint32_t leaf_lower_bound(const TreeNode* leaf, const Probe& probe, uint64_t ref) {
    return search(keys(leaf), leaf->payload(), 0, leaf->count, probe, ref);
  }
  // Last child whose separator is not above (probe, ref), thus below (probe, ref + 1).
  static uint32_t child_for(const TreeNode* node, const Probe& probe, uint64_t ref) {
    return search(keys(node), separator_refs(node), 1, node->count, probe, ref + 1) - 1;
  }
  // Fetches a child at once, not line by line as the search meets them: all of a leaf, of an inner
  // node what fits. Inlined, because GCC takes a function that only prefetches for one without
  // effect and drops its calls.
  [[gnu::always_inline]] static void prefetch(const TreeNode* child) {
    const auto* const begin = reinterpret_cast<const Byte*>(child);
    for (size_t at = 0; at < Keys::kLeafBytes; at += kLineBytes) __builtin_prefetch(begin + at);
  }

  // Walks down to the leaf of (probe, ref), unsharing every node.
  static void descend_owned(TreeNode*& root, const Probe& probe, uint64_t ref, TreePath& path) {
    TreeNode* node = own(root);
    path.depth = node->level + 1u;
    WL_CHECK(path.depth <= kTreeDepthMax);
    while (node->level != 0) {
      const uint32_t at = child_for(node, probe, ref);
      path.steps[node->level] = {node, at};
      node = own(reinterpret_cast<TreeNode*&>(node->payload()[at]));
    }
    path.steps[0] = {node, leaf_lower_bound(node, probe, ref)};
  }

  static void put(TreeNode* node, uint32_t at, uint64_t payload, const Stored& key, uint64_t ref) {
    move_entries(node, at + 1, at);
    node->payload()[at] = payload;
    keys(node)[at] = key;
    if (node->level != 0) separator_refs(node)[at] = ref;
    ++node->count;
  }

  // Splits a full node for an entry to come at `at`. Appending to the last node of its level
  // leaves the left one full, so keys that only grow fill their nodes.
  static TreeNode* split(TreeNode* node, uint32_t at, bool rightmost) {
    const uint32_t keep = rightmost && at == node->count ? node->count : node->count / 2u;
    TreeNode* right = create(node->level);
    copy_entries(right, 0, node, keep, node->count - keep);
    right->count = static_cast<uint16_t>(node->count - keep);
    node->count = static_cast<uint16_t>(keep);
    return right;
  }

  // Puts an entry at the end of `path` from `level` upwards, splitting what is full.
  static void insert_at(TreeNode*& root, TreePath& path, uint64_t payload, Stored key,
                        uint64_t key_ref, Uniqueness uniqueness) {
    for (uint32_t level = 0;; ++level) {
      auto [node, at] = path.steps[level];
      if (level != 0) ++at;  // A new right sibling goes behind the child it came from.
      if (node->count < capacity(node)) {
        put(node, at, payload, key, key_ref);
        return;
      }
      bool rightmost = true;
      for (uint32_t above = level + 1; above < path.depth; ++above)
        rightmost = rightmost && path.steps[above].at + 1 == path.steps[above].node->count;
      TreeNode* right = split(node, at, rightmost);
      if (at > node->count || right->count == 0) {
        put(right, at - node->count, payload, key, key_ref);
      } else {
        put(node, at, payload, key, key_ref);
      }
      // The first key of an inner right node moves up; that of a leaf is copied.
      key = keys(right)[0];
      if (level == 0) Keys::add_ref(key);
      key_ref = level != 0 ? separator_refs(right)[0] : right->payload()[0];
      if (uniqueness == Uniqueness::kUnique) key_ref = 0;
      payload = reinterpret_cast<uint64_t>(right);
      if (level + 1 == path.depth) {
        TreeNode* above = create(level + 1);
        above->payload()[0] = reinterpret_cast<uint64_t>(root);
        above->count = 1;
        put(above, 1, payload, key, key_ref);
        root = above;
        return;
      }
    }
  }

  // Takes entry `at` out of a node, dropping its key.
  static void take_out(TreeNode* node, uint32_t at) {
    if (at >= first_key(node)) {
      Keys::release(keys(node)[at]);
    } else if (node->count > 1) {
      Keys::release(keys(node)[1]);  // Child 1 becomes child 0, which has no separator.
    }
    move_entries(node, at, at + 1);
    --node->count;
  }

  // Appends the right sibling's entries to `left` and removes it from the parent.
  static void merge(TreeNode* parent, uint32_t left_at) {
    TreeNode* left = parent->child(left_at);
    TreeNode* right = parent->child(left_at + 1);
    const uint32_t base = left->count;
    copy_entries(left, base, right, 0, right->count);
    left->count = static_cast<uint16_t>(base + right->count);
    for (uint32_t i = first_key(right); i < right->count; ++i) Keys::add_ref(keys(right)[i]);
    if (left->level != 0) {
      for (uint32_t i = 0; i < right->count; ++i) right->child(i)->refs.add();
      keys(left)[base] = keys(parent)[left_at + 1];
      separator_refs(left)[base] = separator_refs(parent)[left_at + 1];
      Keys::add_ref(keys(left)[base]);
    }
    Tree::release(right);
    take_out(parent, left_at + 1);
  }

  // After a removal: joins thin nodes with a neighbour and removes empty ones, upwards.
  static void repair(TreeNode*& root, TreePath& path) {
    for (uint32_t level = 0; level + 1 < path.depth; ++level) {
      TreeNode* node = path.steps[level].node;
      auto [parent, at] = path.steps[level + 1];
      if (node->count == 0) {
        Tree::release(node);
        take_out(parent, at);
        continue;
      }
      if (node->count >= capacity(node) / 4) break;
      const uint32_t room = capacity(node) * 3 / 4;
      if (at + 1u < parent->count && node->count + parent->child(at + 1)->count <= room) {
        merge(parent, at);
      } else if (at > 0 && node->count + parent->child(at - 1)->count <= room) {
        own(reinterpret_cast<TreeNode*&>(parent->payload()[at - 1]));
        merge(parent, at - 1);
      } else {
        break;
      }
    }
    while (root->level != 0 && root->count == 1) {
      TreeNode* child = root->child(0);
      destroy(root);  // Owned, and its one separator slot is unused.
      root = child;
    }
    if (root->count == 0) {
      Tree::release(root);
      root = nullptr;
    }
  }
};

template <typename Keys>
Neighbour Tree<Keys>::insert(TreeNode*& root, const Probe& key, uint64_t ref,
                             Uniqueness uniqueness) {
  if (root == nullptr) root = Layout::create(0);
  const uint64_t search_ref = uniqueness == Uniqueness::kUnique ? 0 : ref;
  TreePath path;
  Layout::descend_owned(root, key, search_ref, path);
  const TreeNode* leaf = path.steps[0].node;
  const uint32_t at = path.steps[0].at;
  const auto* keys = Layout::keys(leaf);
  Neighbour neighbour = Neighbour::kDifferent;
  if (uniqueness == Uniqueness::kDuplicates) {
    const bool before = at > 0 && Keys::compare(keys[at - 1], key) == 0;
    const bool after = at < leaf->count && Keys::compare(keys[at], key) == 0;
    const bool inside = at > 0 && at < leaf->count;
    neighbour = before || after
                    ? Neighbour::kEqual
                    : (inside || path.depth == 1 ? Neighbour::kDifferent : Neighbour::kUnknown);
  }
  Layout::insert_at(root, path, ref, Keys::store(key), 0, uniqueness);
  return neighbour;
}

template <typename Keys>
void Tree<Keys>::erase(TreeNode*& root, const Probe& key, uint64_t ref, Uniqueness uniqueness) {
  WL_CHECK(root != nullptr);
  TreePath path;
  Layout::descend_owned(root, key, uniqueness == Uniqueness::kUnique ? 0 : ref, path);
  auto [leaf, at] = path.steps[0];
  WL_CHECK(at < leaf->count);
  WL_CHECK(leaf->payload()[at] == ref && Keys::compare(Layout::keys(leaf)[at], key) == 0);
  Layout::take_out(leaf, at);
  if (leaf->count < Layout::kLeafMax / 4) Layout::repair(root, path);
}

template <typename Keys>
std::optional<uint64_t> Tree<Keys>::find(const TreeNode* root, const Probe& key) {
  if (root == nullptr) return std::nullopt;
  const TreeNode* node = root;
  while (node->level != 0) {
    const TreeNode* child = node->child(Layout::child_for(node, key, 0));
    Layout::prefetch(child);
    node = child;
  }
  const uint32_t at = Layout::leaf_lower_bound(node, key, 0);
  if (at == node->count || Keys::compare(Layout::keys(node)[at], key) != 0) return std::nullopt;
  return node->payload()[at];
}

template <typename Keys>
bool Tree<Keys>::contains(const TreeNode* root, const Probe& key) {
  TreePath path = lower_bound(root, key);
  if (!tree_normalise(path)) return false;
  return Keys::compare(Layout::keys(path.steps[0].node)[path.steps[0].at], key) == 0;
}

template <typename Keys>
bool Tree<Keys>::contains_twice(const TreeNode* root, const Probe& key) {
  TreePath path = lower_bound(root, key);
  for (int i = 0; i < 2; ++i) {
    if (!tree_normalise(path)) return false;
    if (Keys::compare(Layout::keys(path.steps[0].node)[path.steps[0].at], key) != 0) return false;
    ++path.steps[0].at;
  }
  return true;
}

template <typename Keys>
TreePath Tree<Keys>::lower_bound(const TreeNode* root, const Probe& key) {
  TreePath path;
  if (root == nullptr) return path;
  auto* node = const_cast<TreeNode*>(root);  // Paths are shared with the writer's functions.
  path.depth = node->level + 1u;
  while (node->level != 0) {
    const uint32_t at = Layout::child_for(node, key, 0);
    path.steps[node->level] = {node, at};
    Layout::prefetch(node->child(at));
    node = node->child(at);
  }
  path.steps[0] = {node, Layout::leaf_lower_bound(node, key, 0)};
  return path;
}

// Recursion is bounded by kTreeDepthMax.
template <typename Keys>
void Tree<Keys>::release(TreeNode* node) {
  if (node == nullptr || !node->refs.release()) return;
  for (uint32_t i = Layout::first_key(node); i < node->count; ++i)
    Keys::release(Layout::keys(node)[i]);
  if (node->level != 0)
    for (uint32_t i = 0; i < node->count; ++i) release(node->child(i));
  Layout::destroy(node);
}

template <typename Keys>
std::optional<uint64_t> Tree<Keys>::check(const TreeNode* node, Uniqueness uniqueness) {
  if (node == nullptr) return 0;
  if (node->count == 0 || node->count > Layout::capacity(node)) return std::nullopt;
  const auto* keys = Layout::keys(node);
  const auto* refs = node->level == 0 ? node->payload() : Layout::separator_refs(node);
  for (uint32_t i = Layout::first_key(node) + 1; i < node->count; ++i) {
    const auto order = Keys::compare_stored(keys[i - 1], keys[i]);
    const bool ascending =
        order < 0 || (order == 0 && uniqueness == Uniqueness::kDuplicates && refs[i - 1] < refs[i]);
    if (!ascending) return std::nullopt;
  }
  if (node->level == 0) return node->count;
  uint64_t total = 0;
  for (uint32_t i = 0; i < node->count; ++i) {
    if (node->child(i)->level + 1u != node->level) return std::nullopt;
    const auto below = check(node->child(i), uniqueness);
    if (!below) return std::nullopt;
    total += *below;
  }
  return total;
}

template class Tree<WordKeys>;
template class Tree<FixedKeys<16>>;
template class Tree<FixedKeys<32>>;
template class Tree<ByteKeys>;

TreePath tree_begin(const TreeNode* root) {
  TreePath path;
  if (root == nullptr) return path;
  auto* node = const_cast<TreeNode*>(root);
  path.depth = node->level + 1u;
  while (node->level != 0) {
    path.steps[node->level] = {node, 0};
    node = node->child(0);
  }
  path.steps[0] = {node, 0};
  return path;
}

bool tree_normalise(TreePath& path) {
  if (path.depth == 0) return false;
  if (path.steps[0].at < path.steps[0].node->count) return true;
  uint32_t level = 1;
  while (level < path.depth && path.steps[level].at + 1u >= path.steps[level].node->count) ++level;
  if (level >= path.depth) return false;
  TreeNode* node = path.steps[level].node->child(++path.steps[level].at);
  while (true) {
    path.steps[node->level] = {node, 0};
    if (node->level == 0) return true;
    node = node->child(0);
  }
}

}  // namespace worldline::storage
