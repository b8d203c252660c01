// The meta-type as a SATS type, so that types are printed and read as typed JSON like any value.
#include "schema/bsatn.h"

namespace worldline::schema {
namespace {

enum MetaRef : uint32_t {
  kAlgebraicTypeRef,
  kSumTypeRef,
  kSumTypeVariantRef,
  kProductTypeRef,
  kProductTypeElementRef,
  kTypespaceRef,
};

AlgebraicType named_member() {
  return AlgebraicType::product({{{"name", AlgebraicType::option(AlgebraicType::string())},
                                  {"algebraic_type", AlgebraicType::ref(kAlgebraicTypeRef)}}});
}

AlgebraicType list_of(const char* name, uint32_t ref) {
  return AlgebraicType::product({{{name, AlgebraicType::array(AlgebraicType::ref(ref))}}});
}

AlgebraicType payload_of(TypeKind kind) {
  switch (kind) {
    case TypeKind::kRef:
      return AlgebraicType::primitive(TypeKind::kU32);
    case TypeKind::kSum:
      return AlgebraicType::ref(kSumTypeRef);
    case TypeKind::kProduct:
      return AlgebraicType::ref(kProductTypeRef);
    case TypeKind::kArray:
      return AlgebraicType::ref(kAlgebraicTypeRef);
    default:  // Primitives carry nothing.
      return AlgebraicType::unit();
  }
}

Typespace make_meta_typespace() {
  SumType kinds;
  for (uint8_t i = 0; i < kTypeKindCount; ++i) {
    const auto kind = static_cast<TypeKind>(i);
    kinds.variants.push_back({type_kind_name(kind), payload_of(kind)});
  }
  Typespace typespace;
  typespace.types = {AlgebraicType::sum(std::move(kinds)),
                     list_of("variants", kSumTypeVariantRef),
                     named_member(),
                     list_of("elements", kProductTypeElementRef),
                     named_member(),
                     list_of("types", kAlgebraicTypeRef)};
  return typespace;
}

}  // namespace

const Typespace& meta_typespace() {
  static const Typespace kMeta = make_meta_typespace();
  return kMeta;
}

}  // namespace worldline::schema
