// storage/log/group_appender.h
//
// GroupAppender turns the transactions of a leader into sealed log entries: it knows where its
// group's log ends and numbers, chains and timestamps what follows. It serves a group of one; a
// Raft core takes its place when groups have followers.
//
// Invariants: indexes are consecutive, terms and cluster time never decrease [S 08/2 I-10, I-20].
// Ownership and thread: one module host. Units: cluster time in nanoseconds.
// Order of calls: begin_term once, then add and seal in turn; jobs go to the log writer in order.
#pragma once

#include <chrono>

#include "storage/log/bundle_codec.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

// Where the log of a group ends, as recovery found it.
struct GroupEnd {
  GroupId group;
  HardState hard_state;
  TailRow tail;
  uint64_t cluster_time_ns = 0;  // Of the last trailer or barrier.
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

  void add(const TxData& tx) { encoder_.append(tx); }
  bool empty() const { return encoder_.empty(); }
  bool full() const;  // Close the bundle: limits::kBundleBytesTarget or kBundleCallsMax reached.
  // False: `tx` alone exceeds what a bundle may hold; the transaction must fail, kTooLarge.
  static bool fits(const TxData& tx);

  // Closes the bundle: one entry, or the pieces of an oversized one. REQUIRES: not empty().
  // The entry that makes it count is the job's last; its index is last().
  LogJob seal(const Digest128& digest_after, SteadyTime now);

  GroupId group() const { return group_; }
  Term term() const { return hard_state_.term; }
  LogIndex last() const { return tail_.last; }
  Chain chain() const { return tail_.chain; }
  uint64_t cluster_time_ns() const { return cluster_time_ns_; }
  const HardState& hard_state() const { return hard_state_; }

 private:
  void advance_cluster_time(SteadyTime now);
  LogEntry next_entry(EntryKind kind, SharedBytes payload);

  const GroupId group_;
  HardState hard_state_;
  TailRow tail_;
  uint64_t cluster_time_ns_;
  SteadyTime steady_;  // When cluster_time_ns_ was true.
  BundleEncoder encoder_;
};

}  // namespace worldline::storage
