// Membership, transfer of leadership, linearizable reads, quiescence, and what peers' nodes report
// [S 08/1.13, 1.14, 1.15, 3.3].
#include <algorithm>

#include <fmt/core.h>

#include "replication/mutants.h"
#include "replication/raft_core.h"

namespace worldline::replication {
namespace {

constexpr uint64_t kCatchUpEntriesMax = 1024;  // A new voter may be this far behind [S 08/1.14 C3].

}  // namespace

// --- Membership [S 08/1.14] ----------------------------------------------------------------------

Result<LogIndex> RaftCore::change_config(const std::vector<MemberChange>& changes,
                                         LogIndex expected_index) {
  const Status allowed = can_change_config(expected_index);
  if (!allowed.ok()) {
    note(NoteKind::kConfigRefused, expected_index.value, log_.config_index().value);
    return allowed;
  }
  WL_ASSIGN_OR_RETURN(const MembershipPlan plan, plan_change(log_.config(), changes));
  if (plan.kind == MembershipPlan::Kind::kNone) return log_.config_index();
  WL_RETURN_IF_ERROR(check_new_voters(plan.next));
  const LogIndex index = append_config(plan.next);
  after_input();
  return index;
}

// Only a change that is not committed can still be turned back; afterwards the opposite change is.
Status RaftCore::cancel_config_change(LogIndex index) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return Status::failed_precondition("not the leader");
  if (!log_.config().is_joint() || log_.config_index() != index || index <= commit_)
    return Status::failed_precondition("no change is under way at entry {}", index.value);
  WL_RETURN_IF_ERROR(revert_joint(log_.config()).status());
  leader->cancelled = index;
  return Status::ok_status();
}

// C2. Never replaced silently by an empty entry (cockroach #106104).
Status RaftCore::can_change_config(LogIndex expected_index) const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return Status::failed_precondition("not the leader");
  if (leader->barrier > commit_)
    return Status::failed_precondition("the leader's first entry is not committed yet");
  // Mutant: a second change before the first is committed (raft-rs, single-term changes).
  if ((log_.config().is_joint() || log_.config_index() > commit_) && !WL_MUTANT(107))
    return Status::failed_precondition("change in progress at entry {}", log_.config_index().value);
  if (leader->transferee.value != 0)
    return Status::failed_precondition("leadership is being transferred to replica {}",
                                       leader->transferee.value);
  if (expected_index != log_.config_index())
    return Status::failed_precondition("the config in force is of entry {}, not {}",
                                       log_.config_index().value, expected_index.value);
  return Status::ok_status();
}

// C3. A voter that starts empty would only make majorities harder to reach.
Status RaftCore::check_new_voters(const Membership& next) const {
  const auto& leader = std::get<LeaderRole>(role_);
  for (const ReplicaId voter : next.voters) {
    if (log_.config().is_voter(voter)) continue;
    const auto found = leader.progress.find(voter);
    const bool is_learner = log_.config().is_learner(voter);
    const LogIndex match =
        is_learner && found != leader.progress.end() ? found->second.match : LogIndex{};
    if (match.value == 0 || match.value + kCatchUpEntriesMax < log_.last().value)
      return Status::failed_precondition(
          "not_caught_up: replica {} must be a learner within {} entries of {}, it is at {}",
          voter.value, kCatchUpEntriesMax, log_.last().value, match.value);
  }
  return Status::ok_status();
}

LogIndex RaftCore::append_config(const Membership& next) {
  if (log_.config_index() > commit_ && !WL_MUTANT(107))
    fail(*broken(15, fmt::format("a second config while that of entry {} is uncommitted",
                                 log_.config_index().value)));
  const LogIndex index =
      append_own(EntryKind::kConfig, std::make_shared<const ByteBuffer>(encode_membership(next)))
          .index;
  adopt_progress();
  if (auto& leader = std::get<LeaderRole>(role_);
      leader.transferee.value != 0 && !log_.config().is_voter(leader.transferee))
    abort_transfer();
  if (std::get<LeaderRole>(role_).read_round != 0) broadcast_heartbeat();
  confirm_reads();  // All that are left may have answered; one that is alone hears nobody.
  return index;
}

// The config in force decides whose progress counts; who left is told once more, then forgotten.
void RaftCore::adopt_progress() {
  auto& leader = std::get<LeaderRole>(role_);
  const Membership& config = log_.config();
  for (auto it = leader.progress.begin(); it != leader.progress.end();) {
    if (config.contains(it->first)) {
      ++it;
      continue;
    }
    if (it->second.state == ProgressState::kSnapshot) ready_.cancel_snapshot.push_back(it->first);
    if (!is_self(it->first)) leader.departing.insert_or_assign(it->first, it->second);
    leader.full.erase(it->first);
    it = leader.progress.erase(it);
  }
  for (const MemberInfo& member : config.members) {
    const auto [it, is_new] = leader.progress.try_emplace(member.replica, config_.limits);
    leader.departing.erase(member.replica);
    if (!is_new) continue;
    Progress& progress = it->second;
    progress.is_recent = true;  // One period to be heard in.
    if (is_self(member.replica)) {
      progress.become_replicate();
      progress.match = stable_;
    }
    progress.next = log_.last().next();
  }
}

// C5. Exactly once per joint entry: afterwards the config in force is not joint.
void RaftCore::leave_joint_if_due() {
  const auto& leader = std::get<LeaderRole>(role_);
  const bool is_due =
      log_.config().is_joint() && log_.config_index() <= commit_ && leader.barrier <= commit_;
  if (!is_due) return;
  const bool is_cancelled = leader.cancelled == log_.config_index();
  Result<Membership> next = is_cancelled ? revert_joint(log_.config()) : leave_joint(log_.config());
  WL_CHECK(next.ok());
  note(NoteKind::kAutoLeave, log_.config_index().value);
  append_config(*next);
}

void RaftCore::dismiss_departing() {
  auto& leader = std::get<LeaderRole>(role_);
  for (auto& [peer, progress] : leader.departing) {
    const bool can_tell = progress.state == ProgressState::kReplicate && !progress.is_lost &&
                          log_.has(LogIndex{progress.next.value - 1});
    if (can_tell) send_append(peer, progress, {});
  }
  leader.departing.clear();
}

// C6. A leader that left leads until the config without it is committed, then hands over.
void RaftCore::leave_if_removed() {
  auto& leader = std::get<LeaderRole>(role_);
  if (log_.config().is_voter(config_.self.replica)) return;
  note(NoteKind::kLeaderLeftConfig, commit_.value);
  ReplicaId best;
  LogIndex best_match;
  for (const ReplicaId voter : log_.config().voters) {
    const auto found = leader.progress.find(voter);
    if (found == leader.progress.end() || found->second.is_lost) continue;
    if (best.value != 0 && found->second.match <= best_match) continue;
    best = voter;
    best_match = found->second.match;
  }
  flush_appends();  // The commit goes to everybody once.
  if (best.value != 0) send_now(best, TimeoutNow{});
  become_follower(hard_.term, ReplicaId{});
}

// --- Transfer [S 08/1.15, T 3.10] ----------------------------------------------------------------

Status RaftCore::transfer(ReplicaId target) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return Status::failed_precondition("not the leader");
  if (is_self(target)) return Status::ok_status();
  const Membership& config = log_.config();
  const bool is_voter =
      config.is_incoming_voter(target) &&
      (!config.is_joint() ||
       std::binary_search(config.voters_outgoing.begin(), config.voters_outgoing.end(), target));
  if (!is_voter)
    return Status::failed_precondition("replica {} is not a voter of the whole config",
                                       target.value);
  const Progress& progress = leader->progress.at(target);
  if (progress.is_lost || !progress.is_alive())
    return Status::failed_precondition("replica {} does not answer", target.value);
  if (leader->transferee == target) return Status::ok_status();
  wake();
  leader->transferee = target;
  leader->transfer_ticks = 0;
  maybe_send_timeout_now();
  after_input();
  return Status::ok_status();
}

void RaftCore::maybe_send_timeout_now() {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || leader->transferee.value == 0) return;
  const auto found = leader->progress.find(leader->transferee);
  if (found == leader->progress.end() || found->second.match != log_.last()) return;
  note(NoteKind::kTransferSent, leader->transferee.value, log_.last().value);
  send_now(leader->transferee, TimeoutNow{});
}

void RaftCore::abort_transfer() {
  auto& leader = std::get<LeaderRole>(role_);
  note(NoteKind::kTransferAborted, leader.transferee.value);
  leader.transferee = ReplicaId{};
  leader.transfer_ticks = 0;
}

// --- Linearizable reads [S 08/1.13, T 6.4] -------------------------------------------------------

void RaftCore::read_barrier(ReadToken token) {
  if (stopped_) return;
  wake();
  if (std::holds_alternative<LeaderRole>(role_)) {
    add_read({token, {}, 0, {}});
  } else if (disk_full_ || node_of(leader_).value == 0 ||
             forwarded_reads_.size() >= config_.limits.pending_reads_max) {
    // What it would wait for is not stored here (tikv #19201); or nobody leads, or a member that
    // our config does not name yet.
    ready_.read_failed.push_back(token);
  } else {
    forwarded_reads_.push_back({token, 0});
    send_now(leader_, ReadIndexReq{token});
  }
  after_input();
}

void RaftCore::on(const Envelope& message, const ReadIndexReq& request) {
  if (request.token.value == 0) return;  // A wake-up only [S 08/3.3 Q5].
  const PendingRead read{request.token, {}, 0, message.from};
  if (std::holds_alternative<LeaderRole>(role_)) return add_read(read);
  finish_read(read, false);
}

void RaftCore::add_read(PendingRead read) {
  auto& leader = std::get<LeaderRole>(role_);
  if (leader.reads.size() >= config_.limits.pending_reads_max) return finish_read(read, false);
  if (leader.barrier <= commit_) {
    read.index = commit_;
    read.ctx = ++leader.read_counter;
  }
  leader.reads.push_back(read);
  if (read.ctx != 0) start_read_round();
}

// Reads that came before the barrier was committed get their index and turn.
void RaftCore::release_barrier_reads() {
  auto& leader = std::get<LeaderRole>(role_);
  for (PendingRead& read : leader.reads) {
    if (read.ctx != 0) continue;
    read.index = commit_;
    read.ctx = ++leader.read_counter;
  }
  start_read_round();
}

// One round is out at a time; what arrives meanwhile shares the next one.
void RaftCore::start_read_round() {
  auto& leader = std::get<LeaderRole>(role_);
  if (leader.reads.empty() || leader.read_round != 0) return;
  leader.read_round = leader.read_counter;
  broadcast_heartbeat();
  confirm_reads();  // A group of one needs nobody's answer.
}

void RaftCore::confirm_reads() {
  auto& leader = std::get<LeaderRole>(role_);
  if (leader.read_round == 0) return;
  const auto reached = [this, &leader](uint64_t ctx) {
    if (WL_MUTANT(12)) return true;  // etcd #20418: answers without asking anybody.
    return joint_majority(log_.config(), [this, &leader, ctx](ReplicaId replica) {
      const auto found = leader.progress.find(replica);
      return is_self(replica) || (found != leader.progress.end() && found->second.read_ctx >= ctx);
    });
  };
  while (!leader.reads.empty() && leader.reads.front().ctx != 0 &&
         reached(leader.reads.front().ctx)) {
    finish_read(leader.reads.front(), true);
    leader.reads.pop_front();
  }
  if (!reached(leader.read_round)) return;
  leader.read_round = 0;
  const bool has_more = !leader.reads.empty() && leader.reads.front().ctx != 0;
  if (!has_more) return;
  leader.read_round = leader.read_counter;
  broadcast_heartbeat();
}

void RaftCore::finish_read(const PendingRead& read, bool ok) {
  if (read.reader.replica.value == 0) {
    if (ok) {
      ready_.read_ready.push_back({read.token, read.index});
    } else {
      ready_.read_failed.push_back(read.token);
    }
    return;
  }
  Envelope answer{config_.group, config_.self,        read.reader,
                  hard_.term,    log_.config_index(), ReadIndexResp{read.token, ok, read.index}};
  send_stable(std::move(answer));
}

// On every change of role or term: nobody waits for ever (tikv #19201).
void RaftCore::fail_reads() {
  fail_forwarded_reads();
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return;
  for (const PendingRead& read : leader->reads) finish_read(read, false);
  leader->reads.clear();
}

// --- Quiescence [S 08/3.3] -----------------------------------------------------------------------

Status RaftCore::quiesce() {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return Status::failed_precondition("not the leader");
  bool is_idle = applied_ == log_.last() && commit_ == log_.last() && stable_ == log_.last() &&
                 leader->reads.empty() && leader->transferee.value == 0 &&
                 leader->departing.empty() && !log_.config().is_joint() && jobs_.empty();
  for (const auto& [peer, progress] : leader->progress) {
    if (is_self(peer) || !(progress.is_recent || progress.is_alive())) continue;  // Dead.
    is_idle = is_idle && progress.match == log_.last() && progress.applied == log_.last();
  }
  if (!is_idle) return Status::failed_precondition("the group is not idle");
  if (quiesced_) return Status::ok_status();
  quiesced_ = true;
  note(NoteKind::kQuiesced, log_.last().value);
  broadcast_heartbeat();
  return Status::ok_status();
}

void RaftCore::wake() {
  if (stopped_ || !quiesced_) return;
  quiesced_ = false;
  note(NoteKind::kWoken, hard_.term.value);
  if (auto* leader = std::get_if<LeaderRole>(&role_); leader != nullptr) {
    leader->quorum_ticks = 0;
    for (auto& [peer, progress] : leader->progress) progress.is_recent = true;
    broadcast_heartbeat();  // It proves itself before it acknowledges anything (Q9).
  }
}

// --- Reports about peers -------------------------------------------------------------------------

void RaftCore::unreachable(ReplicaId peer) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return;
  const auto found = leader->progress.find(peer);
  if (found == leader->progress.end() || is_self(peer)) return;
  if (leader->transferee == peer) abort_transfer();
  touched_ = peer;
  Progress& progress = found->second;
  if (progress.state == ProgressState::kReplicate) {
    note(NoteKind::kReplicateToProbe, peer.value, progress.match.value);
    progress.become_probe(progress.match.next());
  }
  after_input();
}

void RaftCore::node_hint(ReplicaId replica, PeerHint hint) {
  if (stopped_) return;
  if (std::holds_alternative<LeaderRole>(role_)) {
    if (hint == PeerHint::kAlive || hint == PeerHint::kRestarted) wake();
    if (hint == PeerHint::kRestarted) unreachable(replica);
    return after_input();
  }
  const bool is_leader_lost = replica == leader_ && hint != PeerHint::kAlive;
  if (!is_leader_lost) return;
  if (quiesced_) {
    // No lease of a sleeping past may block pre-votes [S 08/3.3 Q6].
    wake();
    fail_forwarded_reads();
    leader_ = ReplicaId{};
    election_elapsed_ = 0;
    randomised_timeout_ = 1 + static_cast<uint32_t>(prng_.below(config_.election_ticks));
  } else if (hint == PeerHint::kRestarted) {
    forget_leader();
  }
  after_input();
}

void RaftCore::say_hello() {
  const bool may_speak = !stopped_ && leader_.value != 0 && !is_self(leader_) &&
                         !std::holds_alternative<QuarantinedRole>(role_);
  if (!may_speak) return;
  send_now(leader_, Hello{log_.last_id(), durable_.term, log_.boundary().id.index});
}

void RaftCore::set_disk_full(bool is_full) {
  disk_full_ = is_full;
  if (is_full) fail_forwarded_reads();
}

// --- Snapshots sent to peers [S 08/1.9, 1.11] ----------------------------------------------------

void RaftCore::snapshot_pinned(ReplicaId peer, LogIndex index) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->progress.find(peer);
  if (found == leader->progress.end()) return;
  if (found->second.state == ProgressState::kSnapshot) found->second.pinned = index;
}

void RaftCore::snapshot_result(ReplicaId peer, SnapshotOutcome outcome) {
  auto* leader = std::get_if<LeaderRole>(&role_);
  if (stopped_ || leader == nullptr) return;
  const auto found = leader->progress.find(peer);
  if (found == leader->progress.end() || found->second.state != ProgressState::kSnapshot) return;
  touched_ = peer;
  Progress& progress = found->second;
  const LogIndex snapshot = progress.pinned;
  const bool is_ok = outcome == SnapshotOutcome::kOk && snapshot > progress.match;
  progress.become_probe(is_ok ? snapshot.next() : progress.match.next());
  progress.paused = true;  // Until its answer, or the next heartbeat's.
  after_input();
}

}  // namespace worldline::replication
