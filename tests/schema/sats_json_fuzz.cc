// tests/schema/sats_json_fuzz.cc: any text as JSON of a type with every kind in it, once as a value
// and once as arguments. What is accepted is valid BSATN.
#include "base/check.h"
#include "schema/bsatn.h"
#include "schema/sats_json.h"

namespace {

using namespace worldline;          // NOLINT(google-build-using-namespace): a fuzz driver.
using namespace worldline::schema;  // NOLINT(google-build-using-namespace): a fuzz driver.

const Typespace& fuzz_types() {
  static const Typespace kTypes = [] {
    ProductType all;
    for (uint8_t kind = static_cast<uint8_t>(TypeKind::kString); kind < kTypeKindCount; ++kind)
      all.elements.push_back({std::string(1, static_cast<char>('a' + kind - 4)),
                              AlgebraicType::primitive(static_cast<TypeKind>(kind))});
    all.elements.push_back({"z", AlgebraicType::option(AlgebraicType::ref(0))});
    Typespace types;
    types.types = {AlgebraicType::sum({{{"leaf", AlgebraicType::bytes()},
                                        {"list", AlgebraicType::array(AlgebraicType::ref(0))},
                                        {"all", AlgebraicType::product(std::move(all))},
                                        {"at", AlgebraicType::schedule_at()}}})};
    return types;
  }();
  return kTypes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = as_text({data, size});
  const Typespace& types = fuzz_types();
  ByteBuffer out;
  if (parse_json(text, types.types[0], types, out).ok()) {
    BsatnReader reader(out);
    WL_CHECK(skip_value(types.types[0], types, reader).ok());
    WL_CHECK(reader.at_end());
  }
  const ProductType params{{{"x", AlgebraicType::ref(0)}, {"y", AlgebraicType::string()}}};
  const FunctionSignature function{FunctionKind::kReducer, "f", params, types};
  const auto arguments = parse_json_arguments(text, function);
  if (arguments.ok()) WL_CHECK(validate_bsatn_arguments(*arguments, function).ok());
  return 0;
}
