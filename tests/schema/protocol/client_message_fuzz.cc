// tests/schema/protocol/client_message_fuzz.cc: no client payload crashes the decoder, and what it
// accepts encodes back to the same bytes.
#include "base/check.h"
#include "schema/protocol/client_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline;  // NOLINT(google-build-using-namespace): one function.
  const Bytes payload(data, size);
  std::vector<protocol::ClientMessage> messages;
  const Status status =
      protocol::decode_client_messages(payload, protocol::Framing::kBatched, messages);
  ByteBuffer again;
  for (const auto& message : messages) protocol::encode_client_message(message, again);
  WL_CHECK(again.size() <= payload.size());
  WL_CHECK(equal(again, payload.first(again.size())));
  if (status.ok()) WL_CHECK(again.size() == payload.size());
  return 0;
}
