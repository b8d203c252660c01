// replication/raft_inputs.h
//
// What is given to a RaftCore besides messages and ticks, and what a proposal is answered with.
//
// Thread: values; payloads are frozen. Units: log indexes, terms. Errors: Refusal names each reason
// a caller reacts to.
// Sources: [S 08/1.2], [S 08/1.16].
#pragma once

#include "replication/raft_types.h"

namespace worldline::replication {

enum class PeerHint : uint8_t { kAlive = 1, kSuspect = 2, kRestarted = 3 };
enum class SnapshotOutcome : uint8_t { kOk = 1, kFailed = 2, kBusy = 3 };

enum class Refusal : uint8_t {
  kNone = 0,
  kNotLeader = 1,     // Ask `leader_hint`.
  kBusy = 2,          // The uncommitted tail is full: wait.
  kTransferring = 3,  // Leadership is on its way elsewhere.
  kTermMismatch = 4,  // The effects were computed for another term.
  kTooLarge = 5,
  kStopped = 6,   // A broken invariant stopped this replica, or it is quarantined.
  kDiskFull = 7,  // A majority has no room: nothing can be committed [S 08/3.12].
};
struct ProposeResult {
  Refusal refusal = Refusal::kNone;
  Term term;
  ReplicaId leader_hint;
  LogIndex first;  // Indexes the entries got.
  LogIndex last;
  bool ok() const { return refusal == Refusal::kNone; }
};
struct Proposal {
  EntryKind kind = EntryKind::kBundle;
  SharedBytes payload;        // Not null.
  uint32_t transactions = 1;  // In it; a limit of its own.
};

}  // namespace worldline::replication
