// storage/log/group_appender.h
//
// GroupAppender writes the log of a group without its Raft core: it turns transactions into sealed
// entries behind the end it was given. For tests, benchmarks and tools; a node proposes the bundles
// of its BundleBuilder to the core.
//
// Invariants: indexes are consecutive, terms and cluster time never decrease [S 08/2 I-10, I-20].
// Ownership and thread: one module host. Units: cluster time in nanoseconds.
// Order of calls: begin_term once, then add and seal in turn; jobs go to the log writer in order.
#pragma once

#include <chrono>
#include <optional>

#include "storage/log/bundle_builder.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

// Where the log of a group ends, as recovery found it.
struct GroupEnd {
  GroupId group;
  HardState hard_state;
  TailRow tail;
  uint64_t cluster_time_ns = 0;             // Of the last trailer or barrier.
  std::optional<Timestamp> last_timestamp;  // Of the last transaction or barrier, if it matters.
};

// Who leads, for the barrier.
struct LeaderInfo {
  NodeId node;
  uint64_t incarnation = 0;
};

class GroupAppender {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  GroupAppender(const GroupEnd& end, SteadyTime now);

  // The first job of a new term: hard state (term + 1, vote for ourselves) and the barrier.
  // REQUIRES: no transactions added.
  struct TermStart {
    LeaderInfo leader;
    Timestamp wall;
    SteadyTime now;
    TxOffset next_offset;
    Digest128 digest;
  };
  LogJob begin_term(const TermStart& start);

  void add(const TxData& tx) { builder_.add(tx); }
  bool empty() const { return builder_.empty(); }
  bool full() const { return builder_.full(); }

  // Closes the bundle: one entry, or the pieces of an oversized one. REQUIRES: not empty().
  // The entry that makes it count is the job's last; its index is last().
  LogJob seal(const Digest128& digest_after, SteadyTime now);

  GroupId group() const { return group_; }
  Term term() const { return hard_state_.term; }
  LogIndex last() const { return tail_.last; }
  Chain chain() const { return tail_.chain; }
  uint64_t cluster_time_ns() const { return builder_.cluster_time_ns(); }
  const HardState& hard_state() const { return hard_state_; }

 private:
  LogEntry next_entry(EntryKind kind, SharedBytes payload);

  const GroupId group_;
  HardState hard_state_;
  TailRow tail_;
  BundleBuilder builder_;
};

}  // namespace worldline::storage
