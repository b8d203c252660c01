#include "actors/replication_desk.h"

#include <utility>

#include <fmt/core.h>

namespace worldline::actors {

using replication::BootTime;
using replication::Membership;

namespace {

constexpr std::chrono::microseconds kNothingDue = std::chrono::hours{1};

// Born with one member; others join by a change of the config.
Membership alone(ReplicaId replica, NodeId node) {
  Membership members;
  members.voters = {replica};
  members.members = {{replica, node, {}}};
  return members;
}

// What a job does to the extent of its group's log.
void follow_log(const storage::LogJob& job, storage::PrefixTruncation& truncation) {
  if (job.replaces_log())
    truncation.on_replaced(job.boundary->index);
  else if (job.truncate_from)
    truncation.on_truncated_suffix(LogIndex{job.truncate_from->value - 1});
  size_t bytes = 0;
  for (const storage::LogEntry& entry : job.entries) bytes += entry.stored_bytes();
  if (!job.entries.empty()) truncation.on_appended(job.entries.back().index(), bytes);
}

}  // namespace

ReplicationDesk::ReplicationDesk(ReplicationDeskParts parts) : parts_(std::move(parts)) {
  const replication::NodePorts ports{this, this, this, this};
  node_ = std::make_unique<replication::RaftNode>(parts_.config, ports, boot_time());
}

ReplicationDesk::~ReplicationDesk() = default;

BootTime ReplicationDesk::boot_time() const {
  return BootTime(parts_.clock->boot());
}

// --- Groups --------------------------------------------------------------------------------------

void ReplicationDesk::open(OpenGroup group) {
  const GroupId id = group.group;
  Hosted& hosted = hosted_[id];
  hosted.machine = std::make_unique<GroupMachine>(group.listener, group.gate);
  hosted.adapter = std::make_unique<replication::LogAdapter>(id, group.replica, group.generation);
  hosted.truncation.emplace(parts_.truncation, group.log);
  hosted.birth_digest = group.birth_digest;
  hosted.replica = group.replica;
  const bool is_recovered = group.restored.has_value();
  const Status begun = begin(group, hosted);
  if (!begun.ok()) return hosted.machine->fail(begun);
  if (!is_recovered) return;
  lead_if_alone(id);
  checkpointed(id, group.covered);  // What the process before had no time for.
}

Status ReplicationDesk::begin(OpenGroup& group, Hosted& hosted) {
  if (group.restored)
    return node_->open(group.group, group.replica, std::move(*group.restored), *hosted.machine);
  replication::CreateOrder order;
  order.group = group.group;
  order.replica = group.replica;
  order.boundary =
      replication::genesis_boundary(group.group, alone(group.replica, parts_.config.self.node));
  order.machine = hosted.machine.get();
  return node_->create(order);
}

void ReplicationDesk::created(GroupId group, const Status& outcome) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  if (!outcome.ok()) return found->second.machine->fail(outcome);
  node_->created(group);
  lead_if_alone(group);
}

// Nobody else could: no timeout needs to pass first.
void ReplicationDesk::lead_if_alone(GroupId group) {
  replication::GroupReplica* replica = node_->find(group);
  if (replica == nullptr) return;
  const Membership& config = replica->core().log().config();
  if (config.members.size() == 1 && config.is_voter(replica->id()) &&
      replica->core().role() == replication::RoleKind::kFollower)
    replica->campaign(replication::CampaignReason::kOperator).ignore("it goes on by its timeout");
  settle(group);
}

void ReplicationDesk::close(GroupId group) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  found->second.machine->mute();
}

void ReplicationDesk::remove(GroupId group, std::function<void()> done) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return done();
  std::function<void()>& removed = found->second.removed;
  if (removed) {  // By another order already.
    removed = [first = std::move(removed), then = std::move(done)] {
      first();
      then();
    };
    return;
  }
  removed = std::move(done);
  const Status status = node_->remove(group, found->second.replica);
  if (status.ok()) return;
  parts_.on_note(fmt::format("group {} is not removed now: {}", group.value, status.message()));
  destroyed(group);  // The next start removes what has no row in the catalog.
}

void ReplicationDesk::destroyed(GroupId group) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  if (node_->find(group) != nullptr) node_->destroyed(group);
  const std::function<void()> done = std::move(found->second.removed);
  hosted_.erase(found);
  if (done) done();
}

// --- Work ----------------------------------------------------------------------------------------

void ReplicationDesk::propose(ProposalBatchPtr batch) {
  const GroupId group = batch->group;
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  found->second.machine->propose(std::move(batch));
  settle(group);
}

void ReplicationDesk::written(std::span<const WrittenJob> jobs) {
  for (const WrittenJob& job : jobs) {
    replication::GroupReplica* replica = node_->find(job.group);
    if (replica == nullptr) continue;
    replica->persisted(job.job);
    settle(job.group);
  }
}

void ReplicationDesk::checkpoint(ProposalSeq covers, CheckpointJob job) {
  const GroupId group = job.group;
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return job.done(Status::unavailable("the group is closed"));
  found->second.machine->checkpoint(covers, std::move(job), parts_.submit_checkpoint);
  settle(group);
}

void ReplicationDesk::checkpointed(GroupId group, const storage::LogPlace& covered) {
  replication::GroupReplica* replica = node_->find(group);
  // Of birth, or let go of already.
  if (replica == nullptr || !replica->core().log().has(covered.index)) return;
  replica->checkpointed({covered.term, covered.index}, covered.chain);
  settle(group);
}

void ReplicationDesk::settle(GroupId group) {
  const auto found = hosted_.find(group);
  replication::GroupReplica* replica = node_->find(group);
  if (found == hosted_.end() || replica == nullptr || !replica->is_running()) return;
  found->second.machine->settle(*replica);
}

// --- Time ----------------------------------------------------------------------------------------

void ReplicationDesk::on_time() {
  node_->set_wall_clock(parts_.clock->now());
  node_->on_time(boot_time());
}

std::chrono::microseconds ReplicationDesk::until_next_deadline() const {
  const BootTime now = boot_time();
  const BootTime due = node_->next_deadline();
  if (due <= now) return std::chrono::microseconds{0};
  return due - now < kNothingDue ? due - now : kNothingDue;
}

// --- Ports ---------------------------------------------------------------------------------------

void ReplicationDesk::write(GroupId group, ReplicaId, replication::PersistJob job) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  storage::LogJob log_job = found->second.adapter->to_log_job(job, nullptr);
  log_job.job = job.job.value;
  follow_log(log_job, *found->second.truncation);
  const Status pushed = parts_.log->push(std::move(log_job)).status();
  // The writer ends the process when the disk fails; a closed writer means that the node stops.
  if (!pushed.ok()) found->second.machine->fail(pushed);
}

// On the writer's thread: the store's reads are safe from any, and this is rare.
void ReplicationDesk::fetch(GroupId, const replication::FetchRequest&) {
  WL_CHECK(false);  // A node alone has no follower that could be behind.
}

void ReplicationDesk::compact(GroupId group, LogIndex upto) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  found->second.truncation->allow(upto.next());
  truncate_if_due(group, found->second);
}

// Few and large, one at a time: what is not worth it now is allowed still when more has come.
void ReplicationDesk::truncate_if_due(GroupId group, Hosted& hosted) {
  const auto need =
      disk_is_full_ ? storage::TruncationNeed::kNow : storage::TruncationNeed::kCoarse;
  const std::optional<LogIndex> first = hosted.truncation->take(need);
  if (!first) return;
  parts_.log
      ->push_task([group, first = *first, post = parts_.post_truncated](storage::LogStore& store) {
        // A failed write ends the process; a group that was stopped meanwhile keeps its log.
        if (store.is_attached(group))
          store.truncate_prefix(group, first).ignore("the log writer hears of it");
        post(group);
      })
      .status()
      .ignore("the node is stopping; a later start does it");
}

void ReplicationDesk::truncated(GroupId group) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end()) return;
  found->second.truncation->on_done();
  truncate_if_due(group, found->second);
}

void ReplicationDesk::on_disk(const replication::DiskVerdict& verdict) {
  node_->on_disk(verdict);
  disk_is_full_ = verdict.is_full;
  for (auto& [group, hosted] : hosted_) truncate_if_due(group, hosted);
}

void ReplicationDesk::create(GroupId group, ReplicaId replica,
                             const replication::LogBoundary& boundary) {
  const storage::GroupBirth birth =
      replication::group_birth(group, replica, boundary.config, hosted_.at(group).birth_digest);
  const auto queued =
      parts_.log->push_task([birth, post = parts_.post_created](storage::LogStore& store) {
        post(birth.group, store.create_group(birth));
      });
  if (!queued.ok()) parts_.post_created(group, queued.status());
}

void ReplicationDesk::destroy(GroupId group, ReplicaId lowest_allowed) {
  const auto queued = parts_.log->push_task(
      [group, lowest_allowed, post = parts_.post_destroyed](storage::LogStore& store) {
        store.destroy_group(group, {lowest_allowed, {}, {}}).ignore("the next start removes it");
        post(group);
      });
  if (!queued.ok()) parts_.post_destroyed(group);
}

void ReplicationDesk::quarantine(GroupId group, ReplicaId replica, const std::string& why) {
  mark(group, replica, storage::MarkKind::kQuarantined, why);
}

void ReplicationDesk::mark(GroupId group, ReplicaId replica, storage::MarkKind kind,
                           const std::string& why) {
  const auto queued = parts_.log->push_task(
      [group, replica, kind, why, post = parts_.post_marked](storage::LogStore& store) {
        const Status reason = Status::corruption("{}", why);
        const Status marked = kind == storage::MarkKind::kFrozen
                                  ? store.freeze(group, replica, reason)
                                  : store.quarantine(group, replica, reason);
        if (marked.ok()) post(group);  // Else the log writer ends the process.
      });
  if (!queued.ok()) parts_.post_marked(group);  // The node stops; it is told all the same.
}

void ReplicationDesk::marked(GroupId group) {
  const auto found = hosted_.find(group);
  if (found == hosted_.end() || found->second.stopped.ok()) return;
  found->second.machine->fail(found->second.stopped);
  if (found->second.fatal) parts_.on_fatal(*found->second.fatal);
}

void ReplicationDesk::distrust(GroupId group, storage::MarkKind kind, const std::string& why) {
  replication::GroupReplica* replica = node_->find(group);
  if (replica == nullptr) return;
  if (kind == storage::MarkKind::kFrozen) return replica->freeze(why);
  replica->quarantine(0, why);
}

// A group that holds two truths is frozen first, and durably (report() wrote the mark), so that the
// next start serves all others. Then the process ends too: what let it happen may be in here
// [S 08/2, scope "N, G"].
void ReplicationDesk::fatal(GroupId group, const replication::Fatal& fatal) {
  const auto found = hosted_.find(group);
  const bool is_being_marked = fatal.scope == replication::FatalScope::kGroup &&
                               found != hosted_.end() && !found->second.stopped.ok();
  if (!is_being_marked) return parts_.on_fatal(fatal);
  found->second.fatal = fatal;
}

void ReplicationDesk::report(const replication::NodeReport& report) {
  const std::string text =
      report.invariant == 0 ? report.text : fmt::format("I-{}: {}", report.invariant, report.text);
  parts_.on_note(
      fmt::format("group={} replica={} {}", report.group.value, report.replica.value, text));
  const auto found = hosted_.find(report.group);
  // A removed replica is frozen as well, by order.
  if (found == hosted_.end() || found->second.removed) return;
  const bool is_frozen = report.kind == replication::ReportKind::kGroupFrozen;
  if (!is_frozen && report.kind != replication::ReportKind::kQuarantined) return;
  found->second.stopped = Status::corruption("{}", text);
  if (is_frozen) mark(report.group, report.replica, storage::MarkKind::kFrozen, text);
}

}  // namespace worldline::actors
