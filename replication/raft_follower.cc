// What a leader says to this replica: entries, heartbeats, snapshots [S 08/1.7, 1.11, 1.12, T 3.5].
#include <algorithm>

#include <fmt/core.h>

#include "replication/mutants.h"
#include "replication/raft_core.h"

namespace worldline::replication {

// A1. Candidates of this term concede; the timer starts again.
void RaftCore::follow(const Envelope& message) {
  const bool is_candidate = std::holds_alternative<PrecandidateRole>(role_) ||
                            std::holds_alternative<CandidateRole>(role_);
  if (is_candidate) role_.emplace<FollowerRole>();
  leader_ = message.from.replica;
  term_leader_ = leader_;
  election_elapsed_ = 0;
}

// --- Append [S 08/1.7] ---------------------------------------------------------------------------

void RaftCore::on(const Envelope& message, const Append& append) {
  follow(message);
  if (stale_log_factor_ != 1) {
    stale_log_factor_ = 1;
    reset_election_timer();
  }
  if (std::holds_alternative<UninitRole>(role_)) return reject_append(message, append);
  if (installing_) return note(NoteKind::kDropInstalling, append.prev.index.value);
  if (const Status status = log_.validate_append(append.prev, append.prev_chain, append.entries);
      !status.ok())
    return note(NoteKind::kDropMalformed, message.from.replica.value, append.prev.index.value);
  // A leader has nothing from the future (I-10); the terms do not decrease, so the last one tells.
  if (!append.entries.empty() && append.entries.back().term > message.term)
    return note(NoteKind::kDropMalformed, message.from.replica.value, append.prev.index.value);

  may_append_ = true;
  // A2: up to commit the logs are equal by Leader Completeness.
  size_t skip = 0;
  if (append.prev.index < commit_) {
    if (!check_committed_prefix(append)) return;
    verified_ = std::max(verified_, commit_);
    skip = std::min<size_t>(append.entries.size(), commit_.value - append.prev.index.value);
    if (skip == append.entries.size())
      return accept_append(message, append, std::min(commit_, stable_));
  } else if (!log_.has(append.prev.index) || log_.term_at(append.prev.index) != append.prev.term) {
    return reject_append(message, append);  // A3.
  } else if (log_.chain_at(append.prev.index) != append.prev_chain) {
    return fail(
        4, FatalScope::kGroup,
        fmt::format("entry {} of term {} has another history at replica {}",
                    append.prev.index.value, append.prev.term.value, message.from.replica.value));
  }
  const std::optional<LogIndex> match = store_entries(append, skip);
  if (match) accept_append(message, append, *match);
}

// Positions at or below commit that are still in the log must agree.
bool RaftCore::check_committed_prefix(const Append& append) {
  for (const Entry& entry : append.entries) {
    if (entry.index > commit_) break;
    if (!log_.has(entry.index)) continue;
    if (log_.term_at(entry.index) != entry.term) {
      fail(3, FatalScope::kProcess,
           fmt::format("committed entry {} has term {} here and {} at the leader",
                       entry.index.value, log_.term_at(entry.index).value, entry.term.value));
      return false;
    }
    if (log_.chain_at(entry.index) == entry.chain) continue;
    fail(4, FatalScope::kGroup, fmt::format("entry {} has two contents", entry.index.value));
    return false;
  }
  return true;
}

// A4, A5. Without a difference nothing is truncated, even if the message ends early (nebula #5881).
// Returns up to where this log equals the leader's: a full disk, or a state machine that is far
// behind, stores nothing new (A10).
std::optional<LogIndex> RaftCore::store_entries(const Append& append, size_t skip) {
  LogIndex match{append.prev.index.value + skip};
  for (size_t i = skip; i < append.entries.size(); ++i) {
    const Entry& entry = append.entries[i];
    // Mutant: nebula #5881, an overlapping resend cuts off equal entries.
    const bool is_known =
        log_.has(entry.index) && log_.term_at(entry.index) == entry.term && !WL_MUTANT(24);
    if (is_known && log_.chain_at(entry.index) != entry.chain) {
      fail(4, FatalScope::kGroup, fmt::format("entry {} has two contents", entry.index.value));
      return std::nullopt;
    }
    if (!is_known) {
      if (disk_full_ || is_behind()) break;
      if (entry.index <= log_.last() && !truncate(entry.index)) return std::nullopt;
      log_.append(entry);
    }
    match = entry.index;
  }
  // Mutant: CCF #8172, the whole log counts as verified.
  verified_ = std::max(verified_, WL_MUTANT(21) ? log_.last() : match);
  return match;
}

// A6, A7. The minimum is with `verified`, never with `last`: the local tail may be stale
// (scylladb #9965, #10578, CCF #8172, rabbitmq/ra #508).
void RaftCore::accept_append(const Envelope& message, const Append& append, LogIndex match) {
  if (append.commit > verified_ && commit_ < append.commit)
    note(NoteKind::kVerifiedBound, append.commit.value, verified_.value);
  set_commit(std::min(append.commit, WL_MUTANT(19) ? log_.last() : verified_));
  AppendResp response;
  response.ok = true;
  response.match = match;
  response.last_index = log_.last();
  response.applied = applied_;
  response.seq_echo = append.seq;
  response.disk_full = disk_full_;
  response.apply_lag = is_behind();
  send_stable(answer_to(message, response), match);
}

bool RaftCore::is_behind() const {
  return log_.bytes_after(applied_) - log_.bytes_after(commit_) >
         config_.limits.apply_backlog_bytes_max;
}

// A8: the hint skips whole terms, so at most one probe per distinct term is needed.
void RaftCore::reject_append(const Envelope& message, const Append& append) {
  // nebula #2483: any conflict rolls the log back to the commit.
  if (WL_MUTANT(23) && commit_ < log_.last()) truncate(commit_.next());
  AppendResp response;
  response.reject_prev = append.prev.index;
  response.last_index = log_.last();
  response.applied = applied_;
  response.seq_echo = append.seq;
  response.disk_full = disk_full_;
  response.apply_lag = is_behind();
  const LogIndex from = std::min(append.prev.index, log_.last());
  const LogIndex found = std::max(log_.find_by_term(from, append.prev.term), commit_);
  if (std::holds_alternative<UninitRole>(role_)) {
    response.hint = {};
  } else if (log_.has(found)) {
    response.hint = {log_.term_at(found), found};
  }
  send_stable(answer_to(message, response));
}

// --- Heartbeat [S 08/1.12] -----------------------------------------------------------------------

void RaftCore::on(const Envelope& message, const Heartbeat& heartbeat) {
  if (quiesced_ && !heartbeat.quiesce) wake();
  follow(message);
  HeartbeatResp response;
  response.read_ctx = heartbeat.read_ctx;
  if (std::holds_alternative<UninitRole>(role_)) {
    response.status = HeartbeatStatus::kUninit;
    return send_stable(answer_to(message, response));
  }
  // An unknown index is simply beyond `verified`.
  if (heartbeat.commit > verified_ && commit_ < heartbeat.commit)
    note(NoteKind::kVerifiedBound, heartbeat.commit.value, verified_.value);
  // Mutant: scylladb #10578.
  set_commit(std::min(heartbeat.commit, WL_MUTANT(20) ? log_.last() : verified_));
  if (heartbeat.quiesce && !join_quiescence(heartbeat))
    response.status = HeartbeatStatus::kRefuseQuiesce;
  response.applied = applied_;
  response.last_index = log_.last();
  send_stable(answer_to(message, response));
}

// Q2: only a replica that is equal in everything may sleep.
bool RaftCore::join_quiescence(const Heartbeat& heartbeat) {
  const bool is_equal = log_.last() == heartbeat.commit && commit_ == heartbeat.commit &&
                        applied_ == heartbeat.commit && stable_ == heartbeat.commit &&
                        !installing_ && forwarded_reads_.empty();
  if (!is_equal) return false;
  if (!quiesced_) note(NoteKind::kQuiesced, heartbeat.commit.value);
  quiesced_ = true;
  return true;
}

// --- Snapshots [S 08/1.11] -----------------------------------------------------------------------

void RaftCore::on(const Envelope& message, const SnapOffer& offer) {
  follow(message);
  if (installing_) return;
  ready_.offers.push_back(offer.meta);
}

void RaftCore::snapshot_staged(const SnapshotMeta& meta) {
  if (stopped_) return;
  const EntryId id = meta.boundary.id;
  const bool may_follow =
      std::holds_alternative<FollowerRole>(role_) || std::holds_alternative<UninitRole>(role_);
  const bool is_usable =
      may_follow && !installing_ && id.term <= hard_.term && id.index.value > 0 &&
      meta.boundary.config.contains(config_.self.replica) && meta.boundary.config.validate().ok();
  if (!is_usable) {
    note(NoteKind::kSnapshotIgnored, id.index.value, id.term.value);
  } else if (id.index <= commit_) {
    if (!is_same_history(meta.boundary)) return after_input();
    // An older image would move the state backwards.
    note(NoteKind::kSnapshotIgnored, id.index.value, commit_.value);
    answer_staged(std::min(commit_, stable_));
  } else if (log_.has(id.index) && log_.term_at(id.index) == id.term && !WL_MUTANT(29)) {
    keep_log_for_snapshot(meta);  // Mutant: camunda #6092, the suffix goes.
  } else {
    start_install(meta);
  }
  after_input();
}

// False: the image is of another history than the entry of the same index and term here (I-4).
bool RaftCore::is_same_history(const LogBoundary& image) {
  const LogIndex index = image.id.index;
  if (!log_.has(index) || log_.term_at(index) != image.id.term) return true;
  if (log_.chain_at(index) == image.chain) return true;
  fail(4, FatalScope::kGroup,
       fmt::format("entry {} of term {} has another history in a snapshot", index.value,
                   image.id.term.value));
  return false;
}

// Never truncate a suffix that goes on behind the snapshot (camunda #6092).
void RaftCore::keep_log_for_snapshot(const SnapshotMeta& meta) {
  if (!is_same_history(meta.boundary)) return;
  note(NoteKind::kSnapshotKeptLog, meta.boundary.id.index.value);
  verified_ = std::max(verified_, meta.boundary.id.index);
  set_commit(meta.boundary.id.index);
  answer_staged(meta.boundary.id.index);
}

// One job replaces the log by the boundary; nobody appends until it is stable and the state machine
// holds the image (I-17).
void RaftCore::start_install(const SnapshotMeta& meta) {
  const LogIndex index = meta.boundary.id.index;
  may_append_ = true;
  note(NoteKind::kSnapshotInstalled, index.value, meta.boundary.id.term.value);
  log_.reset_to(meta.boundary);
  ++write_epoch_;
  pending_.truncate_from.reset();
  pending_.boundary = meta.boundary;
  pending_.hard = true;
  unsaved_from_ = index.next();
  commit_ = applying_ = applied_ = stable_ = verified_ = index;
  checkpoint_ = index;
  if (std::holds_alternative<UninitRole>(role_)) role_.emplace<FollowerRole>();
  installing_ = meta;
  installing_job_.reset();
  install_is_stable_ = false;
  install_is_swapped_ = false;
  ready_.install = meta;
  answer_staged(index);
}

// The leader learns of it as of any accepted Append; seq 0: no Append was answered.
void RaftCore::answer_staged(LogIndex match) {
  if (leader_.value == 0) return;
  AppendResp response;
  response.ok = true;
  response.match = match;
  response.last_index = log_.last();
  response.applied = applied_;
  Envelope answer = envelope_to(leader_, response);
  answer.to.incarnation = incarnations_[answer.to.node];
  if (installing_) return pending_.send_after.push_back(std::move(answer));
  send_stable(std::move(answer), match);
}

void RaftCore::installed(LogIndex index) {
  if (stopped_ || !installing_) return;
  WL_CHECK(index == installing_->boundary.id.index);
  install_is_swapped_ = true;
  finish_install();
  after_input();
}

void RaftCore::finish_install() {
  if (install_is_stable_ && install_is_swapped_) installing_.reset();
}

// --- Lost data [S 08/2 I-12] ---------------------------------------------------------------------

// The leader holds an acknowledgement of ours that this log does not bear out. This replica must
// neither vote nor acknowledge again; the durable mark outlives the leader that knows of it.
void RaftCore::on(const Envelope& message, const GroupGone& gone) {
  if (gone.reason != GoneReason::kLostData || !is_self(gone.replica))
    return note(NoteKind::kDropMalformed, message.from.replica.value);  // The node's to handle.
  const bool is_member =
      std::holds_alternative<UninitRole>(role_) || log_.config().contains(message.from.replica);
  const bool is_its_word = term_leader_.value == 0 || term_leader_ == message.from.replica;
  if (!is_member || !is_its_word)
    return note(NoteKind::kDropStaleReply, message.from.replica.value, message.term.value);
  fail(12, FatalScope::kReplica,
       fmt::format("the leader of term {}, replica {}, holds an acknowledgement of more than is "
                   "here",
                   message.term.value, message.from.replica.value));
}

// --- Reads of a follower [S 08/1.13] -------------------------------------------------------------

void RaftCore::on(const Envelope&, const ReadIndexResp& response) {
  const auto found =
      std::find_if(forwarded_reads_.begin(), forwarded_reads_.end(),
                   [&response](const ForwardedRead& r) { return r.token == response.token; });
  if (found == forwarded_reads_.end()) return;
  if (response.ok) {
    ready_.read_ready.push_back({found->token, response.index});
  } else {
    ready_.read_failed.push_back(found->token);
  }
  forwarded_reads_.erase(found);
}

void RaftCore::tick_forwarded_reads() {
  const uint32_t ticks_max = 2 * config_.election_ticks;
  for (ForwardedRead& read : forwarded_reads_) ++read.ticks;
  while (!forwarded_reads_.empty() && forwarded_reads_.front().ticks >= ticks_max) {
    ready_.read_failed.push_back(forwarded_reads_.front().token);
    forwarded_reads_.pop_front();
  }
}

void RaftCore::fail_forwarded_reads() {
  for (const ForwardedRead& read : forwarded_reads_) ready_.read_failed.push_back(read.token);
  forwarded_reads_.clear();
}

}  // namespace worldline::replication
