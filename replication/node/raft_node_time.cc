// Time: ticks, pauses, rest and waking [S 08/3.3, 3.5].
#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "replication/node/quiescence.h"
#include "replication/node/raft_node.h"
#include "replication/node/raft_node_state.h"

namespace worldline::replication {
namespace {

HeartbeatRow row_of(const GroupReplica& replica) {
  const RaftCore& core = replica.core();
  HeartbeatRow row;
  row.replica = replica.id();
  row.term = core.term();
  row.leader = core.leader();
  row.config_index = core.log().config_index();
  row.commit = core.commit();
  row.applied = core.applied_index();
  row.last = core.log().last();
  row.is_plain = replica.is_running() && core.role() == RoleKind::kFollower &&
                 core.leader().value != 0 && !core.is_quiesced() && !core.is_installing() &&
                 core.durable_hard_state().term == core.term();
  return row;
}

}  // namespace

const char* rest_name(RestKind rest) {
  switch (rest) {
    case RestKind::kAwake:
      return "awake";
    case RestKind::kVouched:
      return "vouched";
    case RestKind::kQuiesced:
      return "quiesced";
  }
  return "?";
}

// Silence of a peer's batches or replies after which nobody is vouched for any more: two intervals
// and a tick, still far below E.
uint64_t RaftNode::grace_ticks() const {
  return 2 * config_.heartbeat_ticks + 1;
}

bool RaftNode::is_fresh(NodeTick heard) const {
  return ticks_between(std::max(heard, resumed_tick_), tick_) <= grace_ticks();
}

// --- Ticks
// -------------------------------------------------------------------------------------------

void RaftNode::on_time(BootTime now) {
  note_time(now);
  while (next_tick_at_ <= now_) {
    next_tick_at_ += kTickLength;
    run_tick();
  }
  detector_.on_time(now_);
  run_verdicts();
  run_wakes();
  run_campaigns();
  run_fetches();
  expected_at_ = next_deadline();
  if (*expected_at_ == BootTime::max()) expected_at_.reset();
}

// Every call begins here. A loop that was promised a turn and got it E later was not running.
void RaftNode::note_time(BootTime now) {
  if (now <= now_) return;
  now_ = now;
  const Micros behind = now - next_tick_at_;
  if (expected_at_ && now - *expected_at_ >= config_.election_time()) {
    pause(now);
  } else if (behind >= config_.election_time()) {
    // Nothing was awake and nobody waited: the ticks in between concern nobody.
    const auto skipped = static_cast<uint64_t>(behind / kTickLength);
    tick_.value += skipped;
    next_tick_at_ += kTickLength * static_cast<Micros::rep>(skipped);
    for (const GroupId group : wheel_.active()) find_hosted(group)->core_tick = tick_;
  }
  if (!expected_at_ && !peers_.empty()) expected_at_ = next_tick_at_;
}

// Missed ticks are not replayed: they would fire every timer at once. What we led may have other
// leaders by now, and what waits to be read is of another time.
void RaftNode::pause(BootTime now) {
  ++counters_.pauses;
  resumed_at_ = now;
  expected_at_.reset();
  const auto skipped = static_cast<uint64_t>((now - next_tick_at_) / kTickLength) + 1;
  tick_.value += skipped;
  next_tick_at_ += kTickLength * static_cast<Micros::rep>(skipped);
  resumed_tick_ = tick_;
  detector_.on_paused(now);
  campaigns_.clear();
  for (auto& [node, peer] : peers_) peer->vouched_at = tick_;
  for (auto& [group, entry] : hosted_) {
    entry->core_tick = tick_;
    receiver_.take_heard(group);  // Of before the pause.
  }
  step_down_everywhere();
  // Timers restart. Those at rest have none that runs: their time begins with the resumed tick.
  for (const GroupId group : wheel_.active()) {
    Hosted* entry = find_hosted(group);
    if (entry != nullptr && entry->rest == RestKind::kAwake) entry->replica->paused();
  }
}

void RaftNode::run_tick() {
  tick_ = tick_.next();
  run_alarms();
  is_ticking_ = true;
  for (const GroupId group : wheel_.active()) {
    Hosted* entry = find_hosted(group);
    if (entry == nullptr || !entry->replica->is_running()) continue;
    ++counters_.group_ticks;
    entry->replica->tick();
    entry->core_tick = tick_;
  }
  is_ticking_ = false;
  if (tick_.value % config_.heartbeat_ticks == 0) run_heartbeat_interval();
}

void RaftNode::run_heartbeat_interval() {
  watch_stalls();
  const bool repeats = tick_.value % config_.election_ticks < config_.heartbeat_ticks;
  if (repeats) {
    watch_clock();
    if (sheds_leaders()) hand_over_everything();
  }
  for (const GroupId group : wheel_.active()) {
    Hosted* entry = find_hosted(group);
    if (entry != nullptr && entry->replica->is_running()) rest_if_idle(*entry);
  }
  watch_quiet_peers();
  send_batches();
}

BootTime RaftNode::next_deadline() const {
  BootTime next = BootTime::max();
  const bool has_work = wheel_.active_count() > 0 || pacer_.waiting_count() > 0 ||
                        !peers_.empty() || wheel_.next_alarm() || fetches_.waiting_count() > 0;
  if (has_work) next = next_tick_at_;
  for (const auto& [group, at] : campaigns_) next = std::min(next, at);
  return next;
}

// --- What a resting core did not see
// -------------------------------------------------------------------

void RaftNode::before_input(GroupReplica& replica) {
  Hosted& entry = hosted(replica);
  const MissedTime missed = missed_by(entry);
  if (missed.heartbeat || !missed.answers.empty() || missed.ticks > 0) replica.catch_up(missed);
}

MissedTime RaftNode::missed_by(Hosted& entry) {
  MissedTime missed;
  const GroupReplica& replica = *entry.replica;
  const RaftCore& core = replica.core();
  // A tick that is being delivered is no missed one.
  const NodeTick upto{tick_.value - (is_ticking_ ? 1 : 0)};
  const std::optional<HeardItem> heard = receiver_.take_heard(replica.group());
  if (core.is_quiesced()) {  // Timers stand still (Q3).
    entry.core_tick = upto;
    return missed;
  }
  if (heard) {
    Envelope message{replica.group(),
                     {heard->node, heard->incarnation, heard->item.from},
                     self_address(replica.id()),
                     heard->item.term,
                     heard->item.config_index,
                     Heartbeat{heard->item.commit, heard->item.read_ctx, false}};
    missed.heartbeat = std::move(message);
    entry.core_tick = std::max(entry.core_tick, heard->at);
  }
  if (core.role() == RoleKind::kLeader) {
    NodeTick heard_all = upto;
    for (const auto& [node, item] : entry.items) {
      Peer* peer = find_peer(node);
      if (peer == nullptr || !peer->sender.is_standing(replica.group())) continue;
      heard_all = std::min(heard_all, peer->vouched_at);
      NodeTick& answered = entry.answered[node];
      if (peer->vouched_at <= answered) continue;
      answered = peer->vouched_at;
      missed.answers.push_back(
          {replica.group(),
           {node, detector_.incarnation(node), item.to},
           self_address(replica.id()),
           item.term,
           item.config_index,
           HeartbeatResp{HeartbeatStatus::kOk, item.read_ctx, item.commit, item.commit}});
    }
    if (entry.rest == RestKind::kVouched) entry.core_tick = std::max(entry.core_tick, heard_all);
  }
  missed.ticks = std::min<uint64_t>(ticks_between(entry.core_tick, upto), config_.election_ticks);
  entry.core_tick = std::max(entry.core_tick, upto);
  return missed;
}

// --- Rest
// --------------------------------------------------------------------------------------------

void RaftNode::changed(GroupReplica& replica) {
  receiver_.update(replica.group(), row_of(replica));
}

// After every input: whoever was touched is awake, unless its core says that it sleeps.
void RaftNode::settled(GroupReplica& replica) {
  Hosted& entry = hosted(replica);
  const RaftCore& core = replica.core();
  if (!replica.is_leader()) withdraw_heartbeats(entry);
  if (core.is_quiesced()) {
    if (entry.rest != RestKind::kQuiesced) fall_asleep(entry);
    return;
  }
  const bool was_asleep = entry.rest == RestKind::kQuiesced;
  if (entry.rest != RestKind::kAwake) rouse(entry);
  if (was_asleep) {
    ++counters_.woken;
    // A leader that sleeps on would be deposed in its sleep (Q5).
    const bool must_tell = !replica.is_leader() && core.leader().value != 0;
    const MemberInfo* leader = must_tell ? core.log().config().find(core.leader()) : nullptr;
    if (leader != nullptr && speaker_ != leader->node)
      ports_.messages->send({replica.group(),
                             self_address(replica.id()),
                             {leader->node, 0, leader->replica},
                             core.term(),
                             core.log().config_index(),
                             ReadIndexReq{}});
  }
  for (const ReplicaId peer : std::exchange(entry.unreachable, {})) replica.unreachable(peer);
  const bool greets = entry.owes_hello && core.leader().value != 0 && !replica.is_leader();
  if (greets || replica.is_leader()) entry.owes_hello = false;
  if (greets) replica.say_hello();
}

void RaftNode::fall_asleep(Hosted& entry) {
  const GroupId group = entry.replica->group();
  ++counters_.fell_asleep;
  entry.rest = RestKind::kQuiesced;
  entry.core_tick = tick_;
  entry.answered.clear();
  withdraw_heartbeats(entry);
  wheel_.deactivate(group);
  pacer_.remove(group);
  entry.wake.reset();
  campaigns_.erase(group);
  due_changed(*entry.replica);
}

void RaftNode::rouse(Hosted& entry) {
  const GroupId group = entry.replica->group();
  for (auto& [node, item] : entry.items)
    if (Peer* peer = find_peer(node); peer != nullptr) peer->sender.stop_standing(group);
  entry.rest = RestKind::kAwake;
  entry.core_tick = std::max(entry.core_tick, NodeTick{tick_.value - (is_ticking_ ? 1 : 0)});
  entry.lagging.clear();
  wheel_.clear_alarm(group);
  wheel_.activate(group);
  pacer_.remove(group);
  entry.wake.reset();
}

// A follower wakes by itself some time after a schedule row was due: its leader should have woken
// for it (Q10). The leader's host wakes it in time; the alarm is for a host that forgot.
void RaftNode::due_changed(GroupReplica& replica) {
  const Hosted& entry = hosted(replica);
  if (entry.rest != RestKind::kQuiesced) return;
  wheel_.clear_alarm(replica.group());
  if (!replica.next_due()) return;
  const Micros ahead = std::max(Micros{0}, *replica.next_due() - now_);
  auto ticks = static_cast<uint64_t>(ahead / kTickLength) + 1;
  if (!replica.is_leader()) ticks += uint64_t{2} * config_.election_ticks;
  wheel_.set_alarm(replica.group(), NodeTick{tick_.value + ticks});
}

void RaftNode::run_alarms() {
  for (const GroupId group : wheel_.take_due(tick_)) {
    Hosted* entry = find_hosted(group);
    if (entry == nullptr || !entry->replica->is_running()) continue;
    if (entry->rest == RestKind::kQuiesced) {
      entry->replica->wake();
    } else {
      wheel_.activate(group);  // May it quiesce? Its next tick makes up for the time.
    }
  }
}

// Once per interval, for active groups only.
void RaftNode::rest_if_idle(Hosted& entry) {
  GroupReplica& replica = *entry.replica;
  const SleepVerdict verdict = may_sleep(replica, detector_, config_, {tick_, now_});
  if (verdict.veto == SleepVeto::kNone && disk_.may_heartbeat && replica.quiesce().ok()) {
    entry.lagging = {verdict.lagging.begin(), verdict.lagging.end()};
    return;
  }
  const bool is_leader = replica.is_leader();
  const bool may_rest = is_leader ? may_rest_as_leader(entry) : may_rest_as_follower(entry);
  if (!may_rest) return;
  entry.rest = RestKind::kVouched;
  wheel_.deactivate(replica.group());
  if (is_leader) stand_for(entry);
}

// Its members' nodes hear of it in every batch from now on; it asks again when it may sleep.
void RaftNode::stand_for(Hosted& entry) {
  const GroupReplica& replica = *entry.replica;
  for (const MemberInfo& member : replica.core().log().config().members)
    if (member.replica != replica.id())
      find_peer(member.node)->sender.stand(entry.items.at(member.node));
  const uint64_t quiet = uint64_t{config_.quiesce_after_intervals} * config_.heartbeat_ticks;
  const NodeTick due{replica.last_activity().value + quiet};
  wheel_.set_alarm(replica.group(), due > tick_ ? due : NodeTick{tick_.value + quiet});
}

bool RaftNode::may_rest_as_follower(const Hosted& entry) const {
  const GroupReplica& replica = *entry.replica;
  const RaftCore& core = replica.core();
  if (core.role() != RoleKind::kFollower || core.pending_reads() > 0) return false;
  if (!receiver_.is_silent(replica.group())) return false;
  const MemberInfo* leader = core.log().config().find(core.leader());
  const std::optional<NodeTick> heard =
      leader != nullptr ? receiver_.batch_heard(leader->node) : std::nullopt;
  return heard && is_fresh(*heard);
}

// Everything is everywhere, and every member said so of late.
bool RaftNode::may_rest_as_leader(const Hosted& entry) const {
  const GroupReplica& replica = *entry.replica;
  const RaftCore& core = replica.core();
  const LogIndex last = core.log().last();
  const bool is_idle = !entry.is_stalled && core.barrier_committed() && core.commit() == last &&
                       core.applied_index() == last && core.stable() == last &&
                       core.pending_reads() == 0 && core.transferee().value == 0 &&
                       !core.log().config().is_joint() && replica.jobs_in_flight() == 0;
  if (!is_idle) return false;
  for (const MemberInfo& member : core.log().config().members) {
    if (member.replica == replica.id()) continue;
    const auto peer = peers_.find(member.node);
    const auto item = entry.items.find(member.node);
    const auto answered = entry.answered.find(member.node);
    const Progress* progress = core.progress(member.replica);
    if (peer == peers_.end() || item == entry.items.end() || answered == entry.answered.end() ||
        progress == nullptr)
      return false;
    const bool has_all = progress->state == ProgressState::kReplicate && !progress->is_lost &&
                         progress->match == last && progress->applied == last;
    const bool is_well = has_all && peer->second->is_connected && is_fresh(answered->second) &&
                         item->second.commit == last && item->second.term == core.term() &&
                         item->second.config_index == core.log().config_index();
    if (!is_well) return false;
  }
  return true;
}

// --- Waking many
// ---------------------------------------------------------------------------------------

void RaftNode::queue_wake(Hosted& entry, const Wake& wake) {
  // The strongest reason wins: later kinds include the earlier ones' effects.
  if (!entry.wake || entry.wake->kind < wake.kind) entry.wake = wake;
  pacer_.push(entry.replica->group(), entry.replica->last_activity());
}

void RaftNode::run_wakes() {
  for (const GroupId group : pacer_.take(now_)) {
    Hosted* entry = find_hosted(group);
    if (entry == nullptr || !entry->wake || !entry->replica->is_running()) continue;
    const Wake wake = *std::exchange(entry->wake, std::nullopt);
    do_wake(*entry, wake);
  }
}

void RaftNode::do_wake(Hosted& entry, const Wake& wake) {
  GroupReplica& replica = *entry.replica;
  const bool is_led_there = replica.core().leader() == wake.subject && !replica.is_leader();
  switch (wake.kind) {
    case WakeKind::kTicks:
      if (entry.rest == RestKind::kVouched) wheel_.activate(replica.group());
      return;
    case WakeKind::kSuspect:
      if (is_led_there && !detector_.is_alive(wake.node))
        replica.node_hint(wake.subject, PeerHint::kSuspect);
      return;
    case WakeKind::kRestarted:
      if (is_led_there || replica.is_leader())
        replica.node_hint(wake.subject, PeerHint::kRestarted);
      return;
    case WakeKind::kCertain:
      if (is_led_there) start_fast_path(entry);
      return;
    case WakeKind::kReturned:
      if (replica.is_leader()) replica.node_hint(wake.subject, PeerHint::kAlive);
      return;
    case WakeKind::kHandOver:
      if (replica.is_leader() && sheds_leaders()) hand_over(entry);
      return;
  }
}

void RaftNode::run_campaigns() {
  std::vector<GroupId> due;
  for (const auto& [group, at] : campaigns_)
    if (at <= now_) due.push_back(group);
  for (const GroupId group : due) {
    campaigns_.erase(group);
    Hosted* entry = find_hosted(group);
    if (entry == nullptr || !entry->replica->is_running()) continue;
    const RaftCore& core = entry->replica->core();
    if (core.role() != RoleKind::kFollower || core.leader().value != 0) continue;
    entry->replica->campaign(CampaignReason::kSuspect).ignore("another voter's turn comes");
  }
}

// --- Clocks and round trips [S 08/3.5, 5.1]
// ------------------------------------------------------------

// Once per E. Without a wall clock there is nothing to compare.
void RaftNode::watch_clock() {
  if (peers_.empty()) return;
  if (wall_ != Timestamp{}) judge_clock(clock_offset());
  watch_round_trips();
}

void RaftNode::judge_clock(const ClockOffset& offset) {
  // Nothing is learned from silence.
  if (offset.verdict == ClockVerdict::kUnknown || offset.verdict == clock_verdict_) return;
  clock_verdict_ = offset.verdict;
  const bool could_lead = may_lead();
  is_clock_off_ = offset.verdict == ClockVerdict::kDrain;
  tell_eligible(could_lead);
  if (is_clock_off_) hand_over_everything();
  if (offset.verdict == ClockVerdict::kGood) return;
  ports_.node->report({is_clock_off_ ? ReportKind::kClockDrain : ReportKind::kClockWarning,
                       {},
                       {},
                       0,
                       fmt::format("the wall clock of a majority is {} to {} ms ahead of this "
                                   "node's",
                                   offset.low.count() / 1000, offset.high.count() / 1000)});
}

void RaftNode::watch_round_trips() {
  const std::optional<Micros> median = clocks_.median_rtt();
  if (!median) return;
  const bool is_slow = config_.election_time() < 10 * *median;
  if (is_slow == std::exchange(is_network_slow_, is_slow) || !is_slow) return;
  ports_.node->report({ReportKind::kSlowNetwork,
                       {},
                       {},
                       0,
                       fmt::format("the election timeout of {} ms is below ten median round trips "
                                   "of {} us",
                                   config_.election_time().count() / 1000, median->count())});
}

// A leader whose state machine hangs must not look alive: somebody else's works.
void RaftNode::watch_stalls() {
  for (const GroupId group : wheel_.active()) {
    Hosted& entry = *find_hosted(group);
    const std::optional<NodeTick> since = entry.replica->applying_since();
    const bool is_stalled = since && ticks_between(*since, tick_) >= config_.apply_stall_ticks;
    if (is_stalled == entry.is_stalled) continue;
    entry.is_stalled = is_stalled;
    if (!is_stalled) continue;
    ports_.node->report({ReportKind::kStalled, group, entry.replica->id(), 0,
                         "its state machine has not applied an entry for too long"});
    if (!entry.replica->is_leader()) continue;
    withdraw_heartbeats(entry);
    hand_over(entry);
  }
}

}  // namespace worldline::replication
