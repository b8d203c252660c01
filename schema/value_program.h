// schema/value_program.h
//
// ValueProgram: resolved types compiled into a flat table of nodes that can check and skip encoded
// values quickly. The engine under RowLayout; other rooms use RowLayout.
//
// Invariants: children have smaller numbers than their parent, so nodes form no cycle and recursion
// is bounded by the depth of the type (at most limits::kValueDepthMax).
// Ownership and thread: a frozen value. Errors: skip and check do not explain; bsatn.h does.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/algebraic_type.h"

namespace worldline::schema {

// One byte of a fixed-size row that must be below `bound`: 2 for a bool, else the variant count.
struct ByteCheck {
  uint32_t offset;
  uint16_t bound;
};

class ValueProgram {
 public:
  static constexpr uint32_t kVariable = UINT32_MAX;

  // Adds a type and returns its node. REQUIRES: resolved. Fails if a fixed size overflows.
  Result<uint32_t> add(const AlgebraicType& type);

  uint32_t fixed_size(uint32_t node) const { return nodes_[node].size; }  // Or kVariable.

  // The end of the value at `at`, or null if the bytes before `end` are not a value.
  const Byte* check(uint32_t node, const Byte* at, const Byte* end) const;
  // The end of a value known to be good.
  const Byte* skip(uint32_t node, const Byte* at) const;

  // Appends the byte checks of a fixed-size node that starts at `offset`; false if byte checks
  // cannot express them (variants of equal size with different checks, arrays).
  bool append_checks(uint32_t node, uint32_t offset, std::vector<ByteCheck>& out) const;

 private:
  enum class Op : uint8_t {
    kPlain,    // Fixed size, every bit pattern legal.
    kBool,     // One byte, 0 or 1.
    kString,   // Length and UTF-8.
    kProduct,  // Children in order.
    kSum,      // A tag, then that child.
    kArray,    // A count, then that many of the one child.
  };
  struct Node {
    Op op;
    uint32_t size;             // Fixed size in bytes, or kVariable.
    uint32_t first_child = 0;  // Into children_.
    uint32_t child_count = 0;
  };

  Result<uint32_t> add_array(const AlgebraicType& element);
  Result<uint32_t> add_product(const ProductType& type);
  Result<uint32_t> add_sum(const SumType& type);
  uint32_t push(Node node, const std::vector<uint32_t>& children);
  bool is_plain(uint32_t node) const { return nodes_[node].op == Op::kPlain; }
  const Byte* check_array(const Node& node, const Byte* at, const Byte* end) const;

  std::vector<Node> nodes_;
  std::vector<uint32_t> children_;
};

}  // namespace worldline::schema
