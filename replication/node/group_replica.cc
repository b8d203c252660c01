#include "replication/node/group_replica.h"

#include <utility>

namespace worldline::replication {

GroupReplica::GroupReplica(const RaftConfig& config, RestoredState restored,
                           const ReplicaPorts& ports)
    : ports_(ports), core_(config, std::move(restored)) {
  WL_CHECK(ports.log != nullptr);
  WL_CHECK(ports.machine != nullptr);
  WL_CHECK(ports.snapshots != nullptr);
  WL_CHECK(ports.node != nullptr);
  WL_CHECK(ports.host != nullptr);
}

void GroupReplica::start() {
  touch();
  end(SendCause::kInput);
}

// --- The frame of every input
// ----------------------------------------------------------------------

bool GroupReplica::begin() {
  WL_CHECK(!is_draining_);  // A port called back.
  if (!is_running()) return false;
  ports_.host->before_input(*this);
  return is_running();  // What it missed may have ended it.
}

void GroupReplica::end(SendCause cause) {
  drain(cause);
  if (is_running()) ports_.host->settled(*this);
}

void GroupReplica::drain(SendCause cause) {
  Ready ready = core_.take_ready();
  is_draining_ = true;
  for (const Note& note : ready.notes) {
    ports_.host->noted(*this, note);
    ports_.node->noted(group(), note);
  }
  // First of all: whoever is asked about this replica from here on hears of its new state.
  ports_.host->changed(*this);
  // Our own core is at fault: nothing of the failing input leaves.
  if (!core_.is_stopped()) hand_out(ready, cause);
  is_draining_ = false;
  for (const Fatal& fatal : ready.fatal) handle_fatal(fatal);
}

void GroupReplica::hand_out(Ready& ready, SendCause cause) {
  for (const RoleChange& change : ready.role_changes) ports_.machine->role_changed(change);
  for (const ConfigChange& change : ready.config_changes) ports_.machine->config_changed(change);
  if (ready.persist) {
    ++jobs_in_flight_;
    ports_.log->write(group(), id(), std::move(*ready.persist));
  }
  for (Envelope& message : ready.send_now) ports_.host->send(*this, std::move(message), cause);
  if (ready.install) {
    applying_.clear();
    ports_.machine->install(*ready.install);
  }
  if (!ready.apply.empty()) {
    applying_.push_back({ready.apply.back().entry.index, ports_.host->now_tick()});
    ports_.machine->apply(std::move(ready.apply));
  }
  hand_out_reads_and_snapshots(ready);
  for (const FetchRequest& request : ready.fetch) ports_.host->fetch(*this, request);
  if (ready.compact) ports_.log->compact(group(), *ready.compact);
}

void GroupReplica::hand_out_reads_and_snapshots(const Ready& ready) {
  for (const ReadReady& read : ready.read_ready) ports_.machine->read_ready(read);
  for (const ReadToken token : ready.read_failed) ports_.machine->read_failed(token);
  const bool has_snapshots =
      !ready.offers.empty() || !ready.send_snapshot.empty() || !ready.cancel_snapshot.empty();
  if (has_snapshots) touch();
  for (const SnapshotMeta& meta : ready.offers) ports_.snapshots->offered(group(), meta);
  // Before the sends: a peer that left and came back is cancelled once and sent to once.
  for (const ReplicaId peer : ready.cancel_snapshot) ports_.snapshots->cancel(group(), peer);
  for (const ReplicaId peer : ready.send_snapshot) ports_.snapshots->send(group(), peer);
}

// --- Broken invariants [S 08/2]
// ----------------------------------------------------------------------

void GroupReplica::handle_fatal(const Fatal& fatal) {
  if (fatal.replica != id()) {
    return ports_.node->report(
        {ReportKind::kPeerLostData, group(), fatal.replica, fatal.invariant, fatal.text});
  }
  switch (fatal.scope) {
    case FatalScope::kReplica:
      return quarantine(fatal.invariant, fatal.text);
    case FatalScope::kProcess:
      return ports_.node->fatal(group(), fatal);
    case FatalScope::kGroup:
      // The process may end; the report goes to whoever can still hear it.
      if (stop_reason_ == StopReason::kNone)
        stop(StopReason::kFrozen,
             {ReportKind::kGroupFrozen, group(), id(), fatal.invariant, fatal.text});
      return ports_.node->fatal(group(), fatal);
  }
}

void GroupReplica::quarantine(int invariant, const std::string& why) {
  if (stop_reason_ != StopReason::kNone) return;
  ports_.log->quarantine(group(), id(), why);
  core_.quarantine();
  stop(StopReason::kQuarantined, {ReportKind::kQuarantined, group(), id(), invariant, why});
}

void GroupReplica::freeze(const std::string& why) {
  if (stop_reason_ != StopReason::kNone) return;
  stop(StopReason::kFrozen, {ReportKind::kGroupFrozen, group(), id(), 0, why});
}

void GroupReplica::stop(StopReason reason, const NodeReport& report) {
  RoleChange change;
  change.role = RoleKind::kQuarantined;
  change.term = core_.term();
  ports_.machine->role_changed(change);
  stop_reason_ = reason;
  applying_.clear();
  ports_.host->stopped(*this);
  ports_.node->report(report);
}

// --- Time and messages
// -------------------------------------------------------------------------------

void GroupReplica::tick() {
  if (!begin()) return;
  core_.tick();
  end(SendCause::kTick);
}

void GroupReplica::recv(const Envelope& message) {
  if (!begin()) return;
  const bool is_heartbeat = std::holds_alternative<Heartbeat>(message.body) ||
                            std::holds_alternative<HeartbeatResp>(message.body);
  if (!is_heartbeat) touch();
  core_.recv(message);
  end(SendCause::kInput);
}

void GroupReplica::paused() {
  if (!begin()) return;
  core_.paused();
  end(SendCause::kInput);
}

void GroupReplica::catch_up(const MissedTime& missed) {
  if (missed.heartbeat) {
    core_.recv(*missed.heartbeat);
    // It was answered from the table: the core has nothing to add but that answer.
    Ready ready = core_.take_ready();
    std::erase_if(ready.send_now, [](const Envelope& message) {
      return std::holds_alternative<HeartbeatResp>(message.body);
    });
    WL_DCHECK(ready.send_now.empty() && !ready.persist && ready.role_changes.empty());
    if (!core_.is_stopped()) hand_out(ready, SendCause::kTick);
    for (const Fatal& fatal : ready.fatal) handle_fatal(fatal);
  }
  for (const Envelope& answer : missed.answers) {
    core_.recv(answer);
    drain(SendCause::kTick);
    if (!is_running()) return;
  }
  for (uint64_t i = 0; i < missed.ticks && is_running(); ++i) {
    core_.tick();
    drain(SendCause::kTick);
  }
}

// --- Completions
// -------------------------------------------------------------------------------------

void GroupReplica::persisted(JobId job) {
  if (!begin()) return;
  jobs_in_flight_ -= jobs_in_flight_ > 0 ? 1 : 0;
  core_.persisted(job);
  end(SendCause::kInput);
}

void GroupReplica::applied(LogIndex index) {
  if (!begin()) return;
  while (!applying_.empty() && applying_.front().last <= index) applying_.pop_front();
  core_.applied(index);
  end(SendCause::kInput);
}

void GroupReplica::checkpointed(EntryId id, Chain chain) {
  if (!begin()) return;
  core_.checkpointed(id, chain);
  end(SendCause::kInput);
}

void GroupReplica::fetched(ReplicaId peer, std::vector<Entry> entries) {
  if (!begin()) return;
  core_.fetched(peer, std::move(entries));
  end(SendCause::kInput);
}

void GroupReplica::snapshot_staged(const SnapshotMeta& meta) {
  if (!begin()) return;
  touch();
  core_.snapshot_staged(meta);
  end(SendCause::kInput);
}

void GroupReplica::installed(LogIndex index) {
  if (!begin()) return;
  touch();
  core_.installed(index);
  end(SendCause::kInput);
}

void GroupReplica::snapshot_result(ReplicaId peer, SnapshotOutcome outcome) {
  if (!begin()) return;
  touch();
  core_.snapshot_result(peer, outcome);
  end(SendCause::kInput);
}

void GroupReplica::snapshot_pinned(ReplicaId peer, LogIndex index) {
  if (!begin()) return;
  touch();
  core_.snapshot_pinned(peer, index);
  end(SendCause::kInput);
}

// --- Work
// ----------------------------------------------------------------------------------------------

ProposeResult GroupReplica::propose(Term term, const std::vector<Proposal>& proposals) {
  if (!begin()) {
    ProposeResult result;
    result.refusal = Refusal::kStopped;
    result.term = core_.term();
    return result;
  }
  touch();
  const ProposeResult result = core_.propose(term, proposals);
  end(SendCause::kInput);
  return result;
}

Result<LogIndex> GroupReplica::change_config(const std::vector<MemberChange>& changes,
                                             LogIndex expected_index) {
  if (!begin()) return Status::failed_precondition("this replica was stopped");
  touch();
  Result<LogIndex> result = core_.change_config(changes, expected_index);
  end(SendCause::kInput);
  return result;
}

Status GroupReplica::read_barrier(ReadToken token) {
  if (!begin()) return Status::failed_precondition("this replica was stopped");
  touch();
  core_.read_barrier(token);
  end(SendCause::kInput);
  return Status::ok_status();
}

Status GroupReplica::transfer(ReplicaId target) {
  if (!begin()) return Status::failed_precondition("this replica was stopped");
  touch();
  Status status = core_.transfer(target);
  end(SendCause::kInput);
  return status;
}

Status GroupReplica::campaign(CampaignReason reason) {
  if (!begin()) return Status::failed_precondition("this replica was stopped");
  touch();
  Status status = core_.campaign(reason);
  end(SendCause::kInput);
  return status;
}

void GroupReplica::set_next_due(std::optional<BootTime> due) {
  if (next_due_ == due) return;
  next_due_ = due;
  if (is_running()) ports_.host->due_changed(*this);
}

void GroupReplica::wake() {
  if (!begin()) return;
  touch();
  core_.wake();
  end(SendCause::kInput);
}

// --- By order of the node
// --------------------------------------------------------------------------------

void GroupReplica::unreachable(ReplicaId peer) {
  if (!begin()) return;
  core_.unreachable(peer);
  end(SendCause::kInput);
}

void GroupReplica::node_hint(ReplicaId peer, PeerHint hint) {
  if (!begin()) return;
  core_.node_hint(peer, hint);
  end(SendCause::kInput);
}

void GroupReplica::say_hello() {
  if (!begin()) return;
  core_.say_hello();
  end(SendCause::kInput);
}

void GroupReplica::forget_leader() {
  if (!begin()) return;
  core_.forget_leader();
  end(SendCause::kInput);
}

void GroupReplica::set_eligible(bool eligible) {
  if (!begin()) return;
  core_.set_eligible(eligible);
  end(SendCause::kInput);
}

void GroupReplica::set_disk_full(bool is_full) {
  if (!begin()) return;
  core_.set_disk_full(is_full);
  end(SendCause::kInput);
}

Status GroupReplica::quiesce() {
  if (!begin()) return Status::failed_precondition("this replica was stopped");
  Status status = core_.quiesce();
  end(SendCause::kInput);
  return status;
}

// --- Observers
// -----------------------------------------------------------------------------------------

std::optional<NodeTick> GroupReplica::applying_since() const {
  if (applying_.empty()) return std::nullopt;
  return applying_.front().since;
}

ReplicaId GroupReplica::member_at(NodeId node) const {
  for (const MemberInfo& member : core_.log().config().members)
    if (member.node == node) return member.replica;
  return {};
}

}  // namespace worldline::replication
