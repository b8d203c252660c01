#include "schema/value_program.h"

#include "base/limits.h"
#include "schema/utf8.h"

namespace worldline::schema {

uint32_t ValueProgram::push(Node node, const std::vector<uint32_t>& children) {
  node.first_child = static_cast<uint32_t>(children_.size());
  node.child_count = static_cast<uint32_t>(children.size());
  children_.insert(children_.end(), children.begin(), children.end());
  nodes_.push_back(node);
  return static_cast<uint32_t>(nodes_.size() - 1);
}

// Recursion follows the type, whose depth resolve() and the decoder limit.
Result<uint32_t> ValueProgram::add(const AlgebraicType& type) {
  switch (type.kind()) {
    case TypeKind::kRef:
      return Status::invalid_argument("row type contains the unresolved reference &{}",
                                      type.ref_index());
    case TypeKind::kSum:
      return add_sum(type.as_sum());
    case TypeKind::kProduct:
      return add_product(type.as_product());
    case TypeKind::kArray:
      return add_array(type.element());
    case TypeKind::kString:
      return push({Op::kString, kVariable}, {});
    case TypeKind::kBool:
      return push({Op::kBool, 1}, {});
    default:  // Integers and floats: every bit pattern is a value.
      return push({Op::kPlain, type.primitive_bytes()}, {});
  }
}

Result<uint32_t> ValueProgram::add_array(const AlgebraicType& element) {
  WL_ASSIGN_OR_RETURN(const uint32_t child, add(element));
  return push({Op::kArray, kVariable}, {child});
}

Result<uint32_t> ValueProgram::add_product(const ProductType& type) {
  std::vector<uint32_t> children;
  children.reserve(type.elements.size());
  uint64_t size = 0;
  bool all_plain = true;
  bool all_fixed = true;
  for (const auto& element : type.elements) {
    WL_ASSIGN_OR_RETURN(const uint32_t child, add(element.type));
    children.push_back(child);
    all_plain = all_plain && is_plain(child);
    all_fixed = all_fixed && nodes_[child].size != kVariable;
    if (all_fixed) size += nodes_[child].size;
  }
  if (size > limits::kRowBytesMax)
    return Status::too_large("a value of {} bytes exceeds the row limit of {}", size,
                             limits::kRowBytesMax);
  const auto fixed = static_cast<uint32_t>(size);
  if (all_plain) return push({Op::kPlain, fixed}, {});
  return push({Op::kProduct, all_fixed ? fixed : kVariable}, children);
}

Result<uint32_t> ValueProgram::add_sum(const SumType& type) {
  std::vector<uint32_t> children;
  children.reserve(type.variants.size());
  uint32_t size = kVariable;
  for (const auto& variant : type.variants) {
    WL_ASSIGN_OR_RETURN(const uint32_t child, add(variant.type));
    const uint32_t child_size = nodes_[child].size;
    if (children.empty()) size = child_size;
    if (size != child_size) size = kVariable;
    children.push_back(child);
  }
  return push({Op::kSum, size == kVariable ? kVariable : size + 1}, children);
}

const Byte* ValueProgram::check(uint32_t index, const Byte* at, const Byte* end) const {
  const Node& node = nodes_[index];
  const auto left = static_cast<size_t>(end - at);
  switch (node.op) {
    case Op::kPlain:
      return left < node.size ? nullptr : at + node.size;
    case Op::kBool:
      return left < 1 || *at > 1 ? nullptr : at + 1;
    case Op::kString: {
      if (left < 4) return nullptr;
      const auto length = load_le<uint32_t>(at);
      if (left - 4 < length || !is_valid_utf8({at + 4, length})) return nullptr;
      return at + 4 + length;
    }
    case Op::kProduct:
      for (uint32_t i = 0; i < node.child_count; ++i) {
        at = check(children_[node.first_child + i], at, end);
        if (at == nullptr) return nullptr;
      }
      return at;
    case Op::kSum:
      if (left < 1 || *at >= node.child_count) return nullptr;
      return check(children_[node.first_child + *at], at + 1, end);
    case Op::kArray:
      return check_array(node, at, end);
  }
  return nullptr;
}

const Byte* ValueProgram::check_array(const Node& node, const Byte* at, const Byte* end) const {
  if (end - at < 4) return nullptr;
  const auto count = load_le<uint32_t>(at);
  at += 4;
  const uint32_t child = children_[node.first_child];
  const uint32_t size = nodes_[child].size;
  if (size != kVariable) {
    const uint64_t total = uint64_t{count} * size;
    if (total > static_cast<uint64_t>(end - at)) return nullptr;
    if (is_plain(child)) return at + total;
    if (size == 0) return at;  // Products of nothing: no byte to check.
  }
  for (uint32_t i = 0; i < count; ++i) {
    at = check(child, at, end);
    if (at == nullptr) return nullptr;
  }
  return at;
}

const Byte* ValueProgram::skip(uint32_t index, const Byte* at) const {
  const Node& node = nodes_[index];
  if (node.size != kVariable) return at + node.size;
  switch (node.op) {
    case Op::kPlain:
    case Op::kBool:
      return at;  // Unreachable: both are of fixed size.
    case Op::kString:
      return at + 4 + load_le<uint32_t>(at);
    case Op::kProduct:
      for (uint32_t i = 0; i < node.child_count; ++i)
        at = skip(children_[node.first_child + i], at);
      return at;
    case Op::kSum:
      return skip(children_[node.first_child + *at], at + 1);
    case Op::kArray: {
      const auto count = load_le<uint32_t>(at);
      at += 4;
      const uint32_t child = children_[node.first_child];
      if (nodes_[child].size != kVariable) return at + size_t{count} * nodes_[child].size;
      for (uint32_t i = 0; i < count; ++i) at = skip(child, at);
      return at;
    }
  }
  return at;
}

bool ValueProgram::append_checks(uint32_t index, uint32_t offset,
                                 std::vector<ByteCheck>& out) const {
  const Node& node = nodes_[index];
  switch (node.op) {
    case Op::kPlain:
      return true;
    case Op::kBool:
      out.push_back({offset, 2});
      return true;
    case Op::kProduct:
      for (uint32_t i = 0; i < node.child_count; ++i) {
        const uint32_t child = children_[node.first_child + i];
        if (!append_checks(child, offset, out)) return false;
        offset += nodes_[child].size;
      }
      return true;
    case Op::kSum:
      if (node.child_count > 256) return false;
      for (uint32_t i = 0; i < node.child_count; ++i)
        if (!is_plain(children_[node.first_child + i])) return false;
      out.push_back({offset, static_cast<uint16_t>(node.child_count)});
      return true;
    case Op::kString:
    case Op::kArray:
      return false;
  }
  return false;
}

}  // namespace worldline::schema
