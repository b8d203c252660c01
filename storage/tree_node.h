// storage/tree_node.h
//
// TreeNode: the part of an index node that does not depend on the kind of key, so that cursors can
// walk any tree: a count, a level, and one 64-bit payload per entry, which is a packed row ref in a
// leaf (level 0) and a child pointer above.
//
// Invariants: payloads follow the header directly; keys follow the payloads. Entries ascend.
// Ownership: intrusive count, shared by snapshots [architecture 4]. Thread: frozen nodes any.
#pragma once

#include <cstdint>

#include "storage/ref_count.h"

namespace worldline::storage {

struct TreeNode {
  RefCount refs;
  uint16_t count = 0;
  uint16_t level = 0;

  uint64_t* payload() { return reinterpret_cast<uint64_t*>(this + 1); }
  const uint64_t* payload() const { return reinterpret_cast<const uint64_t*>(this + 1); }
  TreeNode* child(uint32_t i) const { return reinterpret_cast<TreeNode*>(payload()[i]); }
};
static_assert(sizeof(TreeNode) == 8);

// Levels of a tree: with at least four entries per node beyond 4^12 leaves of a full tree.
inline constexpr uint32_t kTreeDepthMax = 12;

// A position in a tree: the node and entry on each level. steps[0] is the leaf; depth 0 is nowhere.
struct TreePath {
  struct Step {
    TreeNode* node;
    uint32_t at;
  };
  Step steps[kTreeDepthMax];
  uint32_t depth = 0;
};

}  // namespace worldline::storage
