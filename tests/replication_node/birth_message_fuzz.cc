// Fuzz target: whatever a seed sends, or a data directory holds, is refused or read; what was read
// is written the same. The first byte chooses.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "replication/node/birth_codec.h"

using namespace worldline;               // NOLINT(google-build-using-namespace): a fuzz target.
using namespace worldline::replication;  // NOLINT(google-build-using-namespace): a fuzz target.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(data + 1, size - 1);
  if (data[0] % 4 == 0) {
    const auto genesis = decode_genesis(bytes);
    if (genesis.ok()) WL_CHECK(equal(encode_genesis(*genesis), bytes));
    return 0;
  }
  const auto message = decode_birth(bytes);
  if (message.ok()) WL_CHECK(equal(encode_birth(*message), bytes));
  return 0;
}
