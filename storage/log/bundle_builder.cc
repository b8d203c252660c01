#include "storage/log/bundle_builder.h"

#include <utility>

#include "storage/log/part_codec.h"

namespace worldline::storage {

void BundleBuilder::add(const TxData& tx) {
  if (last_timestamp_) {
    WL_CHECK(*last_timestamp_ < tx.timestamp);  // I-20.
    last_timestamp_ = tx.timestamp;
  }
  encoder_.append(tx);
}

void BundleBuilder::advance_cluster_time(SteadyTime now) {
  if (now <= steady_) return;
  cluster_time_ns_ += static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - steady_).count());
  steady_ = now;
}

bool BundleBuilder::full() const {
  return encoder_.bytes() >= limits::kBundleBytesTarget ||
         encoder_.transactions() >= limits::kBundleCallsMax;
}

bool BundleBuilder::fits(const TxData& tx) {
  // The bundle so far is below its target when a transaction is added, and a trailer follows.
  return BundleEncoder::encoded_bytes(tx) + limits::kBundleBytesTarget + limits::KiB <=
         kSplitBundleBytesMax;
}

std::vector<EntryDraft> BundleBuilder::seal(const Digest128& digest_after, uint64_t bundle_id,
                                            SteadyTime now) {
  WL_CHECK(bundle_id != 0);
  advance_cluster_time(now);
  const uint32_t transactions = encoder_.transactions();
  SharedBytes payload =
      encoder_.finish({digest_after, cluster_time_ns_, last_timestamp_.has_value()});
  std::vector<EntryDraft> entries;
  if (payload->size() <= kUnsplitBytesMax) {
    entries.push_back({EntryKind::kBundle, std::move(payload), transactions});
    return entries;
  }
  for (SharedBytes& part : split_bundle(bundle_id, *payload))
    entries.push_back({EntryKind::kPart, std::move(part)});
  entries.back().transactions = transactions;
  return entries;
}

}  // namespace worldline::storage
