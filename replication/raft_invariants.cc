// Every invariant of [S 08/2] that one replica can see of itself, by number.
#include <algorithm>

#include "replication/raft_core.h"

namespace worldline::replication {
namespace {

Status broken(int number, const char* what) {
  return Status::internal("I-{}: {}", number, what);
}

}  // namespace

Status RaftCore::check_invariants() const {
  if (stopped_) return Status::ok_status();  // It was told already.
  const LogIndex boundary = log_.boundary().id.index;
  if (!(boundary <= applied_ && applied_ <= applying_ && applying_ <= commit_ &&
        commit_ <= log_.last()))
    return broken(10, "boundary <= applied <= applying <= commit <= last");
  if (stable_ > log_.last() || stable_ < boundary) return broken(10, "stable within the log");
  if (log_.last_id().term > hard_.term) return broken(10, "the log is of a future term");
  if (verified_ > log_.last()) return broken(10, "verified beyond the log");
  if (unsaved_from_ > log_.last().next()) return broken(10, "saved more than there is");
  WL_RETURN_IF_ERROR(log_.check_invariants());
  WL_RETURN_IF_ERROR(check_role_invariants());
  if (role() == RoleKind::kUninit && (log_.last().value != 0 || hard_.vote.value != 0))
    return broken(16, "a replica without state has a log or a vote");
  if (leader_.value != 0 && term_leader_ != leader_) return broken(9, "two leaders of one term");
  JobId previous;
  for (const OutstandingJob& job : jobs_) {
    if (job.id <= previous) return broken(18, "jobs out of order");
    previous = job.id;
  }
  return Status::ok_status();
}

Status RaftCore::check_role_invariants() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return Status::ok_status();
  if (!is_vote_durable() || hard_.vote != config_.self.replica)
    return broken(13, "a leader without a durable vote for itself");
  if (leader_ != config_.self.replica) return broken(13, "a leader that does not know itself");
  if (leader->progress.size() != log_.config().members.size())
    return broken(15, "progress of others than the members");
  for (const auto& [peer, progress] : leader->progress) {
    if (!log_.config().contains(peer)) return broken(15, "progress of a stranger");
    if (is_self(peer)) {
      if (progress.match != stable_) return broken(11, "own match is not stable");
      continue;
    }
    const bool is_ordered = progress.match < progress.next && progress.next <= log_.last().next();
    if (!is_ordered) return broken(11, "match < next <= last + 1");
    if (!progress.window.is_sorted()) return broken(11, "window not sorted");
    if (progress.window.messages() > config_.limits.inflight_messages_max)
      return broken(11, "window beyond its limit");
  }
  const LogIndex reached = std::min(quorum_index(), log_.last());
  if (reached > commit_ && reached >= leader->barrier && log_.has(reached) &&
      log_.term_at(reached) == hard_.term)
    return broken(14, "commit is behind what a quorum holds");
  if (commit_ == log_.last() && leader->uncommitted_bytes != 0)
    return broken(28, "uncommitted bytes of an idle group");
  return Status::ok_status();
}

}  // namespace worldline::replication
