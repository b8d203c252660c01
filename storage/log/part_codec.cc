#include "storage/log/part_codec.h"

#include <algorithm>
#include <utility>

#include "base/record_reader.h"

namespace worldline::storage {
namespace {

struct PartHead {
  uint64_t bundle;  // The same in all pieces, another in the next bundle of the term.
  uint32_t part;    // From 0.
  uint32_t part_count;
};
static_assert(sizeof(PartHead) == 16);

}  // namespace

std::vector<SharedBytes> split_bundle(uint64_t bundle_id, const ByteBuffer& payload) {
  WL_CHECK(payload.size() > kPartBytes);
  WL_CHECK(payload.size() <= kSplitBundleBytesMax);
  const size_t count = (payload.size() + kPartBytes - 1) / kPartBytes;
  std::vector<SharedBytes> parts;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i * kPartBytes;
    const Bytes piece = Bytes(payload).subspan(begin, std::min(kPartBytes, payload.size() - begin));
    ByteBuffer bytes;
    bytes.reserve(sizeof(PartHead) + piece.size());
    append_le(bytes, PartHead{bundle_id, static_cast<uint32_t>(i), static_cast<uint32_t>(count)});
    append(bytes, piece);
    parts.push_back(std::make_shared<const ByteBuffer>(std::move(bytes)));
  }
  return parts;
}

Result<bool> PartAssembler::add(Bytes payload) {
  RecordReader reader(payload);
  const auto head = reader.number<PartHead>();
  if (!reader.ok() || head.part >= head.part_count || reader.left() > kPartBytes)
    return Status::corruption("bundle piece {} of {} with {} B", head.part, head.part_count,
                              payload.size());
  if (head.part == 0) {
    discard();
    bundle_ = head.bundle;
  }
  if (head.bundle != bundle_ || head.part != next_part_)
    return Status::corruption("bundle piece {} of bundle {} where piece {} of {} is due", head.part,
                              head.bundle, next_part_, bundle_);
  if (bytes_.size() + reader.left() > kSplitBundleBytesMax)
    return Status::corruption("bundle pieces exceed {} B", kSplitBundleBytesMax);
  append(bytes_, reader.take(reader.left()));
  ++next_part_;
  return next_part_ == head.part_count;
}

ByteBuffer PartAssembler::take() {
  ByteBuffer bytes = std::move(bytes_);
  discard();
  return bytes;
}

void PartAssembler::discard() {
  bundle_ = 0;
  next_part_ = 0;
  bytes_ = {};
}

}  // namespace worldline::storage
