// schema/algebraic_type.h
//
// AlgebraicType describes the values of columns, parameters and results: the closed sum of 20 kinds
// of SATS. ProductType, SumType and Typespace are its parts.
//
// Invariants: typing is structural; a type is immutable, its compound parts are shared by
// reference count, so copying one is cheap. A *resolved* type contains no ref.
// Ownership and thread: values; frozen, may cross threads.
// Units: depth counts nested compound types; limits::kValueDepthMax bounds what is decoded.
// Errors: resolve() returns kInvalidArgument with the texts of [S 01/1.2].
// Sources: [S 01/1].
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace worldline::schema {

// The numbers are ABI: they are the tags of an encoded type [S 01/1.1].
enum class TypeKind : uint8_t {
  kRef = 0,
  kSum = 1,
  kProduct = 2,
  kArray = 3,
  kString = 4,
  kBool = 5,
  kI8 = 6,
  kU8 = 7,
  kI16 = 8,
  kU16 = 9,
  kI32 = 10,
  kU32 = 11,
  kI64 = 12,
  kU64 = 13,
  kI128 = 14,
  kU128 = 15,
  kI256 = 16,
  kU256 = 17,
  kF32 = 18,
  kF64 = 19,
};
inline constexpr uint8_t kTypeKindCount = 20;

// Nodes of one resolved type: refs may share subtrees, so a small typespace can describe an
// exponentially large type; beyond this bound resolve() refuses.
inline constexpr size_t kResolvedTypeNodesMax = 1 << 16;

const char* type_kind_name(TypeKind kind);  // "Ref", "Sum", ... "F64" as in typed JSON.
std::optional<TypeKind> find_type_kind(std::string_view name);

struct ProductType;
struct SumType;
struct Typespace;

class AlgebraicType {
 public:
  AlgebraicType() = default;  // Unit.

  static AlgebraicType primitive(TypeKind kind);  // REQUIRES: kString or above.
  static AlgebraicType ref(uint32_t index);
  static AlgebraicType array(AlgebraicType element);
  static AlgebraicType product(ProductType type);
  static AlgebraicType sum(SumType type);

  static AlgebraicType unit() { return {}; }
  static AlgebraicType never();
  static AlgebraicType string() { return primitive(TypeKind::kString); }
  static AlgebraicType boolean() { return primitive(TypeKind::kBool); }
  static AlgebraicType bytes();  // Array(U8).
  static AlgebraicType option(AlgebraicType some);
  static AlgebraicType result(AlgebraicType ok, AlgebraicType err);
  static AlgebraicType identity();
  static AlgebraicType connection_id();
  static AlgebraicType timestamp();
  static AlgebraicType time_duration();
  static AlgebraicType uuid();
  static AlgebraicType schedule_at();

  TypeKind kind() const { return kind_; }
  uint32_t ref_index() const;             // REQUIRES: kind() == kRef.
  const SumType& as_sum() const;          // REQUIRES: kind() == kSum.
  const ProductType& as_product() const;  // REQUIRES: kind() == kProduct.
  const AlgebraicType& element() const;   // REQUIRES: kind() == kArray.

  // Recognition by structure; never looks through a ref [S 01/1.3].
  bool is_ref() const { return kind_ == TypeKind::kRef; }
  bool is_sum() const { return kind_ == TypeKind::kSum; }
  bool is_product() const { return kind_ == TypeKind::kProduct; }
  bool is_array() const { return kind_ == TypeKind::kArray; }
  bool is_string() const { return kind_ == TypeKind::kString; }
  bool is_integer() const { return kind_ >= TypeKind::kI8 && kind_ <= TypeKind::kU256; }
  bool is_signed_integer() const;
  bool is_float() const { return kind_ == TypeKind::kF32 || kind_ == TypeKind::kF64; }
  bool is_unit() const;
  bool is_never() const;
  bool is_bytes() const;
  bool is_option() const;
  bool is_result() const;
  bool is_identity() const;
  bool is_connection_id() const;
  bool is_timestamp() const;
  bool is_time_duration() const;
  bool is_uuid() const;
  bool is_schedule_at() const;
  bool is_special() const;     // One of the eight above, from option on.
  bool is_plain_enum() const;  // A sum with at least one variant, all of them unit.
  std::optional<uint32_t> query_view_ref() const;  // The n of {__query__: Ref(n)}.

  // Encoded size of an integer, float or bool; 0 for every other kind.
  uint32_t primitive_bytes() const;

  friend bool operator==(const AlgebraicType& a, const AlgebraicType& b);

 private:
  bool is_wrapper(std::string_view element_name, TypeKind kind) const;

  TypeKind kind_ = TypeKind::kProduct;
  uint32_t ref_ = 0;                     // Valid if kRef.
  std::shared_ptr<const void> payload_;  // The compound part; null for unit and primitives.
};

struct ProductElement {
  std::optional<std::string> name;
  AlgebraicType type;
  friend bool operator==(const ProductElement&, const ProductElement&) = default;
};

struct ProductType {
  std::vector<ProductElement> elements;
  friend bool operator==(const ProductType&, const ProductType&) = default;

  std::optional<uint16_t> find(std::string_view name) const;
};

struct SumVariant {
  std::optional<std::string> name;
  AlgebraicType type;
  friend bool operator==(const SumVariant&, const SumVariant&) = default;
};

// At most 256 variants are usable: the tag is one byte.
struct SumType {
  std::vector<SumVariant> variants;
  friend bool operator==(const SumType&, const SumType&) = default;
};

struct Typespace {
  std::vector<AlgebraicType> types;
  friend bool operator==(const Typespace&, const Typespace&) = default;

  static const Typespace& empty();
  const AlgebraicType* find(uint32_t ref) const {
    return ref < types.size() ? &types[ref] : nullptr;
  }
  // Follows refs until something else is reached; null if out of bounds or circular.
  const AlgebraicType* follow(const AlgebraicType& type) const;
};

// The type with every ref expanded. Fails on recursion, on a ref out of bounds, and beyond
// kResolvedTypeNodesMax nodes or limits::kValueDepthMax levels.
Result<AlgebraicType> resolve(const AlgebraicType& type, const Typespace& typespace);
Result<ProductType> resolve(const ProductType& type, const Typespace& typespace);

// As error messages show types [S 01/1.7]: `(a: U8, b: String)`, `(some: U8 | none: ())`, `&3`.
std::string print(const AlgebraicType& type);
std::string print(const ProductType& type);
// In the debug style of the reference, with the names of the meta-type [S 01/2.3, 6.7].
std::string print_debug(const ProductType& type);

}  // namespace worldline::schema
