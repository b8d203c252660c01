// tests/schema/bsatn_fuzz.cc: the first bytes are a type, the rest a value of it. All ways to read
// a value must agree, and what is accepted must survive every round trip.
#include "base/check.h"
#include "schema/bsatn.h"
#include "schema/key_encoding.h"
#include "schema/row_layout.h"
#include "schema/sats_json.h"

namespace {

using namespace worldline;          // NOLINT(google-build-using-namespace): a fuzz driver.
using namespace worldline::schema;  // NOLINT(google-build-using-namespace): a fuzz driver.

void check_value(const AlgebraicType& type, Bytes input) {
  BsatnReader decoder(input), skipper(input);
  const auto value = decode_value(type, Typespace::empty(), decoder);
  const Status skipped = skip_value(type, Typespace::empty(), skipper);
  const auto layout = RowLayout::compile({{{"c", type}}});
  if (!layout.ok()) return;
  const auto row_end = layout->find_row_end(input);
  if (!value.ok()) {
    if (value.status().code() == StatusCode::kInvalidArgument) WL_CHECK(!skipped.ok());
    if (value.status().code() == StatusCode::kInvalidArgument) WL_CHECK(!row_end.has_value());
    return;
  }
  WL_CHECK(skipped.ok());
  WL_CHECK(row_end == decoder.consumed());
  ByteBuffer again;
  BsatnWriter writer(again);
  WL_CHECK(encode_value(*value, writer).ok());
  const Bytes used = input.first(*row_end);
  WL_CHECK(equal(again, used));
  std::string json;
  WL_CHECK(append_json(type, Typespace::empty(), used, JsonStyle::kTyped, json).ok());
  ByteBuffer parsed;
  const Status status = parse_json(json, type, Typespace::empty(), parsed);
  if (status.ok()) WL_CHECK(equal(parsed, used));
  ByteBuffer key;
  WL_CHECK(append_normalised_key(type, used, key) == used.size());
  WL_CHECK(compare_bsatn(type, used, used) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BsatnReader reader({data, size});
  const auto type = decode_type(reader);
  if (!type.ok()) return 0;
  ByteBuffer encoded;
  BsatnWriter writer(encoded);
  encode_type(*type, writer);
  WL_CHECK(equal(encoded, Bytes(data, reader.consumed())));
  const auto resolved = resolve(*type, Typespace::empty());
  if (resolved.ok()) check_value(*resolved, reader.rest());
  return 0;
}
