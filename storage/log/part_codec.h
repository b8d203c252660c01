// storage/log/part_codec.h
//
// Bundles beyond kUnsplitBytesMax travel as several entries of kind kPart and count when the last
// piece is applied; pieces without their last one are void at the next barrier [S 08/4.1].
//
// Thread: a value of its user. Errors: kCorruption. Sources: docs/formats/log-record.md.
#pragma once

#include <vector>

#include "base/status.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

inline constexpr size_t kUnsplitBytesMax = 8 * limits::MiB;  // An entry friendly to RocksDB.
inline constexpr size_t kPartBytes = 4 * limits::MiB;
inline constexpr size_t kSplitBundleBytesMax = 1 * limits::GiB;  // Effects of one transaction.
static_assert(kPartBytes < kUnsplitBytesMax);
static_assert(kUnsplitBytesMax <= limits::kLogEntryBytesMax);

// REQUIRES: payload larger than one part and at most kSplitBundleBytesMax.
// `bundle_id` tells the pieces of one term apart.
std::vector<SharedBytes> split_bundle(uint64_t bundle_id, const ByteBuffer& payload);

// Puts pieces together in log order.
class PartAssembler {
 public:
  // True when `payload` was the last piece: take() then gives the whole.
  Result<bool> add(Bytes payload);
  ByteBuffer take();
  void discard();  // At a barrier.

 private:
  uint64_t bundle_ = 0;  // 0 = none begun.
  uint32_t next_part_ = 0;
  ByteBuffer bytes_;
};

}  // namespace worldline::storage
