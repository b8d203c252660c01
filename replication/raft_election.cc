// Who leads: timers, pre-votes, votes [S 08/1.6, T 3.4, T 9.6].
#include "replication/mutants.h"
#include "replication/raft_core.h"

namespace worldline::replication {
namespace {

constexpr uint32_t kStaleLogFactorMax = 4;  // Times (E, 2E): at most 8 E.

Ballot ballot_of(VoteAnswer answer) {
  return answer == VoteAnswer::kOk ? Ballot::kGranted : Ballot::kRefused;
}

}  // namespace

// --- Timers --------------------------------------------------------------------------------------

void RaftCore::reset_election_timer() {
  // Uniform in (E, 2E): at least E + 1, so that the voters' leases have ended.
  const uint32_t spread = config_.election_ticks - 1;
  const auto drawn = static_cast<uint32_t>(prng_.below(spread));
  election_elapsed_ = 0;
  randomised_timeout_ = (config_.election_ticks + 1 + drawn) * stale_log_factor_;
}

void RaftCore::tick() {
  if (stopped_ || quiesced_) return;
  tick_forwarded_reads();
  if (std::holds_alternative<LeaderRole>(role_)) {
    tick_leader();
    if (Broken found = check_members(); found) fail(std::move(*found));
  } else {
    tick_non_leader();
  }
  after_input();
}

void RaftCore::tick_non_leader() {
  ++election_elapsed_;
  if (auto* round = std::get_if<PrecandidateRole>(&role_); round != nullptr)
    return tick_precandidate(*round);
  if (WL_MUTANT(117)) append_own(EntryKind::kNoop, std::make_shared<const ByteBuffer>());  // I-17.
  if (election_elapsed_ < randomised_timeout_) return;
  if (is_promotable()) return start_campaign(CampaignReason::kTimeout);
  if (std::holds_alternative<CandidateRole>(role_)) return lose_round();
  reset_election_timer();
}

// Voters whose lease had not ended are asked again soon: pre-votes have no side effects, and
// voters' timers may differ by a few ticks (etcd #10355).
void RaftCore::tick_precandidate(PrecandidateRole& round) {
  ++round.total_ticks;
  ++round.round_ticks;
  if (round.total_ticks >= config_.election_ticks) return lose_round();
  if (round.round_ticks < config_.heartbeat_ticks) return;
  if (!is_promotable()) return lose_round();
  send_pre_votes();
}

void RaftCore::paused() {
  if (stopped_) return;
  if (!std::holds_alternative<LeaderRole>(role_)) {
    reset_election_timer();
  } else if (!is_alone()) {  // Else nobody can have taken over, nor could anybody now.
    wake();  // Its members too: nobody else would tell them that it leads no more (Q10).
    become_follower(hard_.term, ReplicaId{});
  }
  after_input();
}

bool RaftCore::in_lease() const {
  if (std::holds_alternative<LeaderRole>(role_)) return true;
  return leader_.value != 0 && election_elapsed_ < config_.election_ticks;
}

bool RaftCore::is_alone() const {
  const Membership& members = log_.config();
  return members.voters == ReplicaSet{config_.self.replica} && !members.is_joint();
}

bool RaftCore::is_promotable() const {
  if (std::holds_alternative<UninitRole>(role_) || std::holds_alternative<QuarantinedRole>(role_))
    return false;
  if (installing_ || (!eligible_ && !is_alone())) return false;
  if (log_.config().is_voter(config_.self.replica)) return true;
  // Needed when {A, B} becomes {B} and only A has the last entry.
  if (log_.config_index() <= commit_) return false;
  const ConfigAt* before = log_.config_before_last();
  return before != nullptr && before->config.is_voter(config_.self.replica);
}

// --- Roles ---------------------------------------------------------------------------------------

void RaftCore::become_follower(Term term, ReplicaId leader) {
  WL_CHECK(term >= hard_.term);
  fail_reads();
  quiesced_ = false;  // Whoever sleeps without a leader sleeps for ever.
  if (term > hard_.term) {
    hard_.term = term;
    hard_.vote = ReplicaId{};
    pending_.hard = true;
    term_leader_ = ReplicaId{};
  }
  verified_ = commit_;
  leader_ = leader;
  if (leader.value != 0) term_leader_ = leader;
  const bool keeps_role =
      std::holds_alternative<UninitRole>(role_) || std::holds_alternative<QuarantinedRole>(role_);
  if (!keeps_role) role_.emplace<FollowerRole>();
  reset_election_timer();
}

Status RaftCore::campaign(CampaignReason reason) {
  if (stopped_) return Status::unavailable("this replica was stopped by a broken invariant");
  if (std::holds_alternative<LeaderRole>(role_)) return Status::ok_status();
  if (!is_promotable())
    return Status::failed_precondition("replica {} may not lead now", config_.self.replica.value);
  wake();
  start_campaign(reason);
  after_input();
  return Status::ok_status();
}

void RaftCore::start_campaign(CampaignReason reason) {
  reset_election_timer();
  become_precandidate(reason);
}

void RaftCore::become_precandidate(CampaignReason reason) {
  fail_forwarded_reads();
  leader_ = ReplicaId{};
  PrecandidateRole round;
  round.reason = reason;
  role_ = std::move(round);
  send_pre_votes();
}

void RaftCore::send_pre_votes() {
  auto& round = std::get<PrecandidateRole>(role_);
  round.answers.clear();
  round.round_ticks = 0;
  for (const ReplicaId voter : log_.config().all_voters()) {
    if (is_self(voter)) continue;
    Envelope message = envelope_to(voter, PreVoteReq{log_.last_id(), round.reason});
    message.term = hard_.term.next();
    send_now(std::move(message));
  }
  tally_pre_votes(round);
}

// The config cannot change under a round: that takes an Append, which ends the candidacy (A1).
void RaftCore::become_candidate(bool transfer) {
  leader_ = ReplicaId{};
  term_leader_ = ReplicaId{};
  hard_.term = hard_.term.next();
  hard_.vote = config_.self.replica;
  pending_.hard = true;
  verified_ = commit_;
  CandidateRole round;
  round.transfer = transfer;
  role_ = std::move(round);
  reset_election_timer();
  for (const ReplicaId voter : log_.config().all_voters()) {
    if (!is_self(voter)) send_now(voter, VoteReq{log_.last_id(), transfer});
  }
}

// A round that cannot be won: follower of the same term, with a fresh timeout.
void RaftCore::lose_round() {
  become_follower(hard_.term, ReplicaId{});
}

// --- Counting ------------------------------------------------------------------------------------

void RaftCore::tally() {
  if (auto* pre = std::get_if<PrecandidateRole>(&role_); pre != nullptr)
    return tally_pre_votes(*pre);
  if (auto* round = std::get_if<CandidateRole>(&role_); round != nullptr) tally_votes(*round);
}

void RaftCore::tally_pre_votes(PrecandidateRole& round) {
  // Voters with a live leader may change their mind: they are asked again.
  const VoteState state = joint_vote(log_.config(), [this, &round](ReplicaId voter) {
    if (is_self(voter)) return Ballot::kGranted;
    const auto answer = round.answers.find(voter);
    const bool is_open =
        answer == round.answers.end() || answer->second == VoteAnswer::kLeaderAlive;
    return is_open ? Ballot::kMissing : ballot_of(answer->second);
  });
  if (state == VoteState::kWon) return become_candidate(false);
  if (state == VoteState::kPending) return;
  // Who cannot win must not keep knocking (ClickHouse #121252).
  const VoteState stale = joint_vote(log_.config(), [this, &round](ReplicaId voter) {
    const auto answer = round.answers.find(voter);
    const bool is_stale =
        !is_self(voter) && answer != round.answers.end() && answer->second == VoteAnswer::kStaleLog;
    return is_stale ? Ballot::kRefused : Ballot::kGranted;
  });
  if (stale == VoteState::kLost && stale_log_factor_ < kStaleLogFactorMax) stale_log_factor_ *= 2;
  lose_round();
}

void RaftCore::tally_votes(CandidateRole& round) {
  const bool counts_itself = is_vote_durable() || WL_MUTANT(102);  // I-13: leads one term twice.
  const VoteState state = joint_vote(log_.config(), [this, &round, counts_itself](ReplicaId voter) {
    if (is_self(voter)) return counts_itself ? Ballot::kGranted : Ballot::kMissing;
    const auto answer = round.answers.find(voter);
    return answer == round.answers.end() ? Ballot::kMissing : ballot_of(answer->second);
  });
  // Our own vote must be durable even if the others' suffice: else a crash could let this replica
  // lead the same term twice (I-13).
  if (state == VoteState::kWon && counts_itself) return become_leader();
  if (state == VoteState::kLost) lose_round();
}

// --- Pre-votes -----------------------------------------------------------------------------------

bool RaftCore::is_up_to_date(EntryId candidate) const {
  // NuRaft #668: a log that is empty behind its boundary counts as one of term 0.
  if (WL_MUTANT(1) && log_.last() == log_.boundary().id.index) return true;
  return candidate >= log_.last_id();
}

// At least as strict as the vote itself [S 08/1.17 S5].
VoteAnswer RaftCore::judge_pre_vote(const Envelope& message, const PreVoteReq& request) const {
  if (message.term <= hard_.term) return VoteAnswer::kOldTerm;
  if (in_lease()) return VoteAnswer::kLeaderAlive;
  if (WL_MUTANT(3)) return VoteAnswer::kOk;  // ClickHouse #121252: looks at liveness only.
  return is_up_to_date(request.last) ? VoteAnswer::kOk : VoteAnswer::kStaleLog;
}

void RaftCore::on(const Envelope& message, const PreVoteReq& request) {
  PreVoteResp response{judge_pre_vote(message, request), leader_};
  Envelope answer = answer_to(message, response);
  if (!response.granted()) return send_stable(std::move(answer));
  answer.term = message.term;  // Promises nothing: it may leave at once.
  send_now(std::move(answer));
}

void RaftCore::on(const Envelope& message, const PreVoteResp& response) {
  auto* round = std::get_if<PrecandidateRole>(&role_);
  const Term expected = response.granted() ? hard_.term.next() : hard_.term;
  if (round == nullptr || message.term != expected)
    return note(NoteKind::kDropStaleReply, message.from.replica.value, message.term.value);
  round->answers.emplace(message.from.replica, response.why);
  tally();
}

// --- Votes ---------------------------------------------------------------------------------------

// A repeated request of the same candidate must be granted again: the first answer may be lost
// (nebula #2419). Learners and strangers vote too: their config may be old.
VoteAnswer RaftCore::judge_vote(const Envelope& message, const VoteReq& request) const {
  const bool is_repeated = hard_.vote == message.from.replica;
  if (!is_repeated) {
    // camunda #5356: a vote is replaced within its term.
    if (hard_.vote.value != 0 && !WL_MUTANT(28)) return VoteAnswer::kVotedOther;
    if (leader_.value != 0) return VoteAnswer::kLeaderAlive;
  }
  return is_up_to_date(request.last) ? VoteAnswer::kOk : VoteAnswer::kStaleLog;
}

void RaftCore::on(const Envelope& message, const VoteReq& request) {
  const VoteAnswer answer = judge_vote(message, request);
  if (answer == VoteAnswer::kOk) {
    if (hard_.vote == message.from.replica) {
      note(NoteKind::kVoteRepeated, message.from.replica.value, hard_.term.value);
    } else {
      hard_.vote = message.from.replica;
      pending_.hard = true;
    }
    election_elapsed_ = 0;  // For a granted vote only.
    if (std::holds_alternative<PrecandidateRole>(role_)) role_.emplace<FollowerRole>();
  }
  send_stable(answer_to(message, VoteResp{answer}));
}

void RaftCore::on(const Envelope& message, const VoteResp& response) {
  auto* round = std::get_if<CandidateRole>(&role_);
  if (round == nullptr)
    return note(NoteKind::kDropStaleReply, message.from.replica.value, message.term.value);
  round->answers.emplace(message.from.replica, response.why);
  tally();
}

// --- By order ------------------------------------------------------------------------------------

void RaftCore::on(const Envelope& message, const TimeoutNow&) {
  const bool is_order = std::holds_alternative<FollowerRole>(role_) &&
                        leader_ == message.from.replica && is_promotable();
  if (!is_order) return note(NoteKind::kDropStaleReply, message.from.replica.value);
  fail_forwarded_reads();
  become_candidate(true);
}

void RaftCore::forget_leader() {
  if (stopped_ || !std::holds_alternative<FollowerRole>(role_)) return;
  fail_forwarded_reads();
  leader_ = ReplicaId{};  // The timer goes on.
  after_input();
}

void RaftCore::set_eligible(bool eligible) {
  eligible_ = eligible;
}

void RaftCore::quarantine() {
  if (stopped_) return;
  fail_reads();
  leader_ = ReplicaId{};
  role_.emplace<QuarantinedRole>();
  after_input();
}

}  // namespace worldline::replication
