// replication/raft_types.h
//
// The plain values of the Raft core: entries, hard state, boundary, snapshots, limits.
//
// Thread: values; payloads are frozen and may cross threads. Units: bytes; time in ticks of
// `kRaftTick`; log indexes and terms from 1, 0 only in a replica without state.
// Sources: [S 08/0], [S 08/1.1], [S 08/5.1].
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/entry_kind.h"
#include "base/ids.h"
#include "base/limits.h"
#include "replication/membership.h"

namespace worldline::replication {

inline constexpr std::chrono::milliseconds kRaftTick{25};  // Small against E, cheap when coalesced.

// A place in a log. Ordered as logs are compared for votes: the term decides first [T 3.6.1].
struct EntryId {
  Term term;
  LogIndex index;
  friend constexpr auto operator<=>(const EntryId&, const EntryId&) = default;
};

// One log entry. The payload is null only in a replica's own memory, when it was let go.
struct Entry {
  LogIndex index;
  Term term;
  EntryKind kind = EntryKind::kNoop;
  Chain chain;  // Over everything up to and including this entry.
  SharedBytes payload;
  uint32_t payload_bytes = 0;  // Known even when the payload was let go.

  EntryId id() const { return {term, index}; }
};

// Hashes `entry` (kind, term, index, payload) behind `previous`. Pure; the same on every node.
using ChainFunction = Chain (*)(Chain previous, const Entry& entry);

// What must be on disk before any effect of it leaves the node [S 08/1.17 S1].
struct HardState {
  Term term;
  ReplicaId vote;        // 0 = none in `term`.
  LogIndex commit_hint;  // Lower bound of commit after a restart.
  friend bool operator==(const HardState&, const HardState&) = default;
};

// A position and all that is needed to go on from it: the log that counts follows.
struct LogBoundary {
  EntryId id;
  Chain chain;
  Membership config;      // In force at `id`.
  LogIndex config_index;  // Of the entry that brought `config`; at most id.index.
  friend bool operator==(const LogBoundary&, const LogBoundary&) = default;
};

// A replica as messages address it. Incarnation 0 = not known to the sender.
struct Address {
  NodeId node;
  uint64_t incarnation = 0;
  ReplicaId replica;
  friend bool operator==(const Address&, const Address&) = default;
};

using JobId = StrongId<struct JobIdTag, uint64_t>;          // Per core, from 1.
using ReadToken = StrongId<struct ReadTokenTag, uint64_t>;  // Chosen by the reader.

// All that a replica keeps over a restart, as recovery found it.
struct RestoredState {
  HardState hard;
  LogBoundary boundary;        // index 0 = a replica that was never initialised.
  std::vector<Entry> entries;  // Gapless after the boundary; payloads may be null up to `applied`.
  LogIndex applied;            // What the state machine holds; at least the boundary.
};

// Set once per core. Zero never means unlimited.
struct RaftLimits {
  size_t message_bytes_max = 1 * limits::MiB;    // Entries of one Append; at least one fits.
  size_t inflight_messages_max = 256;            // Per follower.
  size_t inflight_bytes_max = 16 * limits::MiB;  // Per follower: 10 Gbit/s times 10 ms.
  size_t entry_bytes_max = limits::kLogEntryBytesMax;
  size_t uncommitted_bytes_max = limits::kUncommittedBytesMax;
  size_t uncommitted_transactions_max = 16'384;  // Bounds undo memory and fail-over work.
  // Committed and not applied: beyond it a follower stores no more entries [S 08/1.7 A10]. What
  // is not committed does not count: only storing more could commit it.
  size_t apply_backlog_bytes_max = 64 * limits::MiB;
  size_t apply_batch_bytes_max = 8 * limits::MiB;
  size_t cached_bytes_max = 4 * limits::MiB;  // Payloads of applied entries kept in memory.
  size_t pending_reads_max = 4096;
  // Entries kept behind a checkpoint for followers that are nearly there [S 08/4.9].
  size_t retained_entries = 8192;
  size_t retained_bytes = 16 * limits::MiB;
  size_t follower_retained_bytes_max = 256 * limits::MiB;
};

struct RaftConfig {
  GroupId group;
  Address self;  // Own incarnation included.
  uint64_t seed = 0;
  uint32_t election_ticks = 16;  // E, the minimum election timeout: 400 ms.
  uint32_t heartbeat_ticks = 3;  // 75 ms. INVARIANT: E >= 4 heartbeats.
  RaftLimits limits;
  ChainFunction chain = nullptr;
};

}  // namespace worldline::replication
