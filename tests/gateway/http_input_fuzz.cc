// tests/gateway/http_input_fuzz.cc: any text as query, path segment, duration, hash and token: the
// parsers of what HTTP clients send never crash.
#include "gateway/auth/claims.h"
#include "gateway/auth/crypto.h"
#include "gateway/auth/jwk_set.h"
#include "gateway/auth/url_fetcher.h"
#include "gateway/route_arguments.h"
#include "gateway/websocket_handshake.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline;           // NOLINT(google-build-using-namespace): one function.
  using namespace worldline::gateway;  // NOLINT(google-build-using-namespace): one function.
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto query = QueryParameters::parse(text); query.ok()) {
    query->boolean("a", true).status().ignore("any outcome is fine");
    query->number("b").status().ignore("any outcome is fine");
    parse_host_type(*query).status().ignore("any outcome is fine");
  }
  percent_decode(text, false);
  parse_database(text).status().ignore("any outcome is fine");
  parse_identity(text).status().ignore("any outcome is fine");
  parse_duration(text).status().ignore("any outcome is fine");
  parse_hash(text).status().ignore("any outcome is fine");
  select_protocol(text);
  if (const auto bytes = base64url_decode(text); bytes && base64url_encode(*bytes) != text)
    __builtin_trap();  // One spelling only.
  read_header(text).status().ignore("any outcome is fine");
  JwkSet::parse(text).status().ignore("any outcome is fine");
  FetchUrl::parse(text).status().ignore("any outcome is fine");
  if (const auto claims = read_claims(text); claims.ok())
    check_identity(*claims).status().ignore("any outcome is fine");
  return 0;
}
