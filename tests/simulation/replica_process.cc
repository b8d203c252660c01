#include "tests/simulation/replica_process.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/cluster.h"

namespace worldline::simulation {
namespace {

using replication::Envelope;
using replication::RaftCore;
using replication::Ready;
using replication::RoleKind;

constexpr uint32_t kQuiesceHeartbeats = 10;

bool is_request(const replication::MessageBody& body) {
  return std::holds_alternative<replication::PreVoteReq>(body) ||
         std::holds_alternative<replication::VoteReq>(body) ||
         std::holds_alternative<replication::Append>(body) ||
         std::holds_alternative<replication::Heartbeat>(body) ||
         std::holds_alternative<replication::ReadIndexReq>(body) ||
         std::holds_alternative<replication::Hello>(body);
}

}  // namespace

ReplicaProcess::ReplicaProcess(SimNode& node, Cluster& cluster,
                               const replication::RaftConfig& config, Mounted mounted)
    : node_(node),
      cluster_(cluster),
      inputs_(config, mounted.state, cluster.recording()),
      machine_(mounted.machine),
      machine_index_(mounted.state.applied),
      next_checkpoint_(machine_index_.next()) {}

// --- Inputs --------------------------------------------------------------------------------------

void ReplicaProcess::tick() {
  inputs_.tick();
  maybe_quiesce();
  if (cluster_.scenario().checkpoint_entries > 0 && machine_index_ >= next_checkpoint_)
    cut_checkpoint();
  drain();
}

void ReplicaProcess::after_silence() {
  inputs_.paused();
  drain();
}

void ReplicaProcess::receive(const Envelope& message) {
  tell_if_gone(message);
  speaker_ = message.from.replica;
  const bool was_asleep = core_.is_quiesced();
  cluster_.observer().on_receive(core_, message);
  inputs_.recv(message);
  if (!was_asleep && core_.is_quiesced()) asleep_under_ = message.from.incarnation;
  if (hello_due_ && core_.leader().value != 0) {
    hello_due_ = false;
    inputs_.say_hello();
  }
  drain();
  speaker_ = {};
}

void ReplicaProcess::on_job_stable(replication::JobId job) {
  cluster_.observer().on_job_stable(core_, job);
  inputs_.persisted(job);
  node_.did(Step::kStable);
  drain();
}

void ReplicaProcess::on_fetch() {
  if (fetches_.empty()) return;
  const replication::FetchRequest request = fetches_.front();
  fetches_.pop_front();
  auto entries = node_.disk().read(request);
  if (!entries.ok()) return node_.on_damage_read(entries.status());
  inputs_.fetched(request.peer, std::move(entries).value());
  drain();
}

// A member that knows a newer committed config tells who is no longer in it [S 08/3.10].
void ReplicaProcess::tell_if_gone(const Envelope& message) {
  if (core_.role() == RoleKind::kUninit || core_.role() == RoleKind::kQuarantined) return;
  if (!is_request(message.body) || message.to.replica != core_.config().self.replica) return;
  const replication::ConfigAt& committed = core_.log().config_at(core_.commit());
  if (committed.config.contains(message.from.replica) || message.config_index >= committed.index)
    return;
  cluster_.send(node_.slot(),
                {kGroup, core_.config().self, message.from, core_.term(), committed.index,
                 replication::GroupGone{message.from.replica, replication::GoneReason::kRemoved}});
}

// The quiescence manager: nothing happened for ten heartbeats [S 08/3.3 Q1].
void ReplicaProcess::maybe_quiesce() {
  if (!cluster_.scenario().has(FaultClass::kQuiesce)) return;
  const bool is_idle = core_.role() == RoleKind::kLeader && core_.pending_reads() == 0 &&
                       core_.log().last() == idle_last_ && writes_.empty();
  idle_last_ = core_.log().last();
  idle_ticks_ = is_idle ? idle_ticks_ + 1 : 0;
  if (idle_ticks_ >= kQuiesceHeartbeats * cluster_.scenario().heartbeat_ticks) quiesce();
}

// Every member is surely alive or surely dead, and a majority lives.
void ReplicaProcess::quiesce() {
  const replication::Membership& config = core_.log().config();
  const auto lives = [this](ReplicaId replica) {
    return replica == core_.config().self.replica ||
           node_.opinion_of(replica) == SimNode::Opinion::kAlive;
  };
  for (const replication::MemberInfo& member : config.members) {
    const bool is_unsure =
        !lives(member.replica) && node_.opinion_of(member.replica) == SimNode::Opinion::kUnsure;
    if (is_unsure) return;
  }
  if (!replication::joint_majority(config, lives)) return;
  inputs_.quiesce().ignore("a group that is not idle stays awake");
}

// Woken by anybody but its leader, a follower wakes the leader too: else two of them depose it in
// its sleep [S 08/3.3 Q5].
void ReplicaProcess::tell_if_woken() {
  const bool was_asleep = std::exchange(is_asleep_, core_.is_quiesced());
  if (!was_asleep || is_asleep_) return;
  const ReplicaId leader = core_.leader();
  const replication::MemberInfo* member = core_.log().config().find(leader);
  if (member == nullptr || leader == core_.config().self.replica || leader == speaker_) return;
  cluster_.send(node_.slot(), {kGroup,
                               core_.config().self,
                               {member->node, 0, leader},
                               core_.term(),
                               core_.log().config_index(),
                               replication::ReadIndexReq{}});
}

// --- Outputs -------------------------------------------------------------------------------------

void ReplicaProcess::drain() {
  Ready ready = inputs_.take_ready();
  carry_out(ready);
  tell_if_woken();
  cluster_.observer().after_step(core_);
  cluster_.trace().add(mix(core_.term().value, core_.commit().value),
                       mix(core_.log().last_chain().value, static_cast<uint64_t>(core_.role())));
}

void ReplicaProcess::carry_out(Ready& ready) {
  Observer& observer = cluster_.observer();
  observer.on_notes(ready);
  for (const replication::Fatal& fatal : ready.fatal)
    if (fatal.replica == core_.config().self.replica) node_.schedule(0, SimNode::kLostData);
  for (const replication::RoleChange& change : ready.role_changes) {
    node_.did(Step::kRole);
    if (change.role != RoleKind::kLeader) outgoing_.clear();
    cluster_.trace().print(cluster_.queue().now(),
                           fmt::format("slot {} replica {}: {} of term {}, leader {}", node_.slot(),
                                       core_.config().self.replica.value, role_name(change.role),
                                       change.term.value, change.leader.value));
  }
  // The disk may complete nothing before this returns, so the order of the two is free.
  if (ready.persist) {
    observer.on_job(core_, *ready.persist);
    DiskJob job;
    job.persist = std::move(ready.persist);
    node_.disk().submit(std::move(job));
    node_.did(Step::kPersist);
  }
  send_all(ready);
  queue_machine(ready);
  for (const replication::SnapshotMeta& meta : ready.offers) on_offer(meta);
  for (const ReplicaId peer : ready.send_snapshot) {
    outgoing_[peer] = {};
    node_.schedule(1, SimNode::kOfferDue, peer.value);
  }
  for (const ReplicaId peer : ready.cancel_snapshot) outgoing_.erase(peer);
  for (const replication::FetchRequest& request : ready.fetch) {
    fetches_.push_back(request);
    node_.schedule(node_.chance().exponential(node_.disk().latency_mean()) + 1, SimNode::kFetch);
  }
  for (const replication::ReadReady& read : ready.read_ready)
    if (const auto found = reads_.find(read.token.value); found != reads_.end())
      found->second.index = read.index;
  for (const replication::ReadToken token : ready.read_failed)
    if (reads_.erase(token.value) > 0) refuse(token.value);
  settle_reads();
  if (!ready.compact) return;
  DiskJob job;
  job.truncate_to = *ready.compact;
  node_.disk().submit(std::move(job));
}

void ReplicaProcess::send_all(Ready& ready) {
  for (Envelope& message : ready.send_now) {
    cluster_.observer().on_send(core_, message);
    cluster_.send(node_.slot(), std::move(message));
    node_.did(Step::kSend);
  }
}

// --- The state machine ---------------------------------------------------------------------------

void ReplicaProcess::queue_machine(Ready& ready) {
  if (!ready.apply.empty()) {
    MachineWork work;
    work.apply = std::move(ready.apply);
    machine_work_.push_back(std::move(work));
  }
  if (ready.install) {
    MachineWork work;
    work.install = std::move(ready.install);
    machine_work_.push_back(std::move(work));
  }
  if (machine_runs_ || machine_work_.empty()) return;
  machine_runs_ = true;
  node_.schedule(node_.chance().exponential(cluster_.scenario().step_delay_mean),
                 SimNode::kMachine);
}

void ReplicaProcess::on_machine_turn() {
  machine_runs_ = false;
  if (machine_work_.empty()) return;
  MachineWork& work = machine_work_.front();
  if (work.install) {
    install(*work.install);
  } else {
    apply_some(work);
  }
  if (work.done == work.apply.size()) machine_work_.pop_front();
  node_.did(Step::kApply);
  drain();
  if (machine_runs_ || machine_work_.empty()) return;
  machine_runs_ = true;
  node_.schedule(node_.chance().exponential(cluster_.scenario().step_delay_mean),
                 SimNode::kMachine);
}

void ReplicaProcess::apply_some(MachineWork& work) {
  const uint64_t left = work.apply.size() - work.done;
  const uint64_t count = node_.chance().with(0.2) ? node_.chance().between(1, left) : left;
  for (uint64_t i = 0; i < count; ++i) apply_one(work.apply[work.done++]);
  settle_reads();
  inputs_.applied(machine_index_);
}

void ReplicaProcess::apply_one(const replication::ApplyEntry& apply) {
  const replication::Entry& entry = apply.entry;
  Observer& observer = cluster_.observer();
  if (entry.index != machine_index_.next())
    return observer.fail(fmt::format("entry {} is handed out for application behind {}",
                                     entry.index.value, machine_index_.value));
  CommandResult result;
  if (entry.kind == EntryKind::kBundle) {
    const std::optional<Command> command = decode_command(*entry.payload);
    if (!command || is_read(command->kind))
      return observer.fail(fmt::format("entry {} is no command", entry.index.value));
    result = machine_.apply(*command);
  }
  machine_index_ = entry.index;
  observer.on_apply(core_.config().self.replica, entry, machine_);
  settle_write(entry, result);
  // A replica that is in the config no more ends, with its data [S 08/1.14 C8].
  if (entry.kind != EntryKind::kConfig || !core_.log().has(entry.index)) return;
  const replication::Membership& config = core_.log().config_at(entry.index).config;
  if (!config.is_joint() && !config.contains(core_.config().self.replica))
    node_.schedule(node_.chance().exponential(50 * kMillisecond), SimNode::kDestroy);
}

void ReplicaProcess::install(const replication::SnapshotMeta& meta) {
  const Cluster::Offered* offered = cluster_.find_offer(meta.snap_id);
  if (offered == nullptr) return cluster_.observer().fail("an unknown snapshot is installed");
  machine_ = offered->checkpoint->state;
  machine_index_ = meta.boundary.id.index;
  // What was proposed here and is below it has an outcome nobody here will learn.
  writes_.erase(writes_.begin(), writes_.upper_bound(machine_index_));
  cluster_.observer().on_install(core_.config().self.replica, meta.boundary, machine_);
  settle_reads();
  inputs_.installed(machine_index_);
}

// --- Clients -------------------------------------------------------------------------------------

void ReplicaProcess::request(const Request& request) {
  if (!is_read(request.command.kind)) {
    propose(request);
  } else {
    reads_[request.token] = {request.command, std::nullopt};
    inputs_.read_barrier(replication::ReadToken{request.token});
  }
  drain();
}

void ReplicaProcess::propose(const Request& request) {
  std::vector<replication::Proposal> proposals;
  proposals.push_back({EntryKind::kBundle, encode_command(request.command, request.padding_bytes)});
  for (uint32_t i = 1; i < request.burst; ++i) {
    Command filler;
    filler.kind = OpKind::kTransfer;
    filler.key = static_cast<uint8_t>(node_.chance().below(kAccounts));
    filler.other = static_cast<uint8_t>(node_.chance().below(kAccounts));
    filler.value = node_.chance().below(10);
    proposals.push_back({EntryKind::kBundle, encode_command(filler, request.padding_bytes)});
  }
  inputs_.wake();  // A call wakes the group, wherever it arrives [S 08/3.3 Q4].
  const replication::ProposeResult result = inputs_.propose(core_.term(), proposals);
  if (!result.ok()) return refuse(request.token);
  // An entry of an older term may still be remembered here: it lost its place.
  if (const auto older = writes_.find(result.first); older != writes_.end())
    refuse(older->second.token);
  writes_[result.first] = {request.token, result.term};
}

void ReplicaProcess::refuse(uint64_t token) {
  Reply reply;
  const ReplicaId leader = core_.leader();
  if (leader.value != 0) reply.hint = cluster_.slot_of_replica(leader);
  cluster_.reply(token, reply);
}

// Another entry at its place proves that a proposal was lost.
void ReplicaProcess::settle_write(const replication::Entry& entry, const CommandResult& result) {
  const auto found = writes_.find(entry.index);
  if (found == writes_.end()) return;
  const PendingWrite write = found->second;
  writes_.erase(found);
  if (write.term != entry.term) return refuse(write.token);
  cluster_.reply(write.token, {Reply::Kind::kDone, result, std::nullopt});
}

void ReplicaProcess::settle_reads() {
  for (auto it = reads_.begin(); it != reads_.end();) {
    if (!it->second.index || *it->second.index > machine_index_) {
      ++it;
      continue;
    }
    finish_read(it->first, it->second);
    it = reads_.erase(it);
  }
}

void ReplicaProcess::finish_read(uint64_t token, const WaitingRead& read) {
  cluster_.reply(token, {Reply::Kind::kDone, machine_.read(read.command), std::nullopt});
}

}  // namespace worldline::simulation
