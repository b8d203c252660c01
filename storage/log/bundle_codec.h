// storage/log/bundle_codec.h
//
// The payload of a bundle entry: 1..n transactions with their net row changes, and a trailer with
// the state digest and cluster time after them [S 08/4.1, S 05/3.4].
//
// BundleEncoder is on the hot path: one buffer, one resize per transaction, rows by memcpy.
// decode_bundle validates everything before it hands anything out; rows are not compared with a
// schema, which DatabaseState::apply does, knowing the tables as of that transaction.
//
// Invariants: delete rows of a truncated table are left out; tables keep their ascending order.
// Thread: a value of its user. Units: bytes; timestamps in microseconds, cluster time nanoseconds.
// Errors: kCorruption with the place; kNotSupported for a newer version. The encoder cannot fail:
//   its caller asks encoded_bytes() and closes or refuses the bundle before it is too large.
// Sources: docs/formats/log-record.md.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "storage/log/log_types.h"
#include "storage/tx_data.h"

namespace worldline::storage {

inline constexpr uint8_t kBundleVersion = 1;

struct BundleTrailer {
  Digest128 digest{};            // Of the state after the last transaction.
  uint64_t cluster_time_ns = 0;  // Never decreases [S 08/4.7].
  // Whoever sealed the bundle saw to it that its timestamps continue to increase, from transaction
  // to transaction along the log (I-20): replay holds it to that. Bundles of older programs are
  // silent about it.
  bool times_increase = false;
  friend bool operator==(const BundleTrailer&, const BundleTrailer&) = default;
};

// Usage: append() per committed transaction, finish() once; then it is empty again.
class BundleEncoder {
 public:
  void append(const TxData& tx);
  uint32_t transactions() const { return transactions_; }
  size_t bytes() const { return buffer_.size(); }  // Without the trailer.
  bool empty() const { return transactions_ == 0; }

  // REQUIRES: not empty().
  SharedBytes finish(const BundleTrailer& trailer);

  static size_t encoded_bytes(const TxData& tx);

 private:
  ByteBuffer buffer_;
  uint32_t transactions_ = 0;
  size_t capacity_hint_ = 0;  // Size of the last bundle: the next is often as large.
};

// The transactions own their bytes; their table deltas have no schema yet.
struct Bundle {
  std::vector<std::shared_ptr<TxData>> transactions;
  BundleTrailer trailer;
};
// Ephemeral rows serve subscribers of a running follower; replay from disk skips them [S 08/4.1].
enum class EphemeralRows : uint8_t { kKeep, kSkip };
Result<Bundle> decode_bundle(Bytes payload, EphemeralRows ephemeral);

// The payload of a barrier (EntryKind::kNoop) [S 08/4.1].
struct Barrier {
  NodeId leader;
  uint64_t incarnation = 0;
  Timestamp wall;
  uint64_t cluster_time_ns = 0;
  TxOffset next_offset;
  Digest128 digest{};
  friend bool operator==(const Barrier&, const Barrier&) = default;
};
SharedBytes encode_barrier(const Barrier& barrier);
Result<Barrier> decode_barrier(Bytes payload);

}  // namespace worldline::storage
