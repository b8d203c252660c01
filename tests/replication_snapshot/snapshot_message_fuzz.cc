// Fuzz target: whatever a peer sends is refused or read, and what was read is written the same.
// A manifest travels as bytes too: the first byte chooses.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "replication/snapshot/snapshot_codec.h"
#include "storage/log/checkpoint_store.h"

using namespace worldline;               // NOLINT(google-build-using-namespace): a fuzz target.
using namespace worldline::replication;  // NOLINT(google-build-using-namespace): a fuzz target.

namespace {

void decode_message(Bytes bytes) {
  const auto message = decode_snap_message(bytes);
  if (!message.ok()) return;
  WL_CHECK(equal(encode_snap_message(*message), bytes));
}

// With the right hash behind it, so that the fields before it are reached.
void decode_manifest(Bytes bytes) {
  ByteBuffer manifest(bytes.begin(), bytes.end());
  append_le(manifest, storage::content_hash(bytes));
  const auto checkpoint = storage::decode_checkpoint(manifest);
  if (!checkpoint.ok()) return;
  size_t pages = 0;
  for (const auto& table : checkpoint->state.tables) pages += table.pages.size();
  WL_CHECK(pages == checkpoint->page_hashes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(data + 1, size - 1);
  if (data[0] % 4 == 0) {
    decode_manifest(bytes);
  } else {
    decode_message(bytes);
  }
  return 0;
}
