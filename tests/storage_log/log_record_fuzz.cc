// Fuzz target: whatever bytes a disk gives, log records are refused or read, never misread into
// undefined behaviour. The first byte chooses the decoder.
#include <cstddef>
#include <cstdint>

#include "storage/log/bundle_codec.h"
#include "storage/log/checkpoint_store.h"
#include "storage/log/entry_codec.h"
#include "storage/log/part_codec.h"
#include "storage/log/row_codec.h"

using namespace worldline;           // NOLINT(google-build-using-namespace): a fuzz target.
using namespace worldline::storage;  // NOLINT(google-build-using-namespace): a fuzz target.

namespace {

// Makes the checksum right, so that the fields behind it are reached.
ByteBuffer with_crc(Bytes fields) {
  ByteBuffer row(fields.begin(), fields.end());
  append_le(row, crc32c(0, fields));
  return row;
}

void decode(uint8_t choice, Bytes bytes) {
  constexpr const char* kWhy = "fuzzing";
  switch (choice % 8) {
    case 0:
      decode_entry(bytes).status().ignore(kWhy);
      break;
    case 1: {
      const Result<Bundle> bundle = decode_bundle(bytes, EphemeralRows::kKeep);
      if (!bundle.ok()) break;
      // What was accepted can be written again and is accepted again.
      BundleEncoder encoder;
      for (const auto& tx : bundle->transactions) encoder.append(*tx);
      WL_CHECK(decode_bundle(*encoder.finish(bundle->trailer), EphemeralRows::kKeep).ok());
      break;
    }
    case 2:
      decode_barrier(bytes).status().ignore(kWhy);
      break;
    case 3:
      decode_hard_state(with_crc(bytes)).status().ignore(kWhy);
      break;
    case 4:
      decode_boundary(with_crc(bytes)).status().ignore(kWhy);
      break;
    case 5:
      decode_tombstone(with_crc(bytes)).status().ignore(kWhy);
      break;
    case 6: {
      ByteBuffer manifest(bytes.begin(), bytes.end());
      append_le(manifest, content_hash(bytes));
      decode_checkpoint(manifest).status().ignore(kWhy);
      break;
    }
    default:
      PartAssembler().add(bytes).status().ignore(kWhy);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) decode(data[0], {data + 1, size - 1});
  return 0;
}
