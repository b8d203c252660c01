// tests/schema/protocol/server_message_fuzz.cc: no server body crashes the decoder, and what it
// accepts encodes back to the same bytes.
#include "base/check.h"
#include "schema/protocol/server_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline;  // NOLINT(google-build-using-namespace): one function.
  Bytes rest(data, size);
  ByteBuffer again;
  while (!rest.empty()) {
    const Bytes before = rest;
    auto message = protocol::take_server_message(rest);
    if (!message.ok()) break;
    again.clear();
    protocol::encode_server_message(*message, again);
    WL_CHECK(equal(again, before.first(before.size() - rest.size())));
  }
  return 0;
}
