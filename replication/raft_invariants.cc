// Every invariant of [S 08/2] that one replica can see of itself, by number. All run in every
// build: what an input touched after that input, O(1); what has a cost per member at changes of
// config and at a leader's ticks. check_invariants() looks at everything, for tests.
#include <algorithm>

#include <fmt/core.h>

#include "replication/raft_core.h"

namespace worldline::replication {

// Whatever is checked here is our own bug, and no other replica shares it: scope R.
RaftCore::Broken RaftCore::broken(int number, std::string text) const {
  return Fatal{number, FatalScope::kReplica, config_.self.replica, std::move(text)};
}

// --- After every input ---------------------------------------------------------------------------

void RaftCore::check_input() {
  Broken found = check_watermarks();
  if (!found) found = check_order();
  if (!found) found = check_role();
  if (!found) found = check_growth();
  const Progress* moved = touched_.value != 0 ? progress(touched_) : nullptr;
  if (!found && moved != nullptr) found = check_progress(touched_, *moved);
  if (!found && announced_config_ != log_.config_index()) found = check_config();
  if (found) return fail(std::move(*found));
  touched_ = ReplicaId{};
  may_append_ = false;
  const Watermarks& w = watermarks_;
  const bool same_term = hard_.term == w.term;
  const bool was_leader = role() == RoleKind::kLeader || (w.was_leader && same_term);
  const ReplicaId leader = leader_.value == 0 && same_term ? w.leader : leader_;
  watermarks_ = {hard_.term,     hard_.vote,        leader,
                 commit_,        applied_,          log_.boundary().id.index,
                 log_.last_id(), log_.last_chain(), was_leader};
}

// I-8, I-9: what must not go back.
RaftCore::Broken RaftCore::check_watermarks() const {
  const Watermarks& w = watermarks_;
  if (hard_.term < w.term || commit_ < w.commit || applied_ < w.applied ||
      log_.boundary().id.index < w.boundary)
    return broken(8, "term, commit, applied or boundary went back");
  if (hard_.term != w.term) return {};
  if (w.vote.value != 0 && hard_.vote != w.vote) return broken(9, "the vote changed within a term");
  if (w.leader.value != 0 && leader_.value != 0 && leader_ != w.leader)
    return broken(9, "two leaders of one term");
  if (w.was_leader && role() == RoleKind::kCandidate)
    return broken(9, "a leader became candidate in its term");
  return {};
}

// I-10. Indexes and terms within the log follow from its last place: RaftLog appends nothing else.
RaftCore::Broken RaftCore::check_order() const {
  const LogIndex boundary = log_.boundary().id.index;
  const bool is_ordered = boundary <= applied_ && applied_ <= applying_ && applying_ <= commit_ &&
                          commit_ <= log_.last() && boundary <= stable_ && stable_ <= log_.last();
  if (!is_ordered)
    return broken(10, fmt::format("boundary {} applied {} applying {} commit {} stable {} last {}",
                                  boundary.value, applied_.value, applying_.value, commit_.value,
                                  stable_.value, log_.last().value));
  if (log_.last_id().term > hard_.term)
    return broken(10, fmt::format("the log is of term {}, the replica of {}",
                                  log_.last_id().term.value, hard_.term.value));
  if (verified_ > log_.last() || unsaved_from_ > log_.last().next())
    return broken(10, fmt::format("verified {} and saved before {} of a log that ends at {}",
                                  verified_.value, unsaved_from_.value, log_.last().value));
  return {};
}

// I-13, I-16, I-28: what holds in one role only, and what an idle group accounts.
RaftCore::Broken RaftCore::check_role() const {
  const bool is_uninit = std::holds_alternative<UninitRole>(role_);
  if (is_uninit && (log_.last().value != 0 || hard_.vote.value != 0))
    return broken(16, fmt::format("a replica without state has a log up to {} and voted for {}",
                                  log_.last().value, hard_.vote.value));
  if (log_.first() > log_.last() && log_.cached_bytes() != 0)
    return broken(28, fmt::format("an empty log holds {} B", log_.cached_bytes()));
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return {};
  if (!is_vote_durable() || !is_self(hard_.vote))
    return broken(13, "leads without a durable vote for itself");
  if (!is_self(leader_)) return broken(13, "a leader that does not know itself");
  const bool accounts = leader->uncommitted_bytes != 0 || leader->uncommitted_transactions != 0;
  if (commit_ == log_.last() && accounts)
    return broken(28, fmt::format("{} B, {} transactions are uncommitted of a committed log",
                                  leader->uncommitted_bytes, leader->uncommitted_transactions));
  return {};
}

// I-17: the log changes by an Append, a snapshot, or a leader's own hand.
RaftCore::Broken RaftCore::check_growth() const {
  const bool is_same =
      log_.last_id() == watermarks_.last && log_.last_chain() == watermarks_.last_chain;
  if (!is_same && !may_append_)
    return broken(17, fmt::format("the log went from {} to {} without a message",
                                  watermarks_.last.index.value, log_.last().value));
  if (installing_ && log_.last() != installing_->boundary.id.index)
    return broken(17, fmt::format("the log went to {} while the snapshot of {} is installed",
                                  log_.last().value, installing_->boundary.id.index.value));
  return {};
}

// I-11 of one follower, and I-28 of its window.
RaftCore::Broken RaftCore::check_progress(ReplicaId peer, const Progress& progress) const {
  if (is_self(peer)) {
    if (progress.match == stable_) return {};
    return broken(
        11, fmt::format("own match {} is not stable {}", progress.match.value, stable_.value));
  }
  if (progress.match >= progress.next || progress.next > log_.last().next())
    return broken(11, fmt::format("replica {}: match {} next {} last {}", peer.value,
                                  progress.match.value, progress.next.value, log_.last().value));
  if (!progress.window.is_within(progress.match, progress.next))
    return broken(11, fmt::format("replica {}: a window of {} messages, {} B between {} and {}",
                                  peer.value, progress.window.messages(), progress.window.bytes(),
                                  progress.match.value, progress.next.value));
  if (progress.match == log_.last() && progress.window.bytes() != 0)
    return broken(28, fmt::format("replica {} has all, {} B are under way", peer.value,
                                  progress.window.bytes()));
  return {};
}

// --- At changes of config, at ticks --------------------------------------------------------------

// I-15 of the config in force. O(members).
RaftCore::Broken RaftCore::check_config() const {
  const LogIndex index = log_.config_index();
  if (index > log_.last() || index < log_.boundary().config_index)
    return broken(15, fmt::format("the config in force is of entry {}, the log ends at {}",
                                  index.value, log_.last().value));
  if (index >= log_.first() && log_.at(index).kind != EntryKind::kConfig)
    return broken(15, fmt::format("entry {} is no config", index.value));
  if (std::holds_alternative<UninitRole>(role_)) return {};
  const Status valid = log_.config().validate();
  if (valid.ok()) return {};
  return broken(15, fmt::format("the config of entry {}: {}", index.value, valid.message()));
}

// I-11, I-14, I-15, I-28 over all members. O(members).
RaftCore::Broken RaftCore::check_members() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return {};
  if (leader->progress.size() != log_.config().members.size())
    return broken(15, "progress of others than the members");
  for (const auto& [peer, progress] : leader->progress) {
    if (!log_.config().contains(peer)) return broken(15, "progress of a stranger");
    if (Broken found = check_progress(peer, progress); found) return found;
  }
  const LogIndex reached = std::min(quorum_index(), log_.last());
  if (reached > commit_ && reached >= leader->barrier && log_.has(reached) &&
      log_.term_at(reached) == hard_.term)
    return broken(14, fmt::format("commit {} is behind {}, which a quorum holds", commit_.value,
                                  reached.value));
  return {};
}

// --- Everything ----------------------------------------------------------------------------------

Status RaftCore::check_invariants() const {
  if (stopped_) return Status::ok_status();  // It was told already.
  Broken found = check_order();
  if (!found) found = check_role();
  if (!found) found = check_config();
  if (!found) found = check_members();
  if (found) return Status::internal("I-{}: {}", found->invariant, found->text);
  WL_RETURN_IF_ERROR(log_.check_invariants());
  if (const auto* leader = std::get_if<LeaderRole>(&role_); leader != nullptr) {
    for (const auto& [peer, progress] : leader->progress)
      if (!progress.window.is_sorted()) return Status::internal("I-11: window not sorted");
  }
  if (leader_.value != 0 && term_leader_ != leader_)
    return Status::internal("I-9: two leaders of one term");
  JobId previous;
  for (const OutstandingJob& job : jobs_) {
    if (job.id <= previous) return Status::internal("I-18: jobs out of order");
    previous = job.id;
  }
  return Status::ok_status();
}

}  // namespace worldline::replication
