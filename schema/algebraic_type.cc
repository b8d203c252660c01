#include "schema/algebraic_type.h"

#include <array>

#include <fmt/format.h>

#include "base/limits.h"

namespace worldline::schema {
namespace {

constexpr std::array<const char*, kTypeKindCount> kKindNames = {
    "Ref", "Sum", "Product", "Array", "String", "Bool", "I8",   "U8",   "I16", "U16",
    "I32", "U32", "I64",     "U64",   "I128",   "U128", "I256", "U256", "F32", "F64"};

const ProductType kNoElements;

AlgebraicType wrapper(const char* name, TypeKind kind) {
  return AlgebraicType::product({{{name, AlgebraicType::primitive(kind)}}});
}

constexpr const char* kIdentityElement = "__identity__";
constexpr const char* kConnectionIdElement = "__connection_id__";
constexpr const char* kTimestampElement = "__timestamp_micros_since_unix_epoch__";
constexpr const char* kTimeDurationElement = "__time_duration_micros__";
constexpr const char* kUuidElement = "__uuid__";

// Expands refs. Recursion is bounded by limits::kValueDepthMax, work by kResolvedTypeNodesMax.
class Resolver {
 public:
  explicit Resolver(const Typespace& typespace) : typespace_(typespace) {}

  Result<AlgebraicType> resolve(const AlgebraicType& type) {
    if (++nodes_ > kResolvedTypeNodesMax)
      return Status::too_large("type expands to more than {} nodes", kResolvedTypeNodesMax);
    if (type.kind() >= TypeKind::kString) return type;
    if (depth_ >= limits::kValueDepthMax)
      return Status::too_large("type is nested deeper than {} levels", limits::kValueDepthMax);
    ++depth_;
    Result<AlgebraicType> resolved = resolve_compound(type);
    --depth_;
    return resolved;
  }

  Result<ProductType> resolve(const ProductType& type) {
    ProductType out;
    out.elements.reserve(type.elements.size());
    for (const auto& element : type.elements) {
      WL_ASSIGN_OR_RETURN(AlgebraicType inner, resolve(element.type));
      out.elements.push_back({element.name, std::move(inner)});
    }
    return out;
  }

 private:
  Result<AlgebraicType> resolve_compound(const AlgebraicType& type) {
    if (type.is_ref()) return resolve_ref(type.ref_index());
    if (type.is_array()) {
      WL_ASSIGN_OR_RETURN(AlgebraicType inner, resolve(type.element()));
      return AlgebraicType::array(std::move(inner));
    }
    if (type.is_product()) {
      WL_ASSIGN_OR_RETURN(ProductType product, resolve(type.as_product()));
      return AlgebraicType::product(std::move(product));
    }
    SumType out;
    for (const auto& variant : type.as_sum().variants) {
      WL_ASSIGN_OR_RETURN(AlgebraicType inner, resolve(variant.type));
      out.variants.push_back({variant.name, std::move(inner)});
    }
    return AlgebraicType::sum(std::move(out));
  }

  Result<AlgebraicType> resolve_ref(uint32_t index) {
    for (const uint32_t open : open_refs_)
      if (open == index)
        return Status::invalid_argument("Found recursive type reference &{}", index);
    const AlgebraicType* target = typespace_.find(index);
    if (target == nullptr)
      return Status::invalid_argument("Type reference &{} out of bounds", index);
    open_refs_.push_back(index);
    Result<AlgebraicType> resolved = resolve(*target);
    open_refs_.pop_back();
    return resolved;
  }

  const Typespace& typespace_;       // Borrowed; outlives this.
  std::vector<uint32_t> open_refs_;  // Refs being expanded, outermost first.
  size_t nodes_ = 0;
  size_t depth_ = 0;
};

void print_to(const AlgebraicType& type, std::string& out);

void print_elements(const ProductType& type, std::string& out) {
  out += '(';
  size_t position = 0;
  for (const auto& element : type.elements) {
    if (position > 0) out += ", ";
    out += element.name ? *element.name : std::to_string(position);
    out += ": ";
    print_to(element.type, out);
    ++position;
  }
  out += ')';
}

void print_variants(const SumType& type, std::string& out) {
  if (type.variants.empty()) {
    out += "(|)";
    return;
  }
  out += '(';
  bool first = true;
  for (const auto& variant : type.variants) {
    if (!first) out += " | ";
    first = false;
    if (variant.name) out.append(*variant.name).append(": ");
    print_to(variant.type, out);
  }
  out += ')';
}

void print_to(const AlgebraicType& type, std::string& out) {
  switch (type.kind()) {
    case TypeKind::kRef:
      out += fmt::format("&{}", type.ref_index());
      return;
    case TypeKind::kArray:
      out += "Array<";
      print_to(type.element(), out);
      out += '>';
      return;
    case TypeKind::kProduct:
      print_elements(type.as_product(), out);
      return;
    case TypeKind::kSum:
      print_variants(type.as_sum(), out);
      return;
    default:  // Primitives print their name.
      out += type_kind_name(type.kind());
  }
}

std::string debug_of(const AlgebraicType& type);

// ProductType { elements: [ProductTypeElement { name: Some("a"), algebraic_type: U8 }] }, and the
// same of sums. Recursion follows the type.
template <typename Members>
std::string debug_members(const char* type, const char* list, const Members& members) {
  const char* const member_type = std::is_same_v<Members, std::vector<ProductElement>>
                                      ? "ProductTypeElement"
                                      : "SumTypeVariant";
  std::string items;
  for (const auto& member : members) {
    const std::string name = member.name ? fmt::format("Some(\"{}\")", *member.name) : "None";
    items += fmt::format("{}{} {{ name: {}, algebraic_type: {} }}", items.empty() ? "" : ", ",
                         member_type, name, debug_of(member.type));
  }
  return fmt::format("{} {{ {}: [{}] }}", type, list, items);
}

std::string debug_of(const AlgebraicType& type) {
  switch (type.kind()) {
    case TypeKind::kRef:
      return fmt::format("Ref({})", type.ref_index());
    case TypeKind::kArray:
      return fmt::format("Array({})", debug_of(type.element()));
    case TypeKind::kProduct:
      return fmt::format("Product({})", print_debug(type.as_product()));
    case TypeKind::kSum:
      return fmt::format("Sum({})", debug_members("SumType", "variants", type.as_sum().variants));
    default:  // Primitives print their name.
      return type_kind_name(type.kind());
  }
}

}  // namespace

const char* type_kind_name(TypeKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

std::optional<TypeKind> find_type_kind(std::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i)
    if (name == kKindNames[i]) return static_cast<TypeKind>(i);
  return std::nullopt;
}

AlgebraicType AlgebraicType::primitive(TypeKind kind) {
  WL_CHECK(kind >= TypeKind::kString);
  AlgebraicType type;
  type.kind_ = kind;
  return type;
}

AlgebraicType AlgebraicType::ref(uint32_t index) {
  AlgebraicType type;
  type.kind_ = TypeKind::kRef;
  type.ref_ = index;
  return type;
}

AlgebraicType AlgebraicType::array(AlgebraicType element) {
  AlgebraicType type;
  type.kind_ = TypeKind::kArray;
  type.payload_ = std::make_shared<const AlgebraicType>(std::move(element));
  return type;
}

AlgebraicType AlgebraicType::product(ProductType product) {
  AlgebraicType type;
  if (!product.elements.empty())
    type.payload_ = std::make_shared<const ProductType>(std::move(product));
  return type;
}

AlgebraicType AlgebraicType::sum(SumType sum) {
  AlgebraicType type;
  type.kind_ = TypeKind::kSum;
  type.payload_ = std::make_shared<const SumType>(std::move(sum));
  return type;
}

AlgebraicType AlgebraicType::never() {
  return sum({});
}

AlgebraicType AlgebraicType::bytes() {
  return array(primitive(TypeKind::kU8));
}

AlgebraicType AlgebraicType::option(AlgebraicType some) {
  return sum({{{"some", std::move(some)}, {"none", unit()}}});
}

AlgebraicType AlgebraicType::result(AlgebraicType ok, AlgebraicType err) {
  return sum({{{"ok", std::move(ok)}, {"err", std::move(err)}}});
}

AlgebraicType AlgebraicType::identity() {
  return wrapper(kIdentityElement, TypeKind::kU256);
}

AlgebraicType AlgebraicType::connection_id() {
  return wrapper(kConnectionIdElement, TypeKind::kU128);
}

AlgebraicType AlgebraicType::timestamp() {
  return wrapper(kTimestampElement, TypeKind::kI64);
}

AlgebraicType AlgebraicType::time_duration() {
  return wrapper(kTimeDurationElement, TypeKind::kI64);
}

AlgebraicType AlgebraicType::uuid() {
  return wrapper(kUuidElement, TypeKind::kU128);
}

AlgebraicType AlgebraicType::schedule_at() {
  return sum({{{"Interval", time_duration()}, {"Time", timestamp()}}});
}

uint32_t AlgebraicType::ref_index() const {
  WL_CHECK(kind_ == TypeKind::kRef);
  return ref_;
}

const SumType& AlgebraicType::as_sum() const {
  WL_CHECK(kind_ == TypeKind::kSum);
  return *static_cast<const SumType*>(payload_.get());
}

const ProductType& AlgebraicType::as_product() const {
  WL_CHECK(kind_ == TypeKind::kProduct);
  return payload_ ? *static_cast<const ProductType*>(payload_.get()) : kNoElements;
}

const AlgebraicType& AlgebraicType::element() const {
  WL_CHECK(kind_ == TypeKind::kArray);
  return *static_cast<const AlgebraicType*>(payload_.get());
}

bool AlgebraicType::is_signed_integer() const {
  // The kinds alternate signed, unsigned from kI8 (6) on.
  return is_integer() && static_cast<uint8_t>(kind_) % 2 == 0;
}

bool AlgebraicType::is_unit() const {
  return is_product() && as_product().elements.empty();
}

bool AlgebraicType::is_never() const {
  return is_sum() && as_sum().variants.empty();
}

bool AlgebraicType::is_bytes() const {
  return is_array() && element().kind() == TypeKind::kU8;
}

bool AlgebraicType::is_option() const {
  if (!is_sum()) return false;
  const auto& variants = as_sum().variants;
  return variants.size() == 2 && variants[0].name == "some" && variants[1].name == "none" &&
         variants[1].type.is_unit();
}

bool AlgebraicType::is_result() const {
  if (!is_sum()) return false;
  const auto& variants = as_sum().variants;
  return variants.size() == 2 && variants[0].name == "ok" && variants[1].name == "err";
}

bool AlgebraicType::is_wrapper(std::string_view element_name, TypeKind kind) const {
  if (!is_product()) return false;
  const auto& elements = as_product().elements;
  return elements.size() == 1 && elements[0].name == element_name &&
         elements[0].type.kind() == kind;
}

bool AlgebraicType::is_identity() const {
  return is_wrapper(kIdentityElement, TypeKind::kU256);
}

bool AlgebraicType::is_connection_id() const {
  return is_wrapper(kConnectionIdElement, TypeKind::kU128);
}

bool AlgebraicType::is_timestamp() const {
  return is_wrapper(kTimestampElement, TypeKind::kI64);
}

bool AlgebraicType::is_time_duration() const {
  return is_wrapper(kTimeDurationElement, TypeKind::kI64);
}

bool AlgebraicType::is_uuid() const {
  return is_wrapper(kUuidElement, TypeKind::kU128);
}

bool AlgebraicType::is_schedule_at() const {
  if (!is_sum()) return false;
  const auto& variants = as_sum().variants;
  return variants.size() == 2 && variants[0].name == "Interval" && variants[1].name == "Time" &&
         variants[0].type.is_time_duration() && variants[1].type.is_timestamp();
}

bool AlgebraicType::is_special() const {
  return is_option() || is_result() || is_identity() || is_connection_id() || is_timestamp() ||
         is_time_duration() || is_uuid() || is_schedule_at();
}

bool AlgebraicType::is_plain_enum() const {
  if (!is_sum() || as_sum().variants.empty()) return false;
  for (const auto& variant : as_sum().variants)
    if (!variant.type.is_unit()) return false;
  return true;
}

std::optional<uint32_t> AlgebraicType::query_view_ref() const {
  if (!is_wrapper("__query__", TypeKind::kRef)) return std::nullopt;
  return as_product().elements[0].type.ref_index();
}

uint32_t AlgebraicType::primitive_bytes() const {
  switch (kind_) {
    case TypeKind::kBool:
    case TypeKind::kI8:
    case TypeKind::kU8:
      return 1;
    case TypeKind::kI16:
    case TypeKind::kU16:
      return 2;
    case TypeKind::kI32:
    case TypeKind::kU32:
    case TypeKind::kF32:
      return 4;
    case TypeKind::kI64:
    case TypeKind::kU64:
    case TypeKind::kF64:
      return 8;
    case TypeKind::kI128:
    case TypeKind::kU128:
      return 16;
    case TypeKind::kI256:
    case TypeKind::kU256:
      return 32;
    case TypeKind::kRef:
    case TypeKind::kSum:
    case TypeKind::kProduct:
    case TypeKind::kArray:
    case TypeKind::kString:
      return 0;
  }
  return 0;
}

bool operator==(const AlgebraicType& a, const AlgebraicType& b) {
  if (a.kind_ != b.kind_ || a.ref_ != b.ref_) return false;
  if (a.payload_ == b.payload_) return true;
  switch (a.kind_) {
    case TypeKind::kSum:
      return a.as_sum() == b.as_sum();
    case TypeKind::kProduct:
      return a.as_product() == b.as_product();
    case TypeKind::kArray:
      return a.element() == b.element();
    default:  // Refs were compared above; primitives have no payload.
      return true;
  }
}

std::optional<uint16_t> ProductType::find(std::string_view name) const {
  for (size_t i = 0; i < elements.size(); ++i)
    if (elements[i].name == name) return static_cast<uint16_t>(i);
  return std::nullopt;
}

const Typespace& Typespace::empty() {
  static const Typespace kEmpty;
  return kEmpty;
}

const AlgebraicType* Typespace::follow(const AlgebraicType& type) const {
  const AlgebraicType* at = &type;
  // A chain of refs without a cycle is no longer than the typespace.
  for (size_t steps = 0; at != nullptr && at->is_ref(); ++steps) {
    if (steps > types.size()) return nullptr;
    at = find(at->ref_index());
  }
  return at;
}

Result<AlgebraicType> resolve(const AlgebraicType& type, const Typespace& typespace) {
  return Resolver(typespace).resolve(type);
}

Result<ProductType> resolve(const ProductType& type, const Typespace& typespace) {
  return Resolver(typespace).resolve(type);
}

std::string print(const AlgebraicType& type) {
  std::string out;
  print_to(type, out);
  return out;
}

std::string print(const ProductType& type) {
  std::string out;
  print_elements(type, out);
  return out;
}

std::string print_debug(const ProductType& type) {
  return debug_members("ProductType", "elements", type.elements);
}

}  // namespace worldline::schema
