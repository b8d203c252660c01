// What a leader does: replicate, count, commit [S 08/1.8, 1.9, T 3.5, 3.6].
#include <algorithm>

#include <fmt/core.h>

#include "replication/mutants.h"
#include "replication/raft_core.h"

namespace worldline::replication {

// --- Taking office -------------------------------------------------------------------------------

void RaftCore::become_leader() {
  note(NoteKind::kBecameLeader, hard_.term.value, log_.last().value);
  leader_ = config_.self.replica;
  term_leader_ = leader_;
  role_ = LeaderRole{};
  adopt_progress();
  auto& leader = std::get<LeaderRole>(role_);
  // Nothing is executed, read or configured before this entry commits [S 08/4.4].
  leader.barrier = append_own(EntryKind::kNoop, std::make_shared<const ByteBuffer>()).index;
}

const Entry& RaftCore::append_own(EntryKind kind, SharedBytes payload) {
  if (!std::holds_alternative<LeaderRole>(role_) || installing_)
    fail(*broken(17, "entries of its own in a replica that does not lead"));
  may_append_ = true;
  return log_.append_new(hard_.term, kind, std::move(payload));
}

// --- Proposals [S 08/1.16] -----------------------------------------------------------------------

ProposeResult RaftCore::propose(Term term, const std::vector<Proposal>& proposals) {
  ProposeResult result;
  result.term = hard_.term;
  result.leader_hint = leader_;
  result.refusal = judge_proposals(term, proposals);
  // Whether a majority is still full is known again after a heartbeat.
  if (result.refusal == Refusal::kDiskFull) wake();
  if (!result.ok() || proposals.empty()) return result;
  if (quiesced_) wake();
  auto& leader = std::get<LeaderRole>(role_);
  result.first = log_.last().next();
  for (const Proposal& proposal : proposals) {
    const Entry& entry = append_own(proposal.kind, proposal.payload);
    leader.uncommitted.push_back({entry.index, proposal.transactions});
    leader.uncommitted_bytes += entry.payload_bytes;
    leader.uncommitted_transactions += proposal.transactions;
  }
  result.last = log_.last();
  after_input();
  return result;
}

Refusal RaftCore::judge_proposals(Term term, const std::vector<Proposal>& proposals) const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_) return Refusal::kStopped;
  if (leader == nullptr) return Refusal::kNotLeader;
  if (term != hard_.term) return Refusal::kTermMismatch;
  if (leader->transferee.value != 0) return Refusal::kTransferring;
  if (is_majority_full(*leader)) return Refusal::kDiskFull;
  size_t bytes = 0;
  size_t transactions = 0;
  for (const Proposal& proposal : proposals) {
    WL_CHECK(proposal.payload != nullptr);
    bytes += proposal.payload->size();
    transactions += proposal.transactions;
    if (proposal.payload->size() > config_.limits.entry_bytes_max) return Refusal::kTooLarge;
  }
  // An empty tail takes any one request: nothing would ever make more room for it.
  if (leader->uncommitted.empty()) return Refusal::kNone;
  const RaftLimits& limits = config_.limits;
  const bool is_full =
      leader->uncommitted_bytes + bytes > limits.uncommitted_bytes_max ||
      leader->uncommitted_transactions + transactions > limits.uncommitted_transactions_max;
  return is_full ? Refusal::kBusy : Refusal::kNone;
}

// By what the others said with their last answers. Of the own disk alone the calls' gate knows, and
// lets pass what frees space. O(1) while no follower is full.
bool RaftCore::is_majority_full(const LeaderRole& leader) const {
  if (leader.full.empty()) return false;
  return !joint_majority(log_.config(), [this, &leader](ReplicaId replica) {
    return is_self(replica) ? !disk_full_ : !leader.full.contains(replica);
  });
}

// --- Sending [S 08/1.9] --------------------------------------------------------------------------

void RaftCore::flush_appends() {
  auto& leader = std::get<LeaderRole>(role_);
  for (auto& [peer, progress] : leader.progress) {
    if (is_self(peer) || !wants_append(progress)) continue;
    flush_append(peer, progress);
    if (Broken found = check_progress(peer, progress); found) return fail(std::move(*found));
  }
  // Removed replicas are told of the config that removes them.
  for (auto& [peer, progress] : leader.departing) {
    if (progress.next <= log_.config_index()) flush_append(peer, progress);
  }
}

bool RaftCore::wants_append(const Progress& progress) const {
  if (progress.is_lost || progress.fetching) return false;
  switch (progress.state) {
    case ProgressState::kProbe:
      return !progress.paused;
    case ProgressState::kReplicate: {
      if (progress.window_probe) return true;
      if (progress.next <= log_.last()) return !progress.window.full();
      // A commit the replica could act upon but does not know yet.
      const LogIndex usable = std::min(commit_, LogIndex{progress.next.value - 1});
      return progress.sent_commit < usable;
    }
    case ProgressState::kSnapshot:
      return false;
  }
  return false;
}

void RaftCore::flush_append(ReplicaId peer, Progress& progress) {
  // Each round sends one message; the window bounds the rounds.
  while (wants_append(progress)) {
    const LogIndex prev{progress.next.value - 1};
    if (!log_.has(prev)) return start_snapshot(peer, progress);
    const bool is_empty_probe = progress.window_probe && progress.window.full();
    std::vector<Entry> entries;
    size_t bytes = 0;
    for (LogIndex i = progress.next; !is_empty_probe && i <= log_.last(); i = i.next()) {
      const Entry& entry = log_.at(i);
      if (entry.payload == nullptr) break;
      if (!entries.empty() && bytes + entry.payload_bytes > config_.limits.message_bytes_max) break;
      bytes += entry.payload_bytes;
      entries.push_back(entry);
    }
    if (entries.empty() && !is_empty_probe && progress.next <= log_.last()) {
      progress.fetching = true;
      ready_.fetch.push_back({peer, progress.next, log_.last(), config_.limits.message_bytes_max});
      return;
    }
    send_append(peer, progress, std::move(entries));
  }
}

void RaftCore::send_append(ReplicaId peer, Progress& progress, std::vector<Entry> entries) {
  const LogIndex prev{progress.next.value - 1};
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.payload_bytes;
  const LogIndex last{prev.value + entries.size()};
  progress.window_probe = false;
  progress.sent_commit = std::max(progress.sent_commit, std::min(commit_, last));
  if (progress.state == ProgressState::kProbe) {
    progress.paused = true;
  } else if (!entries.empty()) {
    progress.window.add(last, bytes);
    if (progress.window.full()) note(NoteKind::kWindowFull, peer.value, last.value);
    progress.next = WL_MUTANT(111) ? last.next().next() : last.next();
  }
  Append append;
  append.prev = {log_.term_at(prev), prev};
  append.prev_chain = log_.chain_at(prev);
  append.commit = commit_;
  append.entries = std::move(entries);
  append.seq = ++progress.seq;
  send_now(peer, std::move(append));
}

void RaftCore::fetched(ReplicaId peer, std::vector<Entry> entries) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return;
  const auto found = leader->progress.find(peer);
  if (found == leader->progress.end() || !found->second.fetching) return;
  Progress& progress = found->second;
  progress.fetching = false;
  touched_ = peer;
  if (!wants_append(progress) || !log_.has(LogIndex{progress.next.value - 1})) return after_input();
  // Only what still continues at `next` and equals the log of this term is sent.
  std::vector<Entry> usable;
  for (Entry& entry : entries) {
    const LogIndex expected{progress.next.value + usable.size()};
    if (entry.index != expected || expected > log_.last()) break;
    if (log_.chain_at(expected) != entry.chain || entry.payload == nullptr) break;
    usable.push_back(std::move(entry));
  }
  if (!usable.empty()) send_append(peer, progress, std::move(usable));
  after_input();
}

void RaftCore::start_snapshot(ReplicaId peer, Progress& progress) {
  if (!progress.is_alive()) {
    progress.paused = true;  // Nobody is there to receive one.
    return;
  }
  note(NoteKind::kToSnapshot, peer.value, progress.next.value);
  progress.become_snapshot(log_.boundary().id.index);
  ready_.send_snapshot.push_back(peer);
}

// --- Answers [S 08/1.8] --------------------------------------------------------------------------

// Null: not a leader, or not one of our members.
Progress* RaftCore::heard_from(const Envelope& message) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return nullptr;
  const auto found = leader->progress.find(message.from.replica);
  if (found == leader->progress.end()) return nullptr;
  touched_ = message.from.replica;
  found->second.is_recent = true;
  found->second.was_heard = true;
  found->second.silent_checks = 0;
  return &found->second;
}

void RaftCore::on(const Envelope& message, const AppendResp& response) {
  Progress* progress = heard_from(message);
  if (progress == nullptr || progress->is_lost) return;
  const ReplicaId peer = message.from.replica;
  progress->applied = std::max(progress->applied, response.applied);
  auto& full = std::get<LeaderRole>(role_).full;
  if (response.disk_full) {
    full.insert(peer);
  } else {
    full.erase(peer);
  }
  if (response.ok) {
    on_accepted(peer, *progress, message, response);
  } else {
    on_rejected(peer, *progress, message, response);
  }
}

void RaftCore::on_accepted(ReplicaId peer, Progress& progress, const Envelope& message,
                           const AppendResp& response) {
  if (response.match > log_.last())
    return fail(11, FatalScope::kReplica, "a follower acknowledged more than there is");
  // An installed snapshot answers no Append: whatever was sent before proves nothing against it.
  const uint64_t seq = response.seq_echo != 0 ? response.seq_echo : progress.seq;
  const bool grew = progress.raise_match(response.match, seq, message.from.incarnation);
  switch (progress.state) {
    case ProgressState::kProbe:
      if (!grew && response.match != progress.match) break;
      note(NoteKind::kProbeToReplicate, peer.value, progress.match.value);
      progress.become_replicate();
      break;
    case ProgressState::kSnapshot:
      // Whatever image it came from: the log goes on there.
      if (progress.match.next() < log_.first()) break;
      note(NoteKind::kSnapshotReconnected, peer.value, progress.match.value);
      progress.become_probe(progress.match.next());
      progress.become_replicate();
      ready_.cancel_snapshot.push_back(peer);
      break;
    case ProgressState::kReplicate:
      break;
  }
  // A full disk, or one whose state machine is far behind, stored only a part; the next heartbeat
  // tries again.
  const bool is_partial = response.disk_full || response.apply_lag;
  if (is_partial && progress.state == ProgressState::kReplicate &&
      progress.match.next() < progress.next) {
    progress.become_probe(progress.match.next());
    progress.paused = true;
  }
  if (grew) maybe_send_timeout_now();
}

void RaftCore::on_rejected(ReplicaId peer, Progress& progress, const Envelope& message,
                           const AppendResp& response) {
  if (response.last_index < progress.match && is_later_life(message, progress))
    return peer_lost_data(peer, progress, response.last_index);
  const bool is_stale =
      progress.state == ProgressState::kSnapshot ||
      (progress.state == ProgressState::kReplicate && response.reject_prev <= progress.match) ||
      (progress.state == ProgressState::kProbe && response.reject_prev.next() != progress.next);
  if (is_stale) return note(NoteKind::kStaleReject, peer.value, response.reject_prev.value);
  LogIndex agree = std::min(response.hint.index, log_.last());
  if (agree < log_.boundary().id.index || response.hint.term.value == 0) {
    note(NoteKind::kHintBelowBoundary, peer.value, agree.value);
  } else {
    agree = log_.find_by_term(agree, response.hint.term);
  }
  const LogIndex next =
      std::max(progress.match.next(), std::min(response.reject_prev, agree.next()));
  if (progress.state == ProgressState::kReplicate)
    note(NoteKind::kReplicateToProbe, peer.value, next.value);
  progress.become_probe(next);
}

// Only a later life can prove a loss: within one life a report may have been made before the
// acknowledgement that overtook it, whatever the numbers of the messages they answer.
bool RaftCore::is_later_life(const Envelope& message, const Progress& progress) {
  return message.from.incarnation > progress.match_incarnation;
}

void RaftCore::tell_lost(ReplicaId peer) {
  send_now(peer, GroupGone{peer, GoneReason::kLostData});
}

// The replica reports less than it acknowledged (I-12): it must come back under another id.
void RaftCore::peer_lost_data(ReplicaId peer, Progress& progress, LogIndex claims) {
  if (progress.is_lost) return;
  note(NoteKind::kPeerLostData, peer.value, claims.value);
  tell_lost(peer);
  progress.is_lost = true;
  progress.match = LogIndex{};
  progress.next = LogIndex{1};
  progress.window.reset();
  ready_.fatal.push_back(
      {12, FatalScope::kReplica, peer, "reports less than it acknowledged; it lost durable data"});
}

void RaftCore::on(const Envelope& message, const HeartbeatResp& response) {
  Progress* progress = heard_from(message);
  if (progress == nullptr || progress->is_lost) return;
  const ReplicaId peer = message.from.replica;
  progress->applied = std::max(progress->applied, response.applied);
  progress->read_ctx = std::max(progress->read_ctx, response.read_ctx);
  switch (response.status) {
    case HeartbeatStatus::kUnknownGroup:
    case HeartbeatStatus::kUninit:
      if (progress->match.value > 0) {
        // Heartbeats have a stream of their own: an answer of the life that acknowledged `match` is
        // an older one that was overtaken.
        if (!is_later_life(message, *progress)) return note(NoteKind::kStaleReject, peer.value);
        return peer_lost_data(peer, *progress, LogIndex{});
      }
      if (progress->state == ProgressState::kProbe) progress->become_probe(LogIndex{1});
      return;
    case HeartbeatStatus::kRefuseQuiesce:
      wake();
      break;
    case HeartbeatStatus::kQuarantined:
    case HeartbeatStatus::kHigherTerm:
      return;
    case HeartbeatStatus::kOk:
      break;
  }
  if (quiesced_) return;
  if (progress->state == ProgressState::kProbe) {
    progress->paused = WL_MUTANT(14) && progress->paused;  // hashicorp/raft #612: never again.
  } else if (progress->state == ProgressState::kReplicate &&
             (progress->match < log_.last() || std::get<LeaderRole>(role_).full.contains(peer))) {
    // Answers to Appends alone say that a disk has room again. One empty Append is acknowledged or
    // rejected, and so empties a window that was lost.
    note(NoteKind::kWindowProbe, peer.value, progress->match.value);
    progress->window_probe = true;
  }
  confirm_reads();
}

void RaftCore::on(const Envelope& message, const Hello& hello) {
  Progress* progress = heard_from(message);
  if (progress == nullptr || progress->is_lost) return;
  if (hello.last.index < progress->match && is_later_life(message, *progress))
    return peer_lost_data(message.from.replica, *progress, hello.last.index);
  // A leader of this term may not know yet what the replica has; its own word is where to begin.
  const LogIndex claimed = std::min(hello.last.index, log_.last());
  if (progress->state != ProgressState::kSnapshot)
    progress->become_probe(std::max(progress->match, claimed).next());
}

// --- Committing [S 08/1.9, T 3.6.2] --------------------------------------------------------------

LogIndex RaftCore::quorum_index() const {
  const auto& leader = std::get<LeaderRole>(role_);
  const auto acknowledged = [this, &leader](ReplicaId replica) {
    if (WL_MUTANT(7) && is_self(replica))
      return log_.last();  // etcd #14370: counts what is unsaved.
    const auto found = leader.progress.find(replica);
    return found != leader.progress.end() ? found->second.match : LogIndex{};
  };
  // Mutant: a joint config is left to its incoming half.
  if (WL_MUTANT(103)) return internal::half_committed_index(log_.config().voters, acknowledged);
  return joint_committed_index(log_.config(), acknowledged);
}

void RaftCore::maybe_commit() {
  if (WL_MUTANT(114)) return;  // I-14: forgets to commit.
  auto& leader = std::get<LeaderRole>(role_);
  // Each pass commits more than the one before; the passes after the first follow configs that a
  // commit brought into being, of which there is at most one each.
  for (int pass = 0; pass < 3; ++pass) {
    const LogIndex reached = std::min(quorum_index(), log_.last());
    // First: below the commit the log may end, where a new voter is that has just caught up.
    if (reached <= commit_) return;
    // A new leader may only count entries of its own term [T 3.6.2].
    const bool is_own = reached >= leader.barrier && log_.term_at(reached) == hard_.term;
    if (!is_own && !WL_MUTANT(101)) return;  // Mutant: figure 8 of the paper.
    const LogIndex before = commit_;
    set_commit(reached);
    on_committed(before);
    if (!std::holds_alternative<LeaderRole>(role_)) return;
  }
}

void RaftCore::on_committed(LogIndex before) {
  auto& leader = std::get<LeaderRole>(role_);
  size_t freed = 0;
  for (LogIndex i = before.next(); i <= commit_; i = i.next()) {
    const Entry& entry = log_.at(i);
    const bool is_exempt = entry.kind == EntryKind::kConfig || entry.kind == EntryKind::kNoop;
    if (i > leader.barrier && !is_exempt) freed += entry.payload_bytes;
  }
  leader.uncommitted_bytes -= WL_MUTANT(128) ? 0 : std::min(leader.uncommitted_bytes, freed);
  while (!leader.uncommitted.empty() && leader.uncommitted.front().index <= commit_) {
    leader.uncommitted_transactions -= leader.uncommitted.front().transactions;
    leader.uncommitted.pop_front();
  }
  if (before < leader.barrier && commit_ >= leader.barrier) release_barrier_reads();
  leave_joint_if_due();
  if (!log_.config().is_joint() && log_.config_index() <= commit_) {
    dismiss_departing();
    leave_if_removed();
  }
}

// --- Time ----------------------------------------------------------------------------------------

void RaftCore::tick_leader() {
  auto& leader = std::get<LeaderRole>(role_);
  if (++leader.quorum_ticks >= config_.election_ticks) {
    leader.quorum_ticks = 0;
    check_quorum();
    if (!std::holds_alternative<LeaderRole>(role_)) return;
  }
  if (leader.transferee.value != 0 && ++leader.transfer_ticks >= config_.election_ticks)
    abort_transfer();
  if (++leader.heartbeat_ticks < config_.heartbeat_ticks) return;
  broadcast_heartbeat();
  maybe_send_timeout_now();
}

// A leader that hears no majority gives up, so that it does not take calls it cannot commit
// [T 6.2].
void RaftCore::check_quorum() {
  auto& leader = std::get<LeaderRole>(role_);
  const bool is_heard = joint_majority(log_.config(), [this, &leader](ReplicaId replica) {
    const auto found = leader.progress.find(replica);
    return is_self(replica) ||
           (found != leader.progress.end() && found->second.is_recent && !found->second.is_lost);
  });
  for (auto& [peer, progress] : leader.progress) {
    progress.silent_checks = progress.is_recent ? 0 : progress.silent_checks + 1;
    progress.is_recent = false;
  }
  if (is_heard) return;
  note(NoteKind::kCheckQuorumStepDown, hard_.term.value);
  become_follower(hard_.term, ReplicaId{});
}

void RaftCore::broadcast_heartbeat() {
  auto& leader = std::get<LeaderRole>(role_);
  leader.heartbeat_ticks = 0;
  for (const auto& [peer, progress] : leader.progress) {
    if (is_self(peer) || progress.is_lost) continue;
    send_now(peer, Heartbeat{commit_, leader.read_counter, quiesced_});
  }
}

// --- The log behind a checkpoint [S 08/4.9] ------------------------------------------------------

void RaftCore::checkpointed(EntryId id, Chain chain) {
  const LogIndex index = id.index;
  if (stopped_ || installing_ || index <= log_.boundary().id.index) return;
  // A checkpoint holds applied entries only, and those must be on disk [S 08/1.17 S14].
  if (index > applied_ || index > stable_)
    return fail(10, FatalScope::kReplica,
                fmt::format("a checkpoint at {}: applied {} stable {}", index.value, applied_.value,
                            stable_.value));
  if (log_.term_at(index) != id.term)
    return fail(3, FatalScope::kProcess,
                fmt::format("entry {} has term {} here and {} in a checkpoint", index.value,
                            log_.term_at(index).value, id.term.value));
  if (!is_same_history({id, chain, {}, {}})) return;
  checkpoint_ = std::max(checkpoint_, index);
  const LogIndex target = compaction_target(checkpoint_);
  if (target > log_.boundary().id.index) {
    log_.compact_to(target);
    ready_.compact = target;
  }
  after_input();
}

// A tail stays for followers that are nearly there, more for live ones that still need it.
LogIndex RaftCore::compaction_target(LogIndex checkpoint) const {
  const RaftLimits& limits = config_.limits;
  const LogIndex boundary = log_.boundary().id.index;
  LogIndex target = checkpoint;
  const LogIndex by_count{
      checkpoint.value > limits.retained_entries ? checkpoint.value - limits.retained_entries : 0};
  const bool is_alone = log_.config().members.size() == 1;
  while (!is_alone && target > boundary &&
         (target > by_count ||
          log_.bytes_after(target) - log_.bytes_after(checkpoint) < limits.retained_bytes))
    target = LogIndex{target.value - 1};
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return target;
  for (const auto& [peer, progress] : leader->progress) {
    if (is_self(peer) || progress.is_lost) continue;
    const bool is_snapshot = progress.state == ProgressState::kSnapshot;
    const LogIndex needs = is_snapshot ? progress.pinned : progress.match;
    const bool is_near =
        log_.has(needs) && log_.bytes_after(needs) <= limits.follower_retained_bytes_max;
    if (progress.is_alive() && is_near) target = std::min(target, needs);
  }
  return target;
}

}  // namespace worldline::replication
