// storage/log/bundle_builder.h
//
// BundleBuilder collects the transactions of one drain of a leader and closes them as the payloads
// of log entries. Where these will stand in the log is for the Raft group to say: a builder knows
// no index, no term and no chain.
//
// Invariants: cluster time never decreases and timestamps strictly increase [S 08/2 I-20], the
//   latter if it knows where they stand; an oversized bundle becomes pieces whose
//   last one makes it count [S 08/4.1].
// Ownership and thread: one module host. Units: cluster time in nanoseconds, bytes.
// Errors: none; fits() says beforehand whether a transaction can be logged at all.
// Order of calls: add(), then seal(), in turn.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/entry_kind.h"
#include "storage/log/bundle_codec.h"

namespace worldline::storage {

// An entry before it has a place.
struct EntryDraft {
  EntryKind kind = EntryKind::kBundle;
  SharedBytes payload;        // Never null.
  uint32_t transactions = 0;  // That count once it commits: of pieces, the last one has all.
};

class BundleBuilder {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  // Both times: the last ones that were logged. Without a timestamp (tools) the bundles promise
  // nothing about theirs.
  BundleBuilder(uint64_t cluster_time_ns, SteadyTime now, std::optional<Timestamp> last_timestamp)
      : cluster_time_ns_(cluster_time_ns), steady_(now), last_timestamp_(last_timestamp) {}

  // REQUIRES: later than all before it, which is checked: nothing of a broken I-20 gets logged.
  void add(const TxData& tx);
  bool empty() const { return encoder_.empty(); }
  bool full() const;  // Close the bundle: limits::kBundleBytesTarget or kBundleCallsMax reached.
  // False: `tx` alone exceeds what a bundle may hold; the transaction must fail, kTooLarge.
  static bool fits(const TxData& tx);

  // Closes the bundle: one entry, or the pieces of an oversized one. `bundle_id` tells the pieces
  // of this term apart; not 0. REQUIRES: not empty().
  std::vector<EntryDraft> seal(const Digest128& digest_after, uint64_t bundle_id, SteadyTime now);

  void advance_cluster_time(SteadyTime now);  // To what the leader's steady clock says.
  uint64_t cluster_time_ns() const { return cluster_time_ns_; }

 private:
  uint64_t cluster_time_ns_;
  SteadyTime steady_;  // When cluster_time_ns_ was true.
  std::optional<Timestamp> last_timestamp_;
  BundleEncoder encoder_;
};

}  // namespace worldline::storage
