// replication/raft_roles.h
//
// The private state of a RaftCore that exists only in one role, or only until a write is done.
//
// Invariants: those of the fields. Ownership: one RaftCore; nobody else looks inside.
// Units: ticks, bytes. Sources: [S 08/1.1], [S 08/1.6], [S 08/1.10], [S 08/1.13].
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "replication/progress.h"
#include "replication/ready.h"

namespace worldline::replication {

// --- Roles: what exists only in one of them ------------------------------------------------------
struct UninitRole {};
struct FollowerRole {};
struct PrecandidateRole {
  std::map<ReplicaId, VoteAnswer> answers;  // Others' first answers of this round.
  CampaignReason reason = CampaignReason::kTimeout;
  uint32_t total_ticks = 0;  // Since the first round.
  uint32_t round_ticks = 0;
};
struct CandidateRole {
  std::map<ReplicaId, VoteAnswer> answers;
  bool transfer = false;
};
struct PendingRead {
  ReadToken token;
  LogIndex index;
  uint64_t ctx = 0;  // 0 = waits for the barrier.
  Address reader;    // replica 0 = local.
};
struct UncommittedProposal {
  LogIndex index;
  uint32_t transactions = 0;
};
struct LeaderRole {
  std::map<ReplicaId, Progress> progress;   // Of every member, ourselves included.
  std::map<ReplicaId, Progress> departing;  // Removed by a config that is not committed yet.
  LogIndex barrier;
  LogIndex cancelled;  // The joint config that leads back; 0 = none.
  ReplicaId transferee;
  uint32_t transfer_ticks = 0;
  uint32_t heartbeat_ticks = 0;
  uint32_t quorum_ticks = 0;
  size_t uncommitted_bytes = 0;
  size_t uncommitted_transactions = 0;
  std::deque<UncommittedProposal> uncommitted;  // Ascending; the counts are their sums.
  std::set<ReplicaId> full;                     // Members whose last answer said: disk full.
  uint64_t read_counter = 0;                    // ctx of the newest read,
  uint64_t read_round = 0;                      // and of the round that is out; 0 = none.
  std::deque<PendingRead> reads;  // Ascending ctx; those waiting for the barrier first.
};
struct QuarantinedRole {};
using Role = std::variant<UninitRole, FollowerRole, PrecandidateRole, CandidateRole, LeaderRole,
                          QuarantinedRole>;

struct OutstandingJob {
  JobId id;
  uint64_t epoch = 0;
  LogIndex last;
  std::optional<HardState> hard;
  std::vector<Envelope> send_after;
};
// What the next job will hold besides the entries from unsaved_from_.
struct PendingJob {
  bool hard = false;
  std::optional<LogIndex> truncate_from;
  std::optional<LogBoundary> boundary;
  std::vector<Envelope> send_after;
};
struct ForwardedRead {
  ReadToken token;
  uint32_t ticks = 0;
};
// What must not go back within one life (I-8, I-9), or change by itself (I-17).
struct Watermarks {
  Term term;
  ReplicaId vote;
  ReplicaId leader;  // First one known of `term`.
  LogIndex commit;
  LogIndex applied;
  LogIndex boundary;
  EntryId last;
  Chain last_chain;
  bool was_leader = false;
};

}  // namespace worldline::replication
