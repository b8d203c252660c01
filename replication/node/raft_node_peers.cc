// Peers: their batches, what is known of their lives, and the local disk [S 08/3.2, 3.4, 3.12].
#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "replication/node/raft_node.h"
#include "replication/node/raft_node_state.h"

namespace worldline::replication {
namespace {

bool is_plain_ok(const HeartbeatItem& item, const Envelope& answer) {
  const auto* response = std::get_if<HeartbeatResp>(&answer.body);
  return response != nullptr && response->status == HeartbeatStatus::kOk &&
         answer.term == item.term && answer.config_index == item.config_index &&
         response->read_ctx == item.read_ctx && response->applied == item.commit &&
         response->last_index == item.commit;
}

HeartbeatAnswer to_answer(uint32_t place, const Envelope& answer) {
  const auto& response = std::get<HeartbeatResp>(answer.body);
  return {place,
          response.status,
          answer.term,
          answer.config_index,
          response.read_ctx,
          response.applied,
          response.last_index};
}

void clear_bit(ByteBuffer& bits, size_t i) {
  bits[i / 8] = static_cast<Byte>(bits[i / 8] & ~(1 << (i % 8)));
}

uint64_t nanoseconds(BootTime time) {
  return static_cast<uint64_t>(time.time_since_epoch().count()) * 1000;
}

}  // namespace

// --- Peers
// -----------------------------------------------------------------------------------------

RaftNode::Peer* RaftNode::find_peer(NodeId node) {
  const auto found = peers_.find(node);
  return found != peers_.end() ? found->second.get() : nullptr;
}

Status RaftNode::add_peer(NodeId node, BootTime now) {
  note_time(now);
  if (node == config_.self.node || node.value == 0)
    return Status::invalid_argument("node {} is no peer of node {}", node.value,
                                    config_.self.node.value);
  if (peers_.contains(node)) return Status::ok_status();
  if (peers_.size() >= config_.peers_max)
    return Status::overloaded("node {} would be peer number {}; peers_max is {}", node.value,
                              peers_.size() + 1, config_.peers_max);
  peers_.emplace(node, std::make_unique<Peer>(config_, tick_));
  detector_.add_peer(node, now_);
  return Status::ok_status();
}

void RaftNode::remove_peer(NodeId node) {
  if (peers_.erase(node) == 0) return;
  detector_.remove_peer(node);
  clocks_.forget(node);
  wake_silent(receiver_.forget_peer(node));
  for (auto& [group, entry] : hosted_) {
    entry->items.erase(node);
    entry->answered.erase(node);
    if (entry->rest == RestKind::kVouched && entry->replica->is_leader())
      queue_wake(*entry, {WakeKind::kTicks, {}, node});
  }
}

void RaftNode::on_connected(NodeId node, uint64_t incarnation, BootTime now) {
  note_time(now);
  Peer* peer = find_peer(node);
  if (peer == nullptr || !detector_.on_heard(node, incarnation, now_)) return;
  peer->is_connected = true;
  peer->sender.start_afresh();
  peer->outbox.reset();
  greet_leaders(node);  // Before anything else on this stream [S 08/1.4].
  run_verdicts();
}

// Whoever sleeps is not woken for it: it greets when it wakes, as one whose leader is not known yet
// does when it hears of one.
void RaftNode::greet_leaders(NodeId node) {
  for (auto& [group, entry] : hosted_) {
    if (!entry->replica->is_running() || entry->replica->is_leader()) continue;
    const ReplicaId there = entry->replica->member_at(node);
    if (there.value == 0) continue;
    const ReplicaId leader = entry->replica->core().leader();
    if (leader == there && entry->rest == RestKind::kAwake) {
      entry->replica->say_hello();
    } else if (leader == there || leader.value == 0) {
      entry->owes_hello = true;
    }
  }
}

void RaftNode::on_disconnected(NodeId node, StreamLoss how, BootTime now) {
  note_time(now);
  Peer* peer = find_peer(node);
  if (peer == nullptr) return;
  peer->is_connected = false;
  peer->sender.start_afresh();
  detector_.on_stream_end(node, how, now_);
  on_log_broken(node, now_);
  run_verdicts();
}

void RaftNode::on_log_broken(NodeId node, BootTime now) {
  note_time(now);
  Peer* peer = find_peer(node);
  if (peer == nullptr) return;
  peer->outbox.reset();
  for (auto& [group, entry] : hosted_) {
    if (!entry->replica->is_leader()) continue;
    const ReplicaId member = entry->replica->member_at(node);
    if (member.value == 0) continue;
    if (entry->rest == RestKind::kAwake) {
      entry->replica->unreachable(member);
    } else {
      entry->unreachable.insert(member);  // Told on waking (cockroach #104212).
    }
  }
}

// --- Batches out
// -----------------------------------------------------------------------------------

HeartbeatItem RaftNode::item_of(const Envelope& message) const {
  const auto& heartbeat = std::get<Heartbeat>(message.body);
  return {message.group,        message.from.replica, message.to.replica, message.term,
          message.config_index, heartbeat.commit,     heartbeat.read_ctx, heartbeat.quiesce};
}

void RaftNode::offer_heartbeat(Hosted& entry, const Envelope& message) {
  if (entry.is_stalled || !disk_.may_heartbeat) return;  // Must not look alive.
  Peer* peer = find_peer(message.to.node);
  if (peer == nullptr) return ports_.messages->send(message);
  const HeartbeatItem item = item_of(message);
  entry.items.insert_or_assign(message.to.node, item);
  peer->sender.offer(item);
}

void RaftNode::withdraw_heartbeats(Hosted& entry) {
  for (const auto& [node, item] : entry.items)
    if (Peer* peer = find_peer(node); peer != nullptr) peer->sender.withdraw(item.group);
  entry.items.clear();
  entry.answered.clear();
}

NodeHeader RaftNode::header() const {
  NodeHeader header;
  header.incarnation = config_.self.incarnation;
  header.lead_epoch = lead_epoch_;
  header.wall_clock = wall_;
  header.monotonic_ns = nanoseconds(now_);
  header.disk_pressure_percent = disk_percent_;
  header.cpu_pressure_percent = cpu_percent_;
  header.hears = detector_.heard_nodes(now_);
  return header;
}

void RaftNode::set_pressure(uint8_t disk_percent, uint8_t cpu_percent) {
  disk_percent_ = disk_percent;
  cpu_percent_ = cpu_percent;
}

void RaftNode::send_batches() {
  const NodeHeader shared = header();
  for (auto& [node, peer] : peers_) {
    if (!peer->is_connected) continue;
    HeartbeatBatch batch = peer->sender.make_batch(shared);
    ++counters_.batches_sent;
    counters_.items_sent += batch.full.size() + batch.changed.size();
    ports_.messages->send_node(node, std::move(batch));
  }
}

// Nobody is vouched for by a peer that says nothing: those who rest behind it get time again.
void RaftNode::watch_quiet_peers() {
  for (auto& [node, peer] : peers_) {
    const std::optional<NodeTick> heard = receiver_.batch_heard(node);
    if (!peer->is_quiet_to_us && heard && !is_fresh(*heard)) {
      peer->is_quiet_to_us = true;
      wake_silent(receiver_.silent_for(node));
    }
    if (!peer->is_quiet_to_leaders && !is_fresh(peer->vouched_at)) {
      peer->is_quiet_to_leaders = true;
      wake_silent(peer->sender.standing());
    }
  }
}

void RaftNode::wake_silent(const std::vector<GroupId>& groups) {
  for (const GroupId group : groups) {
    Hosted* entry = find_hosted(group);
    if (entry != nullptr && entry->rest == RestKind::kVouched)
      queue_wake(*entry, {WakeKind::kTicks, {}, {}});
  }
}

// --- Batches in
// ------------------------------------------------------------------------------------

// False: of an older life, or of nobody we know.
bool RaftNode::note_header(NodeId from, const NodeHeader& header) {
  Peer* peer = find_peer(from);
  if (peer == nullptr || header.incarnation == 0) {
    ++counters_.dropped_foreign;
    return false;
  }
  if (!detector_.on_heard(from, header.incarnation, now_)) {
    ++counters_.dropped_old_life;
    return false;
  }
  detector_.on_hears(from, header.hears, now_);
  peer->is_connected = true;
  run_verdicts();
  // Q10: what sleeps under a leader there may have none any more.
  const bool is_raised = peer->lead_epoch && header.lead_epoch > *peer->lead_epoch;
  peer->lead_epoch = std::max(header.lead_epoch, peer->lead_epoch.value_or(0));
  if (!is_raised) return true;
  for (auto& [group, entry] : hosted_) {
    const ReplicaId leader = entry->replica->core().leader();
    const bool is_asleep_there = entry->rest == RestKind::kQuiesced && leader.value != 0 &&
                                 entry->replica->member_at(from) == leader;
    if (is_asleep_there) queue_wake(*entry, {WakeKind::kRestarted, leader, from});
  }
  return true;
}

Status RaftNode::recv_batch(NodeId from, const HeartbeatBatch& batch, const Arrival& arrival) {
  note_time(arrival.now);
  if (arrival.received_at < resumed_at_) {
    ++counters_.dropped_after_pause;
    return Status::ok_status();
  }
  if (!note_header(from, batch.header)) return Status::ok_status();
  ++counters_.batches_received;
  WL_ASSIGN_OR_RETURN(const HeartbeatReceiver::Outcome outcome,
                      receiver_.on_batch(from, batch, tick_));
  wake_silent(outcome.lapsed);
  if (outcome.is_stale) return Status::ok_status();
  find_peer(from)->is_quiet_to_us = false;
  ports_.messages->send_node(from, make_reply(from, batch, outcome));
  return Status::ok_status();
}

HeartbeatReply RaftNode::make_reply(NodeId from, const HeartbeatBatch& batch,
                                    const HeartbeatReceiver::Outcome& outcome) {
  HeartbeatReply reply;
  reply.seq_echo = batch.seq;
  reply.monotonic_ns_echo = batch.header.monotonic_ns;
  if (outcome.is_understood) {
    reply.item_count = static_cast<uint32_t>(outcome.list->size());
    reply.ok = all_bits(outcome.list->size());
    reply.answers = outcome.answers;
    for (const HeartbeatAnswer& answer : outcome.answers) clear_bit(reply.ok, answer.place);
    for (const uint32_t place : outcome.for_groups) {
      const HeartbeatItem& item = (*outcome.list)[place];
      const std::optional<Envelope> answer = ask_group(from, batch.header.incarnation, item);
      if (answer && is_plain_ok(item, *answer)) continue;
      clear_bit(reply.ok, place);
      if (answer) reply.answers.push_back(to_answer(place, *answer));
    }
    std::sort(reply.answers.begin(), reply.answers.end(),
              [](const HeartbeatAnswer& a, const HeartbeatAnswer& b) { return a.place < b.place; });
  }
  reply.header = header();
  return reply;
}

// What the group says at once; an answer that waits for the disk comes later as its own message.
std::optional<Envelope> RaftNode::ask_group(NodeId from, uint64_t incarnation,
                                            const HeartbeatItem& item) {
  ++counters_.items_for_groups;
  const Envelope message{item.group,
                         {from, incarnation, item.from},
                         self_address(item.to),
                         item.term,
                         item.config_index,
                         Heartbeat{item.commit, item.read_ctx, item.quiesce}};
  std::optional<Envelope> answer;
  collected_ = &answer;
  deliver(message);
  collected_ = nullptr;
  return answer;
}

void RaftNode::recv_reply(NodeId from, const HeartbeatReply& reply, const Arrival& arrival) {
  note_time(arrival.now);
  if (arrival.received_at < resumed_at_) {  // Answers a leader of the time before the pause.
    ++counters_.dropped_after_pause;
    return;
  }
  if (!note_header(from, reply.header)) return;
  Peer& peer = *find_peer(from);
  const HeartbeatSender::Answers answers = peer.sender.on_reply(reply);
  if (!answers.is_valid) return;
  const BootTime sent_at{Micros{static_cast<Micros::rep>(reply.monotonic_ns_echo / 1000)}};
  clocks_.add(from, {sent_at, now_, reply.header.wall_clock});
  // Whose answer is missing was not heard: its time is made up for before the others are vouched
  // for.
  for (const GroupId group : answers.silent) {
    Hosted* entry = find_hosted(group);
    if (entry == nullptr || entry->rest != RestKind::kVouched) continue;
    before_input(*entry->replica);
    if (entry->replica->is_running()) rouse(*entry);
  }
  for (const ItemAnswer& answer : answers.given)
    deliver_answer(from, reply.header.incarnation, answer);
  peer.vouched_at = tick_;
  peer.is_quiet_to_leaders = false;
}

void RaftNode::deliver_answer(NodeId from, uint64_t incarnation, const ItemAnswer& given) {
  const HeartbeatItem& item = given.item;
  const HeartbeatAnswer& answer = given.answer;
  Hosted* entry = find_hosted(item.group);
  if (entry == nullptr || entry->replica->id() != item.from || !entry->replica->is_running())
    return;
  const Term term = answer.term.value != 0 ? answer.term : item.term;
  ++counters_.group_messages;
  entry->replica->recv(
      {item.group,
       {from, incarnation, item.to},
       self_address(item.from),
       term,
       answer.config_index,
       HeartbeatResp{answer.status, answer.read_ctx, answer.applied, answer.last_index}});
  const bool is_ok = answer.status == HeartbeatStatus::kOk && term == item.term;
  if (is_ok && entry->replica->is_leader()) entry->answered[from] = tick_;
}

// --- Verdicts about nodes [S 08/3.4]
// -----------------------------------------------------------------

void RaftNode::recv_farewell(NodeId from, uint64_t incarnation, const Farewell&, BootTime now) {
  note_time(now);
  if (find_peer(from) == nullptr) return;
  detector_.on_goodbye(from, incarnation, now_);
  run_verdicts();
}

void RaftNode::run_verdicts() {
  const std::vector<PeerEvent> events = detector_.take_events();
  for (const PeerEvent& event : events) on_verdict(event);
  if (!events.empty()) run_wakes();
}

void RaftNode::on_verdict(const PeerEvent& event) {
  if (Peer* peer = find_peer(event.node);
      peer != nullptr && event.verdict == PeerVerdict::kRestarted) {
    peer->sender.start_afresh();
    peer->lead_epoch.reset();
    wake_silent(receiver_.forget_peer(event.node));
  }
  // Its own side hears nothing; whoever hears it must say so [S 08/3.4].
  if (event.verdict == PeerVerdict::kDeaf)
    ports_.node->report({ReportKind::kPeerDeaf,
                         {},
                         {},
                         0,
                         fmt::format("node {} is heard and does not hear this node: the link is "
                                     "broken in one direction",
                                     event.node.value)});
  for (auto& [group, entry] : hosted_) {
    if (!entry->replica->is_running()) continue;
    const ReplicaId there = entry->replica->member_at(event.node);
    if (there.value == 0) continue;
    if (entry->replica->is_leader()) {
      on_member_node(*entry, there, event);
    } else if (entry->replica->core().leader() == there) {
      on_leader_node(*entry, there, event);
    }
  }
}

void RaftNode::on_leader_node(Hosted& entry, ReplicaId leader, const PeerEvent& event) {
  switch (event.verdict) {
    case PeerVerdict::kAlive:
    case PeerVerdict::kDeaf:
      return;
    case PeerVerdict::kSuspect:
    case PeerVerdict::kDead:
      if (entry.rest == RestKind::kQuiesced)
        queue_wake(entry, {WakeKind::kSuspect, leader, event.node});
      return;
    case PeerVerdict::kRestarted:
      if (entry.rest == RestKind::kAwake)
        return entry.replica->node_hint(leader, PeerHint::kRestarted);
      return queue_wake(entry, {WakeKind::kRestarted, leader, event.node});
    case PeerVerdict::kCertain:
      return queue_wake(entry, {WakeKind::kCertain, leader, event.node});
  }
}

void RaftNode::on_member_node(Hosted& entry, ReplicaId member, const PeerEvent& event) {
  switch (event.verdict) {
    case PeerVerdict::kSuspect:
    case PeerVerdict::kDeaf:
      return;
    case PeerVerdict::kAlive:
      if (entry.rest == RestKind::kQuiesced && entry.lagging.contains(event.node))
        queue_wake(entry, {WakeKind::kReturned, member, event.node});
      return;
    case PeerVerdict::kDead:
    case PeerVerdict::kCertain:
      if (entry.rest == RestKind::kQuiesced) entry.lagging.insert(event.node);
      return;
    case PeerVerdict::kRestarted:
      if (entry.rest == RestKind::kAwake)
        return entry.replica->node_hint(member, PeerHint::kRestarted);
      return queue_wake(entry, {WakeKind::kRestarted, member, event.node});
  }
}

// The leader's process is gone for certain. Voters take turns, in an order all of them know, each
// long enough for one to win before the next begins [S 08/3.4].
void RaftNode::start_fast_path(Hosted& entry) {
  GroupReplica& replica = *entry.replica;
  const GroupId group = replica.group();
  const ReplicaId gone = replica.core().leader();
  if (entry.rest == RestKind::kQuiesced) {
    replica.node_hint(gone, PeerHint::kSuspect);
  } else {
    replica.forget_leader();
  }
  const Membership& config = replica.core().log().config();
  if (!config.is_voter(replica.id())) return;
  const uint64_t own = mix_hash(group.value, replica.id().value);
  uint64_t rank = 0;
  for (const ReplicaId voter : config.all_voters()) {
    const uint64_t hash = mix_hash(group.value, voter.value);
    const bool is_before = hash < own || (hash == own && voter < replica.id());
    if (voter != gone && voter != replica.id() && is_before) ++rank;
  }
  ++counters_.fast_paths;
  const auto step = static_cast<uint64_t>(config_.fast_path_step.count());
  const auto delay = static_cast<Micros::rep>(rank * step + mix_hash(own, tick_.value) % step);
  campaigns_.insert_or_assign(group, now_ + Micros{delay});
}

// --- Handing over, the disk [S 08/3.12]
// --------------------------------------------------------------

bool RaftNode::is_successor(const MemberInfo& member) const {
  const auto peer = peers_.find(member.node);
  return peer != peers_.end() && peer->second->is_connected && detector_.is_alive(member.node) &&
         detector_.hears_us(member.node);
}

bool RaftNode::hand_over(Hosted& entry) {
  const ReplicaId target = entry.replica->best_successor(
      [this](const MemberInfo& member) { return is_successor(member); });
  return target.value != 0 && entry.replica->transfer(target).ok();
}

void RaftNode::on_disk(const DiskVerdict& verdict) {
  const bool could_lead = may_lead();
  const DiskVerdict before = std::exchange(disk_, verdict);
  if (before == verdict) return;
  tell_eligible(could_lead);
  if (before.is_full != verdict.is_full)
    for (auto& [group, entry] : hosted_) entry->replica->set_disk_full(verdict.is_full);
  if (before.may_heartbeat && !verdict.may_heartbeat) {
    step_down_everywhere();
  } else if (before.is_eligible && !verdict.is_eligible) {
    hand_over_everything();
    run_wakes();
  }
}

void RaftNode::tell_eligible(bool before) {
  if (before == may_lead()) return;
  for (auto& [group, entry] : hosted_) entry->replica->set_eligible(may_lead());
}

// Paced like all that concerns thousands of groups; repeated while the reason stays.
void RaftNode::hand_over_everything() {
  for (auto& [group, entry] : hosted_) {
    const bool is_due = entry->replica->is_leader() &&
                        entry->replica->core().transferee().value == 0 &&
                        entry->replica->core().log().config().voters.size() > 1;
    if (is_due) queue_wake(*entry, {WakeKind::kHandOver, {}, {}});
  }
}

// Nothing is said in the name of what was led here: who sleeps under it learns by the lead epoch.
void RaftNode::step_down_everywhere() {
  is_stepping_down_ = true;
  bool left_sleepers = false;
  for (auto& [group, entry] : hosted_) {
    if (!entry->replica->is_leader()) continue;
    const RestKind before = entry->rest;
    if (before == RestKind::kQuiesced) {
      left_sleepers = true;
      entry->replica->wake();
    }
    entry->replica->paused();
    if (before == RestKind::kAwake || !entry->replica->is_running()) continue;
    // Thousands must not begin elections at once.
    entry->rest = RestKind::kVouched;
    wheel_.deactivate(group);
    queue_wake(*entry, {WakeKind::kTicks, {}, {}});
  }
  is_stepping_down_ = false;
  if (left_sleepers) ++lead_epoch_;
}

size_t RaftNode::drain(size_t at_once) {
  if (!std::exchange(is_leaving_, true))
    for (auto& [group, entry] : hosted_) entry->replica->set_eligible(false);
  size_t led = 0;
  size_t under_way = 0;
  std::vector<Hosted*> waiting;
  for (auto& [group, entry] : hosted_) {
    const bool is_led =
        entry->replica->is_leader() && entry->replica->core().log().config().voters.size() > 1;
    if (!is_led) continue;
    ++led;
    if (entry->replica->core().transferee().value != 0) {
      ++under_way;
    } else {
      waiting.push_back(entry.get());
    }
  }
  for (Hosted* entry : waiting) {
    if (under_way >= at_once) break;
    if (hand_over(*entry)) ++under_way;
  }
  return led;
}

void RaftNode::say_farewell(LeaveReason reason) {
  for (const auto& [node, peer] : peers_) ports_.messages->send_node(node, Farewell{reason});
}

}  // namespace worldline::replication
