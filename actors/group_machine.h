// actors/group_machine.h
//
// GroupMachine stands for one group's executor at the replication actor: it knows which log entries
// each proposal became, tells the executor when they are committed, and hands checkpoints on once
// the log says where they were cut.
//
// The leader's state is ahead of its log: its own entries are applied already when they commit.
// Entries of other leaders are refused here: applying them needs a state machine that follows.
//
// Invariants: proposals resolve in order; a checkpoint is cut at an entry that is applied and on
//   this node's disk, never beyond [S 08/1.10]; nothing is told before it is applied.
// Ownership: one ReplicationDesk, its thread. Sources: [S 08/4.2], [S 08/4.4], [S 08/4.9].
#pragma once

#include <deque>
#include <memory>

#include "actors/checkpointer.h"
#include "actors/proposal.h"
#include "actors/uncommitted_gate.h"
#include "replication/node/group_replica.h"

namespace worldline::actors {

class GroupMachine final : public replication::StateMachine {
 public:
  GroupMachine(GroupListener listener, std::shared_ptr<UncommittedGate> gate)
      : listener_(std::move(listener)), gate_(std::move(gate)) {}

  // --- Inputs ------------------------------------------------------------------------------------
  void propose(ProposalBatchPtr batch) { waiting_.push_back(std::move(batch)); }
  // `submit` runs once the state of `covers` is committed and stable. REQUIRES: no later proposal
  // was passed to propose().
  using Submit = std::function<void(CheckpointJob)>;
  void checkpoint(ProposalSeq covers, CheckpointJob job, Submit submit);
  void fail(const Status& why);  // Everything that waits is dropped.
  void mute();                   // The executor is gone: nothing is told any more.

  // Moves on whatever can: proposals into the core, applied indexes, notices, checkpoints.
  void settle(replication::GroupReplica& replica);

  // --- StateMachine: recorded here, acted upon in settle() ---------------------------------------
  void role_changed(const replication::RoleChange& change) override;
  void config_changed(const replication::ConfigChange&) override {}
  void apply(std::vector<replication::ApplyEntry> entries) override;
  void install(const replication::SnapshotMeta& meta) override;
  void read_ready(const replication::ReadReady&) override {}
  void read_failed(replication::ReadToken) override {}

 private:
  struct Proposed {
    ProposalSeq seq;
    LogIndex last;  // Entry that makes it count.
    size_t bytes = 0;
  };
  struct PendingCheckpoint {
    ProposalSeq covers;
    LogIndex at;  // Where that is in the log; 0 = not known yet.
    CheckpointJob job;
    Submit submit;
  };

  void submit_waiting(replication::GroupReplica& replica);
  void resolve(LogIndex applied);
  void submit_checkpoints(const replication::RaftCore& core);

  GroupListener listener_;  // Empty functions: muted.
  const std::shared_ptr<UncommittedGate> gate_;
  std::deque<ProposalBatchPtr> waiting_;  // Not in the core yet: its tail is full.
  std::deque<Proposed> proposed_;         // In the log, not applied; ascending.
  std::deque<PendingCheckpoint> checkpoints_;
  replication::RoleChange role_;
  Term told_term_;        // `leading` was told of it.
  LogIndex to_apply_;     // Handed out by the core.
  ProposalSeq resolved_;  // Last proposal that is applied,
  LogIndex resolved_at_;  // and its last entry; before any, the barrier.
};

}  // namespace worldline::actors
