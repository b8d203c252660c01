#include "actors/group_machine.h"

#include <utility>

#include "base/check.h"
#include "replication/log_adapter.h"

namespace worldline::actors {

using replication::RoleKind;

void GroupMachine::checkpoint(ProposalSeq covers, CheckpointJob job, Submit submit) {
  const LogIndex at = covers == resolved_ ? resolved_at_ : LogIndex{};
  checkpoints_.push_back({covers, at, std::move(job), std::move(submit)});
}

void GroupMachine::fail(const Status& why) {
  waiting_.clear();
  for (PendingCheckpoint& pending : checkpoints_) pending.job.done(why);
  checkpoints_.clear();
  gate_->open_for_good();
  listener_.failed(why);
}

void GroupMachine::mute() {
  listener_ = {[](Term) {}, [](ProposalSeq) {}, [](const Status&) {}};
}

void GroupMachine::role_changed(const replication::RoleChange& change) {
  role_ = change;
}

void GroupMachine::apply(std::vector<replication::ApplyEntry> entries) {
  if (!entries.empty()) to_apply_ = entries.back().entry.index;
}

void GroupMachine::install(const replication::SnapshotMeta&) {
  // Only a follower is offered snapshots, and a group of one has none.
  WL_CHECK(false);
}

void GroupMachine::settle(replication::GroupReplica& replica) {
  // Each pass takes what the pass before made possible; proposals are bounded by the gate.
  for (;;) {
    submit_waiting(replica);
    if (!replica.is_running()) return;
    if (to_apply_ <= replica.core().applied_index()) break;
    const LogIndex applied = to_apply_;
    replica.applied(applied);
    // It broke an invariant: nothing more is told of it but that, by fail().
    if (!replica.is_running()) return;
    resolve(applied);
  }
  submit_checkpoints(replica.core());
}

void GroupMachine::submit_waiting(replication::GroupReplica& replica) {
  while (!waiting_.empty()) {
    // Taken first: what the core does with it may end in fail(), which drops all that waits.
    const ProposalBatchPtr batch = std::move(waiting_.front());
    waiting_.pop_front();
    const replication::ProposeResult result = replica.propose(batch->term, batch->entries);
    const bool must_wait = result.refusal == replication::Refusal::kBusy ||
                           result.refusal == replication::Refusal::kDiskFull;
    if (must_wait) {
      waiting_.push_front(batch);  // Goes on when some commit.
      return;
    }
    if (!replica.is_running()) return;  // fail() follows when its mark is written.
    if (!result.ok())
      return fail(Status::unavailable("the group does not take proposals of term {}: refusal {}",
                                      batch->term.value, static_cast<int>(result.refusal)));
    proposed_.push_back({batch->seq, result.last, batch->bytes});
  }
}

void GroupMachine::resolve(LogIndex applied) {
  const bool leads = role_.role == RoleKind::kLeader;
  WL_CHECK(leads);  // See the header: nobody else's entries reach this machine.
  if (told_term_ != role_.term && role_.barrier <= applied) {
    told_term_ = role_.term;
    if (resolved_.value == 0) resolved_at_ = role_.barrier;
    listener_.leading(role_.term);
  }
  size_t bytes = 0;
  bool moved = false;
  while (!proposed_.empty() && proposed_.front().last <= applied) {
    bytes += proposed_.front().bytes;
    resolved_ = proposed_.front().seq;
    resolved_at_ = proposed_.front().last;
    proposed_.pop_front();
    moved = true;
    for (PendingCheckpoint& pending : checkpoints_)
      if (pending.covers == resolved_) pending.at = resolved_at_;
  }
  if (bytes > 0) gate_->release(bytes);
  if (moved) listener_.committed(resolved_);
}

void GroupMachine::submit_checkpoints(const replication::RaftCore& core) {
  while (!checkpoints_.empty() && checkpoints_.front().at.value != 0 &&
         checkpoints_.front().at <= core.stable()) {
    PendingCheckpoint pending = std::move(checkpoints_.front());
    checkpoints_.pop_front();
    const replication::RaftLog& log = core.log();
    replication::LogBoundary boundary;
    boundary.id = {log.term_at(pending.at), pending.at};
    boundary.chain = log.chain_at(pending.at);
    const replication::ConfigAt& config = log.config_at(pending.at);
    boundary.config = config.config;
    boundary.config_index = config.index;
    pending.job.cut.index = boundary.id.index;
    pending.job.cut.term = boundary.id.term;
    pending.job.cut.chain = boundary.chain;
    pending.job.cut.config = replication::encode_log_boundary(boundary, {}).config;
    pending.submit(std::move(pending.job));
  }
}

}  // namespace worldline::actors
