// Groups and admission: who is here, who may speak to them [S 08/1.5, 3.9, 3.10].
#include "replication/node/raft_node.h"

#include <algorithm>
#include <utility>

#include "replication/node/raft_node_state.h"
#include "replication/node/replica_move.h"
#include "replication/node/stand_in.h"

namespace worldline::replication {
namespace {

// Of these only the newest counts: those that waited out a pause are not worth an answer
// [S 08/3.5].
bool is_control(const MessageBody& body) {
  return !std::holds_alternative<Append>(body) && !std::holds_alternative<AppendResp>(body) &&
         !std::holds_alternative<SnapOffer>(body) && !std::holds_alternative<GroupGone>(body) &&
         !std::holds_alternative<Hello>(body);
}

bool asks_something(const MessageBody& body) {
  return std::holds_alternative<PreVoteReq>(body) || std::holds_alternative<VoteReq>(body) ||
         std::holds_alternative<Append>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<ReadIndexReq>(body) || std::holds_alternative<Hello>(body);
}

}  // namespace

RaftNode::RaftNode(const NodeConfig& config, const NodePorts& ports, BootTime now)
    : config_(config),
      ports_(ports),
      now_(now),
      next_tick_at_(now + kTickLength),
      expected_at_(next_tick_at_),
      resumed_at_(now),
      pacer_(config.wakes_per_second_max, now),
      detector_(config.self.node, {config.heartbeat_time(), config.election_time()}),
      fetches_(config.catch_up_bytes_per_second, now) {
  WL_CHECK(config.validate().ok());
  WL_CHECK(ports.log != nullptr);
  WL_CHECK(ports.messages != nullptr);
  WL_CHECK(ports.snapshots != nullptr);
  WL_CHECK(ports.node != nullptr);
}

RaftNode::~RaftNode() = default;

// --- Groups
// ----------------------------------------------------------------------------------------

void RaftNode::add_tombstone(GroupId group, const GroupTombstone& tombstone) {
  GroupTombstone& kept = tombstones_[group];
  kept.lowest_allowed = std::max(kept.lowest_allowed, tombstone.lowest_allowed);
  if (tombstone.quarantined.value != 0) kept.quarantined = tombstone.quarantined;
}

Status RaftNode::check_order(GroupId group, ReplicaId replica) const {
  if (group.value == 0 || replica.value == 0)
    return Status::invalid_argument("group {} replica {}: ids begin at 1", group.value,
                                    replica.value);
  if (hosted_.contains(group) || creating_.contains(group))
    return Status::already_exists("group {} has a replica on this node", group.value);
  if (hosted_.size() + creating_.size() >= config_.groups_max)
    return Status::overloaded("this node holds {} groups; groups_max is {}", hosted_.size(),
                              config_.groups_max);
  const auto tombstone = tombstones_.find(group);
  if (tombstone == tombstones_.end()) return Status::ok_status();
  if (replica < tombstone->second.lowest_allowed)
    return Status::failed_precondition(
        "replica {} of group {} was removed from this node; the lowest that may come is {}",
        replica.value, group.value, tombstone->second.lowest_allowed.value);
  if (replica == tombstone->second.quarantined)
    return Status::failed_precondition("replica {} of group {} is quarantined on this node",
                                       replica.value, group.value);
  return Status::ok_status();
}

Status RaftNode::open(GroupId group, ReplicaId replica, RestoredState state,
                      StateMachine& machine) {
  WL_RETURN_IF_ERROR(check_order(group, replica));
  host(group, replica, std::move(state), machine);
  return Status::ok_status();
}

Status RaftNode::create(const CreateOrder& order) {
  WL_CHECK(order.machine != nullptr);
  WL_RETURN_IF_ERROR(check_order(order.group, order.replica));
  const bool is_birth = order.boundary.id.index.value != 0;
  if (is_birth && !order.boundary.config.contains(order.replica))
    return Status::invalid_argument("replica {} is no member of the group {} it is born into",
                                    order.replica.value, order.group.value);
  if (is_birth) WL_RETURN_IF_ERROR(order.boundary.config.validate());
  creating_.emplace(order.group, order);
  ports_.log->create(order.group, order.replica, order.boundary);
  return Status::ok_status();
}

void RaftNode::created(GroupId group) {
  const auto found = creating_.find(group);
  if (found == creating_.end()) return;
  const CreateOrder order = std::move(found->second);
  creating_.erase(found);
  RestoredState state;
  state.boundary = order.boundary;
  state.hard.term = order.boundary.id.term;
  state.applied = order.boundary.id.index;
  host(group, order.replica, std::move(state), *order.machine);
  // All start as followers; one of them need not wait for a timeout.
  const bool begins = first_candidate(group, order.boundary.config) == order.replica;
  if (GroupReplica* born = find(group); begins && born != nullptr)
    born->campaign(CampaignReason::kOperator).ignore("it goes on by its timeout");
}

RaftConfig RaftNode::core_config(GroupId group, ReplicaId replica) const {
  RaftConfig config;
  config.group = group;
  config.self = self_address(replica);
  // Timeouts must differ between replicas, between groups, and between lives.
  config.seed = mix_hash(mix_hash(config_.seed, group.value),
                         mix_hash(replica.value, config_.self.incarnation));
  config.election_ticks = config_.election_ticks;
  config.heartbeat_ticks = config_.heartbeat_ticks;
  config.limits = config_.limits;
  config.chain = config_.chain;
  return config;
}

void RaftNode::host(GroupId group, ReplicaId replica, RestoredState state, StateMachine& machine) {
  auto entry = std::make_unique<Hosted>();
  const ReplicaPorts ports{ports_.log, &machine, ports_.snapshots, ports_.node, this};
  entry->replica =
      std::make_unique<GroupReplica>(core_config(group, replica), std::move(state), ports);
  entry->core_tick = tick_;
  entry->owes_hello = true;
  GroupReplica& started = *entry->replica;
  hosted_.emplace(group, std::move(entry));
  wheel_.activate(group);
  started.start();
  if (!started.is_running()) return;
  if (!may_lead()) started.set_eligible(false);
  if (disk_.is_full) started.set_disk_full(true);
}

Status RaftNode::remove(GroupId group, ReplicaId replica) {
  const Hosted* entry = find_hosted(group);
  if (entry == nullptr || entry->replica->id() != replica)
    return Status::not_found("replica {} of group {} is not on this node", replica.value,
                             group.value);
  if (!removing_.emplace(group, replica).second) return Status::ok_status();  // Under way.
  entry->replica->freeze("it was removed from its group");
  // From here on it is gone for everybody, also if the node stops before the batch is written: then
  // the catalog orders it again.
  add_tombstone(group, {replica.next(), {}});
  ports_.log->destroy(group, replica.next());
  return Status::ok_status();
}

void RaftNode::destroyed(GroupId group) {
  if (removing_.erase(group) != 0) unhost(group);
}

void RaftNode::unhost(GroupId group) {
  wheel_.forget(group);
  pacer_.remove(group);
  campaigns_.erase(group);
  fetches_.forget(group);
  gone_checks_.forget(group);
  hosted_.erase(group);
}

void RaftNode::gone_verified(GroupId group, ReplicaId replica, GoneVerdict verdict) {
  const bool was_asked = gone_checks_.on_verified(group, replica);
  if (!was_asked || verdict == GoneVerdict::kStillMember) return;
  remove(group, replica).ignore("it went while the catalog was asked");
}

void RaftNode::freeze(GroupId group, const std::string& why) {
  if (Hosted* entry = find_hosted(group); entry != nullptr) entry->replica->freeze(why);
}

// Of a replica: it takes no part any more, whoever asks is answered for it.
void RaftNode::stopped(GroupReplica& replica) {
  const GroupId group = replica.group();
  Hosted& entry = hosted(replica);
  withdraw_heartbeats(entry);
  // Its members were not told that it leads no more (Q10).
  if (entry.rest == RestKind::kQuiesced) ++lead_epoch_;
  entry.rest = RestKind::kAwake;
  if (replica.stop_reason() == StopReason::kQuarantined)
    tombstones_[group].quarantined = replica.id();
  wheel_.forget(group);
  pacer_.remove(group);
  campaigns_.erase(group);
  fetches_.forget(group);
  receiver_.erase(group);
  for (auto& [node, peer] : peers_) peer->outbox.forget(group);
}

GroupReplica* RaftNode::find(GroupId group) {
  Hosted* entry = find_hosted(group);
  return entry != nullptr ? entry->replica.get() : nullptr;
}

const GroupReplica* RaftNode::find(GroupId group) const {
  const auto found = hosted_.find(group);
  return found != hosted_.end() ? found->second->replica.get() : nullptr;
}

RaftNode::Hosted* RaftNode::find_hosted(GroupId group) {
  const auto found = hosted_.find(group);
  return found != hosted_.end() ? found->second.get() : nullptr;
}

RaftNode::Hosted& RaftNode::hosted(const GroupReplica& replica) {
  Hosted* entry = find_hosted(replica.group());
  WL_CHECK(entry != nullptr);
  return *entry;
}

std::vector<GroupId> RaftNode::groups() const {
  std::vector<GroupId> all;
  for (const auto& [group, entry] : hosted_) all.push_back(group);
  return all;
}

RestKind RaftNode::rest_of(GroupId group) const {
  const auto found = hosted_.find(group);
  return found != hosted_.end() ? found->second->rest : RestKind::kAwake;
}

Status RaftNode::check_invariants() const {
  for (const auto& [group, entry] : hosted_) {
    const GroupReplica& replica = *entry->replica;
    const bool is_active = wheel_.is_active(group);
    if (!replica.is_running()) {
      if (is_active) return Status::internal("group {} was stopped and is ticked", group.value);
      continue;
    }
    const auto tombstone = tombstones_.find(group);
    if (tombstone != tombstones_.end() && replica.id() < tombstone->second.lowest_allowed)
      return Status::internal("I-25: replica {} of group {} is below its tombstone",
                              replica.id().value, group.value);
    const bool is_quiesced = entry->rest == RestKind::kQuiesced;
    if (is_quiesced != replica.core().is_quiesced())
      return Status::internal("group {}: its core and its node disagree about sleep", group.value);
    if (is_quiesced && is_active)
      return Status::internal("group {} sleeps and is ticked", group.value);
    if (entry->rest == RestKind::kAwake && !is_active)
      return Status::internal("group {} is awake and not ticked", group.value);
    const HeartbeatRow* row = receiver_.find(group);
    if (row == nullptr || row->term != replica.core().term() ||
        row->leader != replica.core().leader())
      return Status::internal("group {}: the table has another term or leader", group.value);
  }
  return Status::ok_status();
}

Address RaftNode::self_address(ReplicaId replica) const {
  return {config_.self.node, config_.self.incarnation, replica};
}

// --- Admission
// ---------------------------------------------------------------------------------------

Status RaftNode::recv(const Inbound& inbound, BootTime now) {
  note_time(now);
  if (!admit(inbound)) return Status::ok_status();
  run_verdicts();  // A new life of the sender comes before its words.
  const uint64_t malformed_before = counters_.dropped_malformed;
  deliver(inbound.message);
  if (counters_.dropped_malformed == malformed_before) return Status::ok_status();
  return Status::invalid_argument("node {} sent group {} a malformed {}",
                                  inbound.message.from.node.value, inbound.message.group.value,
                                  message_name(inbound.message.body));
}

// What the core refused is counted with what the node refuses (G1, G3, A9).
void RaftNode::noted(GroupReplica&, const Note& note) {
  if (note.kind == NoteKind::kDropWrongTarget) ++counters_.dropped_foreign;
  if (note.kind == NoteKind::kDropOldIncarnation) ++counters_.dropped_old_life;
  if (note.kind == NoteKind::kDropMalformed || note.kind == NoteKind::kDropTermZero)
    ++counters_.dropped_malformed;
}

// G1 and G2 as far as they concern the node; the rest is the core's.
bool RaftNode::admit(const Inbound& inbound) {
  const Envelope& message = inbound.message;
  const bool is_newer_self =
      message.from.node == config_.self.node && message.from.incarnation > config_.self.incarnation;
  if (is_newer_self && !std::exchange(is_fenced_, true))
    ports_.node->report({ReportKind::kFenced, message.group, message.from.replica, 24,
                         "a newer life of this node is out there; this one must end"});
  const bool is_ours = message.to.node == config_.self.node &&
                       message.from.node != config_.self.node && message.from.node.value != 0;
  if (!is_ours) {
    ++counters_.dropped_foreign;
    return false;
  }
  if (!detector_.on_heard(message.from.node, message.from.incarnation, now_)) {
    ++counters_.dropped_old_life;
    return false;
  }
  if (inbound.received_at < resumed_at_ && is_control(message.body)) {
    ++counters_.dropped_after_pause;
    return false;
  }
  return true;
}

void RaftNode::deliver(const Envelope& message) {
  Hosted* entry = find_hosted(message.group);
  const bool is_here = entry != nullptr && entry->replica->id() == message.to.replica &&
                       entry->replica->is_running();
  if (!is_here) return recv_absent(message);
  const auto* gone = std::get_if<GroupGone>(&message.body);
  // That it lost data a replica hears from its leader: the core judges it (I-12).
  if (gone != nullptr && gone->reason != GoneReason::kLostData)
    return recv_gone(*entry, message, *gone);
  if (tell_if_gone(*entry, message)) return;
  if (answer_from_table(message)) return;
  ++counters_.group_messages;
  speaker_ = message.from.node;
  entry->replica->recv(message);
  speaker_.reset();
}

void RaftNode::recv_absent(const Envelope& message) {
  const auto tombstone = tombstones_.find(message.group);
  const Hosted* entry = find_hosted(message.group);
  Absence absence = Absence::kUnknown;
  if (tombstone != tombstones_.end() && message.to.replica < tombstone->second.lowest_allowed) {
    absence = Absence::kGone;
  } else if (tombstone != tombstones_.end() &&
             message.to.replica == tombstone->second.quarantined) {
    absence = Absence::kQuarantined;
  } else if (entry != nullptr || creating_.contains(message.group)) {
    // Another replica of the group lives here, or this one was stopped by order: no word for it.
    ++counters_.dropped_foreign;
    return;
  }
  std::optional<Envelope> answer =
      answer_for_absent(message, self_address(message.to.replica), absence);
  ++counters_.dropped_foreign;
  if (!answer) return;
  if (collected_ != nullptr && std::holds_alternative<HeartbeatResp>(answer->body)) {
    *collected_ = std::move(answer);
  } else {
    ports_.messages->send(std::move(*answer));
  }
}

// A peer says that a replica is gone. Ours: the catalog knows, a peer only believes.
void RaftNode::recv_gone(Hosted& entry, const Envelope& message, const GroupGone& gone) {
  if (gone.replica == entry.replica->id()) {
    if (gone_checks_.on_told(message.group, gone.replica, now_))
      ports_.node->verify_gone(message.group, gone.replica, gone.reason);
    return;
  }
  const Membership& config = entry.replica->core().log().config();
  const MemberInfo* member = config.find(gone.replica);
  if (member == nullptr || member->node != message.from.node) return;
  ports_.node->report({ReportKind::kDataMissing, message.group, gone.replica, 0,
                       "its node has a tombstone for it"});
}

// A stale replica is told so, if our newer config is committed and lists it nowhere [S 08/3.10].
bool RaftNode::tell_if_gone(const Hosted& entry, const Envelope& message) {
  const RaftCore& core = entry.replica->core();
  const bool is_stranger = asks_something(message.body) &&
                           core.log().boundary().id.index.value != 0 &&
                           !core.log().config().contains(message.from.replica);
  const bool is_certain = core.log().config_index() <= core.commit() &&
                          message.config_index < core.log().config_index();
  if (!is_stranger || !is_certain) return false;
  ports_.messages->send({message.group, self_address(entry.replica->id()), message.from,
                         core.term().value != 0 ? core.term() : message.term,
                         core.log().config_index(),
                         GroupGone{message.from.replica, GoneReason::kRemoved}});
  // It may not disturb the group; what it leads or sends is refused by the core's own rules.
  return std::holds_alternative<PreVoteReq>(message.body) ||
         std::holds_alternative<VoteReq>(message.body);
}

bool RaftNode::answer_from_table(const Envelope& message) {
  if (!std::holds_alternative<Heartbeat>(message.body)) return false;
  const std::optional<HeartbeatResp> response =
      receiver_.answer(item_of(message), message.from, tick_);
  if (!response) return false;
  const HeartbeatRow* row = receiver_.find(message.group);
  ports_.messages->send({message.group, self_address(message.to.replica), message.from, row->term,
                         row->config_index, *response});
  return true;
}

// --- What replicas send
// --------------------------------------------------------------------------------

void RaftNode::send(GroupReplica& replica, Envelope message, SendCause cause) {
  Hosted& entry = hosted(replica);
  const auto* heartbeat = std::get_if<Heartbeat>(&message.body);
  if (heartbeat != nullptr && (is_stepping_down_ || entry.is_stalled)) return;
  const bool can_wait = heartbeat != nullptr && cause == SendCause::kTick && !heartbeat->quiesce;
  if (can_wait) return offer_heartbeat(entry, message);
  if (std::holds_alternative<Append>(message.body)) return send_append(entry, std::move(message));
  if (collected_ != nullptr && std::holds_alternative<HeartbeatResp>(message.body)) {
    *collected_ = std::move(message);
    return;
  }
  ports_.messages->send(std::move(message));
}

void RaftNode::send_append(Hosted& entry, Envelope message) {
  Peer* peer = find_peer(message.to.node);
  if (peer == nullptr) return ports_.messages->send(std::move(message));
  const ReplicaId to = message.to.replica;
  switch (peer->outbox.offer(message)) {
    case AppendOutbox::Outcome::kSend:
      return ports_.messages->send(std::move(message));
    case AppendOutbox::Outcome::kWaiting:
      return;
    case AppendOutbox::Outcome::kDropped:
      ++counters_.dropped_over_budget;
      entry.unreachable.insert(to);  // Told when the core may be called again.
      return;
  }
}

void RaftNode::on_appends_sent(NodeId node, size_t bytes) {
  Peer* peer = find_peer(node);
  if (peer == nullptr) return;
  for (Envelope& message : peer->outbox.sent(bytes)) ports_.messages->send(std::move(message));
}

void RaftNode::fetch(GroupReplica& replica, const FetchRequest& request) {
  const RaftLog& log = replica.core().log();
  const MemberInfo* member = log.config().find(request.peer);
  WaitingFetch waiting;
  waiting.group = replica.group();
  waiting.node = member != nullptr ? member->node : NodeId{};
  waiting.peer = request.peer;
  waiting.first = request.first;
  waiting.last = request.last;
  waiting.bytes_max = request.bytes_max;
  const LogIndex before{request.first.value > 0 ? request.first.value - 1 : 0};
  waiting.is_catch_up = log.bytes_after(before) > config_.catch_up_bytes_behind;
  fetches_.push(waiting);
  // At once, unless the budget or the peer says later; later is looked at every tick.
  run_fetches();
}

void RaftNode::run_fetches() {
  const auto has_room = [this](NodeId node) {
    Peer* peer = find_peer(node);
    return peer == nullptr || peer->outbox.has_room();
  };
  for (const WaitingFetch& ready : fetches_.take(now_, has_room))
    ports_.log->fetch(ready.group, {ready.peer, ready.first, ready.last, ready.bytes_max});
}

}  // namespace worldline::replication
