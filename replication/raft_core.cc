#include "replication/raft_core.h"

#include <algorithm>
#include <type_traits>

#include <fmt/core.h>

#include "replication/mutants.h"

namespace worldline::replication {
namespace {

template <typename T>
constexpr bool kIsResponse = std::is_same_v<T, PreVoteResp> || std::is_same_v<T, VoteResp> ||
                             std::is_same_v<T, AppendResp> || std::is_same_v<T, HeartbeatResp> ||
                             std::is_same_v<T, ReadIndexResp>;

bool is_response(const MessageBody& body) {
  return std::visit([](const auto& b) { return kIsResponse<std::decay_t<decltype(b)>>; }, body);
}

template <typename... Ts>
bool is_any(const MessageBody& body) {
  return (std::holds_alternative<Ts>(body) || ...);
}

// Only a leader says these.
bool is_from_leader(const MessageBody& body) {
  return is_any<Append, Heartbeat, SnapOffer>(body);
}

constexpr size_t kNodesTracked = 256;        // Far beyond the members one group ever had.
constexpr uint64_t kJobsPerCommitHint = 64;  // The hint only shortens replay.

}  // namespace

RaftCore::RaftCore(const RaftConfig& config, RestoredState restored)
    : config_(config),
      prng_(config.seed),
      hard_(restored.hard),
      durable_(restored.hard),
      log_(restored.boundary, std::move(restored.entries), config.chain) {
  WL_CHECK(config.chain != nullptr);
  WL_CHECK(config.heartbeat_ticks >= 1);
  WL_CHECK(config.election_ticks >= 4 * config.heartbeat_ticks);
  WL_CHECK(config.self.replica.value != 0);
  const LogIndex boundary = log_.boundary().id.index;
  WL_CHECK(restored.applied >= boundary);
  WL_CHECK(restored.applied <= log_.last());
  WL_CHECK(hard_.term >= log_.last_id().term);
  applied_ = restored.applied;
  applying_ = applied_;
  commit_ = std::clamp(hard_.commit_hint, applied_, log_.last());
  stable_ = log_.last();
  verified_ = commit_;
  unsaved_from_ = log_.last().next();
  hinted_commit_ = hard_.commit_hint;
  checkpoint_ = boundary;
  if (boundary.value == 0) {
    role_.emplace<UninitRole>();
  } else {
    role_.emplace<FollowerRole>();
  }
  reset_election_timer();
  announced_config_ = log_.config_index();
  watermarks_ = {hard_.term,     hard_.vote,        {},   commit_, applied_, boundary,
                 log_.last_id(), log_.last_chain(), false};
  announce_role();
}

// --- Admission [S 08/1.5] ------------------------------------------------------------------------

void RaftCore::recv(const Envelope& message) {
  if (stopped_) return;
  if (!admit(message)) return after_input();
  if (quiesced_ && !is_any<Heartbeat, HeartbeatResp>(message.body)) wake();
  dispatch(message);
  after_input();
}

bool RaftCore::admit(const Envelope& message) {
  if (!admit_address(message)) return false;
  if (!admit_without_state(message)) return false;
  // G8, before G5: what strangers answer is ignored, their term included.
  if (is_response(message.body) && !log_.config().contains(message.from.replica)) {
    note(NoteKind::kDropNotMember, message.from.replica.value, message.term.value);
    return false;
  }
  return admit_term(message);
}

// G1 to G3.
bool RaftCore::admit_address(const Envelope& message) {
  const Address& self = config_.self;
  bool is_ours = message.group == config_.group && message.to.replica == self.replica &&
                 message.to.node == self.node && message.from.replica != self.replica &&
                 message.from.replica.value != 0;
  const MemberInfo* member = log_.config().find(message.from.replica);
  if (member != nullptr && member->node != message.from.node) is_ours = false;
  if (!is_ours) {
    note(NoteKind::kDropWrongTarget, message.from.replica.value, message.to.replica.value);
    return false;
  }
  // A grant given to an earlier life may rest on entries which that life lost.
  if (is_response(message.body) && message.to.incarnation != self.incarnation) {
    note(NoteKind::kDropStaleReply, message.from.replica.value, message.to.incarnation);
    return false;
  }
  const auto seen = incarnations_.find(message.from.node);
  const bool is_known = seen != incarnations_.end();
  if (is_known && message.from.incarnation < seen->second) {
    note(NoteKind::kDropOldIncarnation, message.from.replica.value, message.from.incarnation);
    return false;
  }
  if (message.term.value == 0) {
    note(NoteKind::kDropTermZero, message.from.replica.value);
    return false;
  }
  if (!is_known && incarnations_.size() >= kNodesTracked) forget_a_node();
  incarnations_[message.from.node] = message.from.incarnation;
  return true;
}

// The oldest node that is no member's: ids grow, and members are far fewer than places.
void RaftCore::forget_a_node() {
  const std::vector<MemberInfo>& members = log_.config().members;
  const auto is_stranger = [&members](const auto& seen) {
    return std::none_of(members.begin(), members.end(),
                        [&seen](const MemberInfo& m) { return m.node == seen.first; });
  };
  incarnations_.erase(std::find_if(incarnations_.begin(), incarnations_.end(), is_stranger));
}

// G4: replicas that cannot answer for a log.
bool RaftCore::admit_without_state(const Envelope& message) {
  const bool is_quarantined = std::holds_alternative<QuarantinedRole>(role_);
  if (!is_quarantined && !std::holds_alternative<UninitRole>(role_)) return true;
  if (!is_quarantined && (is_from_leader(message.body) || is_any<GroupGone>(message.body)))
    return true;
  note(is_quarantined ? NoteKind::kDropQuarantined : NoteKind::kDropUninit,
       message.from.replica.value);
  if (is_any<PreVoteReq>(message.body)) {
    send_stable(answer_to(message, PreVoteResp{VoteAnswer::kQuarantined, {}}));
  } else if (is_any<VoteReq>(message.body)) {
    if (WL_MUTANT(116)) hard_.vote = message.from.replica;  // I-16.
    send_stable(answer_to(message, VoteResp{VoteAnswer::kQuarantined}));
  } else if (is_quarantined && is_from_leader(message.body)) {
    HeartbeatResp response;
    response.status = HeartbeatStatus::kQuarantined;
    send_stable(answer_to(message, response));
  }
  return false;
}

// G5 to G7.
bool RaftCore::admit_term(const Envelope& message) {
  if (message.term < hard_.term) {
    refuse_old_term(message);
    return false;
  }
  if (message.term > hard_.term) {
    const auto* vote = std::get_if<VoteReq>(&message.body);
    if (vote != nullptr && !vote->transfer && in_lease()) {
      note(NoteKind::kLeaseIgnoredVote, message.from.replica.value, message.term.value);
      send_stable(answer_to(message, VoteResp{VoteAnswer::kLeaderAlive}));
      return false;
    }
    const auto* granted = std::get_if<PreVoteResp>(&message.body);
    const bool is_promise = granted != nullptr && granted->granted();
    if (!is_any<PreVoteReq>(message.body) && !is_promise) adopt_term(message);
    return true;
  }
  const bool is_other_leader = term_leader_.value != 0 && term_leader_ != message.from.replica;
  // NuRaft #531: steps down and goes on.
  if (is_from_leader(message.body) && is_other_leader && !WL_MUTANT(2)) {
    fail(1, FatalScope::kGroup,
         fmt::format("replicas {} and {} both lead term {}", term_leader_.value,
                     message.from.replica.value, hard_.term.value));
    return false;
  }
  return true;
}

// G6: a rejection frees a deposed leader, and a follower that is stuck at a higher term.
void RaftCore::refuse_old_term(const Envelope& message) {
  if (is_any<Append, SnapOffer>(message.body)) {
    AppendResp response;
    response.last_index = log_.last();
    response.applied = applied_;
    send_stable(answer_to(message, response));
  } else if (is_any<Heartbeat>(message.body)) {
    HeartbeatResp response;
    response.status = HeartbeatStatus::kHigherTerm;
    response.applied = applied_;
    response.last_index = log_.last();
    send_stable(answer_to(message, response));
  } else if (is_any<PreVoteReq>(message.body)) {
    send_stable(answer_to(message, PreVoteResp{VoteAnswer::kOldTerm, leader_}));
  } else if (is_any<VoteReq>(message.body)) {
    send_stable(answer_to(message, VoteResp{VoteAnswer::kOldTerm}));
  } else {
    note(NoteKind::kDropStaleReply, message.from.replica.value, message.term.value);
  }
}

void RaftCore::adopt_term(const Envelope& message) {
  const bool leads = is_from_leader(message.body);
  become_follower(message.term, leads ? message.from.replica : ReplicaId{});
}

void RaftCore::dispatch(const Envelope& message) {
  // Whoever lost data is told as often as it speaks: it must know before it votes (I-12).
  const Progress* sender = progress(message.from.replica);
  if (sender != nullptr && sender->is_lost) tell_lost(message.from.replica);
  std::visit([this, &message](const auto& body) { on(message, body); }, message.body);
}

// --- Checks after every input --------------------------------------------------------------------

void RaftCore::after_input() {
  if (stopped_) return;
  if (auto* leader = std::get_if<LeaderRole>(&role_); leader != nullptr) maybe_commit();
  if (stopped_) return;
  check_input();
  announce_role();
  announce_config();
}

void RaftCore::fail(int invariant, FatalScope scope, std::string text) {
  fail({invariant, scope, config_.self.replica, std::move(text)});
}

void RaftCore::fail(Fatal fatal) {
  ready_.fatal.push_back(std::move(fatal));
  stopped_ = true;
}

void RaftCore::note(NoteKind kind, uint64_t a, uint64_t b) {
  ready_.notes.push_back({kind, a, b});
}

// --- Sending -------------------------------------------------------------------------------------

Envelope RaftCore::envelope_to(ReplicaId replica, MessageBody body) const {
  const Address to{node_of(replica), 0, replica};
  return {config_.group, config_.self, to, hard_.term, log_.config_index(), std::move(body)};
}

// Also of a replica that the config in force has just removed; 0 = unknown.
NodeId RaftCore::node_of(ReplicaId replica) const {
  if (const MemberInfo* member = log_.config().find(replica); member != nullptr)
    return member->node;
  const ConfigAt* before = log_.config_before_last();
  const MemberInfo* member = before != nullptr ? before->config.find(replica) : nullptr;
  return member != nullptr ? member->node : NodeId{};
}

Envelope RaftCore::answer_to(const Envelope& asked, MessageBody body) const {
  return {config_.group, config_.self,        asked.from,
          hard_.term,    log_.config_index(), std::move(body)};
}

void RaftCore::send_now(Envelope message) {
  ready_.send_now.push_back(std::move(message));
}

void RaftCore::send_now(ReplicaId replica, MessageBody body) {
  send_now(envelope_to(replica, std::move(body)));
}

void RaftCore::send_stable(Envelope message, LogIndex match) {
  const auto* vote = std::get_if<VoteResp>(&message.body);
  const bool needs_vote = vote != nullptr && vote->granted() && durable_.vote != hard_.vote;
  // A vote leaves before it is durable; an acknowledgement does: tikv #994.
  const bool needs_hard = (needs_vote || message.term > durable_.term) && !WL_MUTANT(104);
  const bool needs_log = match > stable_ && !WL_MUTANT(18);
  if (!needs_hard && !needs_log) return send_now(std::move(message));
  auto job = jobs_.begin();
  // A promise of (term, vote): `message.term` is hard_.term, or an older one that is durable.
  if (needs_hard) {
    job = std::find_if(jobs_.begin(), jobs_.end(), [this](const OutstandingJob& j) {
      return j.hard && j.hard->term == hard_.term && j.hard->vote == hard_.vote;
    });
  }
  if (needs_log) {
    job = std::find_if(job, jobs_.end(), [this, match](const OutstandingJob& j) {
      return j.epoch == write_epoch_ && j.last >= match;
    });
  }
  attach(job == jobs_.end() ? pending_.send_after : job->send_after, std::move(message));
}

// One acknowledgement of a job to one leader says it all [S 08/1.7 A7].
void RaftCore::attach(std::vector<Envelope>& list, Envelope message) {
  const auto* response = std::get_if<AppendResp>(&message.body);
  if (response != nullptr && response->ok && !list.empty()) {
    Envelope& previous = list.back();
    const auto* before = std::get_if<AppendResp>(&previous.body);
    const bool is_covered = before != nullptr && before->ok && previous.to == message.to &&
                            previous.term == message.term && before->match <= response->match;
    if (is_covered) {
      previous = std::move(message);
      return;
    }
  }
  list.push_back(std::move(message));
}

// --- The disk [S 08/1.10] ------------------------------------------------------------------------

bool RaftCore::is_vote_durable() const {
  return durable_.term == hard_.term && durable_.vote == config_.self.replica;
}

bool RaftCore::truncate(LogIndex from) {
  if (from <= commit_) {
    fail(3, FatalScope::kProcess,
         fmt::format("entry {} is committed, the log must not be cut there", from.value));
    return false;
  }
  log_.truncate_from(from);
  ++write_epoch_;
  // Another config may come to the place of the one that was told.
  if (from <= announced_config_) announced_config_ = LogIndex{UINT64_MAX};
  const LogIndex kept{from.value - 1};
  stable_ = std::min(stable_, kept);
  verified_ = std::min(verified_, kept);
  if (from < unsaved_from_) {
    pending_.truncate_from = std::min(pending_.truncate_from.value_or(from), from);
    unsaved_from_ = from;
  }
  note(NoteKind::kTruncated, from.value);
  return true;
}

std::optional<PersistJob> RaftCore::make_job() {
  const bool has_entries = unsaved_from_ <= log_.last();
  if (!has_entries && !pending_.hard && !pending_.truncate_from && !pending_.boundary)
    return std::nullopt;
  PersistJob job;
  job.job = JobId{++last_job_};
  job.epoch = write_epoch_;
  const bool hint_is_due = commit_ > hinted_commit_ && last_job_ % kJobsPerCommitHint == 0;
  if (pending_.hard || pending_.boundary || hint_is_due) {
    hard_.commit_hint = commit_;
    hinted_commit_ = commit_;
    job.hard_state = hard_;
  }
  job.truncate_from = pending_.truncate_from;
  job.new_boundary = std::move(pending_.boundary);
  LogIndex newest_config;
  for (LogIndex index = unsaved_from_; index <= log_.last(); index = index.next()) {
    job.entries.push_back(log_.at(index));
    if (job.entries.back().kind == EntryKind::kConfig) newest_config = index;
  }
  if (newest_config.value != 0 && newest_config != log_.config_index()) {
    fail(*broken(15, fmt::format("the config in force is of entry {}, the last one is {}",
                                 log_.config_index().value, newest_config.value)));
    return std::nullopt;
  }
  unsaved_from_ = log_.last().next();
  if (job.new_boundary && installing_) installing_job_ = job.job;
  jobs_.push_back(
      {job.job, job.epoch, log_.last(), job.hard_state, std::move(pending_.send_after)});
  pending_ = {};
  return job;
}

void RaftCore::persisted(JobId id) {
  if (stopped_) return;
  if (jobs_.empty() || jobs_.front().id != id)
    return fail(18, FatalScope::kProcess, fmt::format("job {} completed out of order", id.value));
  OutstandingJob job = std::move(jobs_.front());
  jobs_.pop_front();
  if (job.hard) durable_ = *job.hard;
  if (job.epoch == write_epoch_ || WL_MUTANT(32)) {  // redpanda #15201: truncation races the flush.
    stable_ = std::max(stable_, std::min(job.last, log_.last()));
  } else {
    // A later job may already have overwritten these entries: neither stable nor any attached
    // acknowledgement may be believed (the A-B-A case).
    note(NoteKind::kStaleEpochCompletion, id.value, job.last.value);
  }
  release(job);
  if (installing_job_ == id) {
    installing_job_.reset();
    install_is_stable_ = true;
    finish_install();
  }
  if (auto* leader = std::get_if<LeaderRole>(&role_); leader != nullptr) {
    if (const auto self = leader->progress.find(config_.self.replica);
        self != leader->progress.end())
      self->second.match = stable_;
    touched_ = config_.self.replica;
  }
  if (std::holds_alternative<CandidateRole>(role_)) tally();
  after_input();
}

void RaftCore::release(OutstandingJob& job) {
  for (Envelope& message : job.send_after) {
    const auto* response = std::get_if<AppendResp>(&message.body);
    const bool is_stale = job.epoch != write_epoch_ && !WL_MUTANT(32);
    if (is_stale && response != nullptr && response->ok) continue;
    send_now(std::move(message));
  }
}

// --- Applying ------------------------------------------------------------------------------------

void RaftCore::applied(LogIndex index) {
  if (stopped_) return;
  if (index > applying_)
    return fail(10, FatalScope::kReplica,
                fmt::format("entry {} was applied, handed out are those up to {}", index.value,
                            applying_.value));
  if (index <= applied_) return;
  applied_ = index;
  log_.evict_to(std::min({applied_, stable_, LogIndex{unsaved_from_.value - 1}}),
                config_.limits.cached_bytes_max);
  after_input();
}

void RaftCore::hand_out_apply(Ready& ready) {
  if (stopped_ || installing_) return;
  // A leader executed its own entries; followers apply only what is stable [S 08/1.10].
  const bool leads = std::holds_alternative<LeaderRole>(role_);
  const LogIndex limit = leads ? commit_ : std::min(commit_, stable_);
  // What was handed out and is not applied counts, so a slow state machine is not flooded.
  size_t handed_out = log_.bytes_after(applied_) - log_.bytes_after(applying_);
  while (applying_ < limit) {
    const Entry& entry = log_.at(applying_.next());
    if (applying_ > applied_ &&
        handed_out + entry.payload_bytes > config_.limits.apply_batch_bytes_max)
      break;
    WL_CHECK(entry.payload != nullptr);
    handed_out += entry.payload_bytes;
    applying_ = entry.index;
    ready.apply.push_back({entry, applying_ <= stable_});
  }
}

void RaftCore::set_commit(LogIndex index) {
  if (index <= commit_) return;
  if (index > log_.last())
    return fail(10, FatalScope::kReplica,
                fmt::format("commit {} of a log that ends at {}", index.value, log_.last().value));
  commit_ = index;
}

// --- Output --------------------------------------------------------------------------------------

bool Ready::empty() const {
  const bool is_silent = send_now.empty() && role_changes.empty() && config_changes.empty() &&
                         notes.empty() && fatal.empty() && read_ready.empty() &&
                         read_failed.empty();
  const bool is_idle = !persist && !install && !compact && apply.empty() && offers.empty() &&
                       send_snapshot.empty() && cancel_snapshot.empty() && fetch.empty();
  return is_silent && is_idle;
}

Ready RaftCore::take_ready() {
  if (!stopped_ && std::holds_alternative<LeaderRole>(role_)) flush_appends();
  if (!stopped_) ready_.persist = make_job();
  if (!stopped_) hand_out_apply(ready_);
  Ready ready = std::move(ready_);
  ready_ = {};
  return ready;
}

void RaftCore::announce_role() {
  const RoleChange now{role(), hard_.term, leader_, barrier()};
  const bool is_same = now.role == announced_.role && now.term == announced_.term &&
                       now.leader == announced_.leader && now.barrier == announced_.barrier;
  if (is_same) return;
  announced_ = now;
  ready_.role_changes.push_back(now);
}

void RaftCore::announce_config() {
  if (announced_config_ == log_.config_index()) return;
  announced_config_ = log_.config_index();
  ready_.config_changes.push_back({announced_config_, log_.config()});
}

// --- Observers -----------------------------------------------------------------------------------

RoleKind RaftCore::role() const {
  static_assert(std::variant_size_v<Role> == 6);
  return static_cast<RoleKind>(role_.index() + 1);
}

LogIndex RaftCore::barrier() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return leader != nullptr ? leader->barrier : LogIndex{};
}

bool RaftCore::barrier_committed() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return leader != nullptr && leader->barrier <= commit_;
}

ReplicaId RaftCore::transferee() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return leader != nullptr ? leader->transferee : ReplicaId{};
}

const Progress* RaftCore::progress(ReplicaId replica) const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return nullptr;
  const auto found = leader->progress.find(replica);
  return found != leader->progress.end() ? &found->second : nullptr;
}

size_t RaftCore::uncommitted_bytes() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return leader != nullptr ? leader->uncommitted_bytes : 0;
}

size_t RaftCore::uncommitted_transactions() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return leader != nullptr ? leader->uncommitted_transactions : 0;
}

size_t RaftCore::pending_reads() const {
  const auto* leader = std::get_if<LeaderRole>(&role_);
  return forwarded_reads_.size() + (leader != nullptr ? leader->reads.size() : 0);
}

}  // namespace worldline::replication
