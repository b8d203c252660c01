#include "tests/simulation/sim_node.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/cluster.h"

namespace worldline::simulation {
namespace {

using replication::PeerHint;
using replication::RoleKind;

// Thresholds of the disk monitor [S 08/3.12].
constexpr Micros kStallSuspect = 500 * kMillisecond;
constexpr Micros kStallStepDown = 2 * kSecond;
constexpr Micros kStallAbort = 20 * kSecond;
constexpr Micros kAbortRestart = kSecond;
constexpr Micros kRankDelay = 20 * kMillisecond;  // Of the fast path [S 08/3.4].

bool is_of_node(uint32_t code) {
  return code >= SimNode::kKill;
}

}  // namespace

SimNode::SimNode(uint32_t slot, Cluster& cluster)
    : cluster_(cluster),
      slot_(slot),
      disk_(slot, cluster.queue(), cluster.scenario(), *this),
      chance_(cluster.scenario().seed, Purpose::kMachine, slot),
      tick_chance_(cluster.scenario().seed, Purpose::kTicks, slot) {
  const double drift = cluster.scenario().clock_drift;
  clock_rate_ = 1.0 + drift * (2.0 * tick_chance_.unit() - 1.0);
}

// --- Life ----------------------------------------------------------------------------------------

void SimNode::create_replica(const storage::GroupBirth& birth, CheckpointPtr genesis) {
  disk_.create(birth, std::move(genesis));
  cluster_.observer().on_disk_created(birth.replica, disk_.durable());
  if (is_up_) start();
}

void SimNode::create_joining_replica(ReplicaId replica) {
  disk_.create_joining(replica);
  cluster_.observer().on_disk_created(replica, disk_.durable());
  if (is_up_) start();
}

// Of the node, or of a replica that was placed on a node that runs.
void SimNode::start() {
  if (process_ != nullptr) return;
  ++life_;
  if (!is_up_) ++incarnation_;
  is_up_ = true;
  peers_.assign(cluster_.slots(), {});
  for (PeerView& peer : peers_) peer.heard_at = cluster_.queue().now();
  if (!disk_.has_replica()) return;
  const uint64_t torn = disk_.torn_tails();
  Result<Mounted> mounted = disk_.mount(incarnation_);
  if (disk_.torn_tails() > torn) cluster_.observer().mark(FaultMark::kTornTail);
  if (!mounted.ok()) return quarantine_after(mounted.status());
  process_ = std::make_unique<ReplicaProcess>(*this, cluster_, cluster_.core_config(*this),
                                              std::move(mounted).value());
  cluster_.observer().on_start(process_->core());
  process_->drain();
  last_tick_ = cluster_.queue().now();
  schedule(tick_chance_.below(kTick) + 1, kTickDue);
}

// Damage is never cut away: the replica answers as one in quarantine and is replaced [S 08/3.7].
void SimNode::quarantine_after(const Status& damage) {
  if (!expects_damage())
    return cluster_.observer().fail(
        fmt::format("slot {}: the log does not pass recovery: {}", slot_, damage.message()));
  cluster_.observer().mark(FaultMark::kDamageAtStart);
  quarantine(damage);
}

bool SimNode::expects_damage() const {
  return cluster_.scenario().has(FaultClass::kRot) ||
         cluster_.scenario().has(FaultClass::kDamage) ||
         cluster_.scenario().has(FaultClass::kDataLoss) ||
         cluster_.observer().expects_loss(replica());
}

// [S 08/3.12]: what cannot be read is not asked for again; from now on it answers as one in
// quarantine.
void SimNode::on_damage_read(const Status& damage) {
  if (!expects_damage())
    return cluster_.observer().fail(
        fmt::format("slot {}: the log cannot be read: {}", slot_, damage.message()));
  cluster_.observer().mark(FaultMark::kDamageWhileRunning);
  disk_.quarantine(damage);
  cluster_.observer().on_disk_lost(replica());
  process_->inputs().quarantine();
  process_->drain();
}

// A core that stopped says nothing: another one answers in its place.
void SimNode::quarantine(const Status& why) {
  disk_.quarantine(why);
  cluster_.observer().on_disk_lost(replica());
  process_ =
      std::make_unique<ReplicaProcess>(*this, cluster_, cluster_.core_config(*this), Mounted{});
  process_->inputs().quarantine();
  process_->drain();
}

void SimNode::kill(Loss loss, Micros restart_after) {
  if (!is_up_) return;
  cluster_.trace().print(cluster_.queue().now(), fmt::format("slot {}: dies", slot_));
  ++life_;
  ++pause_;
  const bool was_observed = process_ != nullptr;
  process_.reset();
  if (was_observed) cluster_.observer().on_stop(replica());
  is_up_ = false;
  is_paused_ = false;
  armed_.reset();
  deferred_.clear();
  counting_.clear();
  last_notice_ = 0;
  disk_.unmount(loss);
  if (loss == Loss::kProcess) cluster_.tell_of_death(slot_);
  if (restart_after != kNever) schedule(restart_after, kRestart);
}

void SimNode::arm_kill(Step step, uint32_t countdown, Micros restart_after,
                       std::optional<Loss> loss) {
  armed_ = ArmedKill{step, countdown, restart_after, loss};
}

void SimNode::did(Step step) {
  if (!armed_ || armed_->step != step || armed_->countdown-- > 0) return;
  const ArmedKill kill = *armed_;
  armed_.reset();
  const uint64_t loss = kill.loss ? (*kill.loss == Loss::kProcess ? 0 : 1) : chance_.below(2);
  schedule(0, kKill, kill.restart_after, loss);
}

void SimNode::pause(Micros duration) {
  if (!is_up_ || is_paused_) return;
  is_paused_ = true;
  paused_since_ = cluster_.queue().now();
  schedule(duration, kResume, ++pause_);
}

// Ticks are not replayed; what is older than the pause may be forgotten by the transport.
void SimNode::resume() {
  if (!is_paused_) return;
  is_paused_ = false;
  const Micros gap = cluster_.queue().now() - paused_since_;
  const bool forgets =
      cluster_.scenario().drops_stale_after_pause && gap >= cluster_.scenario().election_time();
  const auto deferred = std::exchange(deferred_, {});
  if (forgets && process_ != nullptr) process_->after_silence();
  for (const auto& item : deferred) {
    if (const auto* event = std::get_if<Event>(&item); event != nullptr) {
      if (event->life == life_) dispatch(*event);
    } else if (const auto* message = std::get_if<replication::Envelope>(&item);
               message != nullptr) {
      if (!forgets) deliver(*message);
    } else {
      on_request(std::get<Request>(item));
    }
  }
}

// It comes back as another node under the same address.
void SimNode::lose_volume() {
  kill(Loss::kPower, kNever);
  if (replica().value != 0) cluster_.observer().on_disk_lost(replica());
  disk_.wipe();
  id_ = cluster_.new_node_id();
  cluster_.set_node_slot(id_, slot_);
  incarnation_ = 0;
}

void SimNode::destroy_replica() {
  if (process_ == nullptr) return;
  const ReplicaId gone = replica();
  cluster_.trace().print(cluster_.queue().now(),
                         fmt::format("slot {}: replica {} is destroyed", slot_, gone.value));
  process_.reset();
  cluster_.observer().on_disk_lost(gone);
  disk_.destroy_replica();
  disk_.unmount(Loss::kProcess);
  ++life_;
  counting_.clear();
}

void SimNode::heal() {
  disk_.heal();
  clock_rate_ = 1.0;
  armed_.reset();
  if (is_paused_) resume();
  if (!is_up_) start();
  if (process_ == nullptr) return;
  process_->inputs().set_disk_full(false);
  process_->inputs().set_eligible(true);
  schedule(kMillisecond, kCheckpointDue);  // As on the disk: what is written ends soon.
}

// --- Events --------------------------------------------------------------------------------------

void SimNode::schedule(Micros delay, Code code, uint64_t a, uint64_t b) {
  cluster_.queue().push(delay, {0, 0, this, code, life_, a, b});
}

void SimNode::on_event(const Event& event) {
  cluster_.trace().add(event.at, mix((uint64_t{slot_} << 32) | event.code, event.a));
  if (event.life != life_) return;
  if (is_paused_ && !is_of_node(event.code)) {
    deferred_.emplace_back(event);
    return;
  }
  dispatch(event);
}

void SimNode::dispatch(const Event& event) {
  switch (event.code) {
    case kKill:
      return kill(event.b == 0 ? Loss::kProcess : Loss::kPower, event.a);
    case kRestart:
      return start();
    case kResume:
      if (event.a == pause_) resume();
      return;
    default:
      if (process_ != nullptr) dispatch_process(event);
  }
}

void SimNode::dispatch_process(const Event& event) {
  ReplicaProcess& process = *process_;
  switch (event.code) {
    case kTickDue:
      return tick();
    case kJobStable:
      return process.on_job_stable(replication::JobId{event.a});
    case kMachine:
      return process.on_machine_turn();
    case kFetch:
      return process.on_fetch();
    case kCheckpointDue:
      return process.on_checkpoint_written();
    case kCheckpointCounts: {
      const CheckpointPtr checkpoint = counting_.front();
      counting_.erase(counting_.begin());
      return process.on_checkpoint_counts(checkpoint);
    }
    case kOfferDue:
      return process.on_offer_due(ReplicaId{event.a});
    case kOfferTimeout:
      return process.on_offer_timeout(ReplicaId{event.a}, event.b);
    case kChunk:
      return process.on_chunk(event.a);
    case kStaged:
      return process.on_staged(event.a);
    case kSnapshotResult:
      return process.on_snapshot_result(event.a,
                                        static_cast<replication::SnapshotOutcome>(event.b));
    case kStreamBroken:
      process.inputs().unreachable(ReplicaId{event.a});
      return process.drain();
    case kStreamOpened:
      return process.on_stream_opened();
    case kPeerDied:
      return on_peer_died(ReplicaId{event.a});
    case kCampaign:
      process.inputs().campaign(replication::CampaignReason::kSuspect).ignore("it may not lead");
      return process.drain();
    case kDestroy:
      return destroy_replica();
    case kLostData:
      return quarantine(Status::corruption("its leader holds an acknowledgement of more"));
    default:
      return;
  }
}

void SimNode::on_arrival(replication::Envelope message) {
  if (!is_up_) return;
  if (is_paused_) {
    deferred_.emplace_back(std::move(message));
    return;
  }
  deliver(message);
}

void SimNode::deliver(const replication::Envelope& message) {
  cluster_.trace().add(mix(slot_, message.body.index()),
                       mix(message.term.value, message.from.replica.value));
  const auto* gone = std::get_if<replication::GroupGone>(&message.body);
  if (gone != nullptr && gone->reason != replication::GoneReason::kLostData) {
    // It asks the catalog before it destroys anything.
    if (gone->replica == replica() && cluster_.observer().is_removed(replica()))
      schedule(kMillisecond, kDestroy);
    return;
  }
  const bool is_below = message.to.replica < disk_.tombstone() && message.to.node == id_;
  if (is_below && message.to.replica != replica())
    cluster_.send(
        slot_, {kGroup,
                {id_, incarnation_, message.to.replica},
                message.from,
                message.term,
                {},
                replication::GroupGone{message.to.replica, replication::GoneReason::kTombstone}});
  if (process_ != nullptr) process_->receive(message);
}

void SimNode::on_request(const Request& request) {
  if (is_up_ && is_paused_) {
    deferred_.emplace_back(request);
    return;
  }
  if (process_ == nullptr) return cluster_.reply(request.token, {});
  process_->request(request);
}

// --- Monitors ------------------------------------------------------------------------------------

void SimNode::tick() {
  const Micros now = cluster_.queue().now();
  const auto silent_after =
      static_cast<Micros>(static_cast<double>(cluster_.scenario().election_time()) * clock_rate_);
  const bool was_silent = now - last_tick_ >= silent_after;
  last_tick_ = now;
  schedule(static_cast<Micros>(static_cast<double>(kTick) * clock_rate_), kTickDue);
  if (was_silent) {
    process_->after_silence();
  } else {
    process_->tick();
  }
  if (cluster_.scenario().disk.is_watched) watch_disk();
  if (cluster_.scenario().has(FaultClass::kHints) || cluster_.scenario().has(FaultClass::kQuiesce))
    watch_peers();
}

void SimNode::watch_disk() {
  const Micros age = disk_.oldest_write_age();
  const replication::RaftCore& core = process_->core();
  process_->inputs().set_eligible(age < kStallSuspect);
  if (age < kStallSuspect) return;
  if (age > kStallAbort) return schedule(0, kKill, kAbortRestart, 0);
  if (core.role() != RoleKind::kLeader) return;
  if (age > kStallStepDown) return process_->after_silence();
  ReplicaId best;
  LogIndex best_match;
  for (const ReplicaId voter : core.log().config().voters) {
    const replication::Progress* progress = core.progress(voter);
    if (progress == nullptr || voter == replica() || progress->match < best_match) continue;
    best = voter;
    best_match = progress->match;
  }
  if (best.value == 0) return;
  process_->inputs().transfer(best).ignore("the next tick tries again");
  process_->drain();
}

// Node-level heartbeats, without messages: a peer is heard while its packets would arrive.
void SimNode::watch_peers() {
  const Micros now = cluster_.queue().now();
  last_watch_ = now;
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    const SimNode& peer = cluster_.node(slot);
    if (slot == slot_ || peer.replica().value == 0) continue;
    PeerView& view = peers_[slot];
    std::optional<PeerHint> hint;
    if (peer.is_up() && !peer.is_paused() && cluster_.network().is_open(slot, slot_)) {
      view.heard_at = now;
      if (view.is_suspect) hint = PeerHint::kAlive;
      if (view.incarnation != 0 && view.incarnation != peer.incarnation())
        hint = PeerHint::kRestarted;
      view.incarnation = peer.incarnation();
      view.is_suspect = false;
    } else if (!view.is_suspect && now - view.heard_at >= cluster_.scenario().election_time()) {
      view.is_suspect = true;
      hint = PeerHint::kSuspect;
    }
    if (!hint) continue;
    process_->inputs().node_hint(peer.replica(), *hint);
    process_->drain();
  }
  watch_sleep();
}

// Whoever sleeps wakes when its leader's node is dead or another one by now, whether that was known
// before it fell asleep or not [S 08/3.3 Q4].
void SimNode::watch_sleep() {
  const replication::RaftCore& core = process_->core();
  const ReplicaId leader = core.leader();
  if (!core.is_quiesced() || leader == replica()) return;
  const std::optional<uint32_t> slot = cluster_.slot_of_replica(leader);
  const bool is_lost =
      !slot || peers_[*slot].is_suspect || peers_[*slot].incarnation > process_->asleep_under();
  if (!is_lost) return;
  process_->inputs().node_hint(leader, PeerHint::kSuspect);
  process_->drain();
}

SimNode::Opinion SimNode::opinion_of(ReplicaId replica) const {
  const std::optional<uint32_t> slot = cluster_.slot_of_replica(replica);
  if (!slot || *slot >= peers_.size()) return Opinion::kUnsure;
  const PeerView& view = peers_[*slot];
  if (view.is_suspect) return Opinion::kDead;
  const bool is_heard = view.incarnation != 0 && view.heard_at == last_watch_;
  return is_heard ? Opinion::kAlive : Opinion::kUnsure;
}

// Certain death of the leader's process: the fast path of [S 08/3.4].
void SimNode::on_peer_died(ReplicaId dead) {
  const replication::RaftCore& core = process_->core();
  if (core.leader() != dead) return;
  process_->inputs().forget_leader();
  process_->drain();
  const replication::ReplicaSet& voters = core.log().config().voters;
  const auto rank = std::lower_bound(voters.begin(), voters.end(), replica()) - voters.begin();
  schedule(static_cast<Micros>(rank) * kRankDelay + chance_.below(kRankDelay), kCampaign);
}

// --- DiskOwner -----------------------------------------------------------------------------------

void SimNode::on_job_stable(replication::JobId job) {
  const Micros now = cluster_.queue().now();
  const Micros delay = chance_.exponential(cluster_.scenario().step_delay_mean);
  last_notice_ = std::max(now + delay, last_notice_ + 1);
  schedule(last_notice_ - now, kJobStable, job.value);
}

void SimNode::on_checkpoint_counts(const CheckpointPtr& checkpoint) {
  const Micros now = cluster_.queue().now();
  last_notice_ = std::max(now + 1, last_notice_ + 1);
  counting_.push_back(checkpoint);
  schedule(last_notice_ - now, kCheckpointCounts);
}

// Fail-stop: the process ends and is started again [S 08/3.12].
void SimNode::on_disk_failed() {
  schedule(0, kKill, 100 * kMillisecond + chance_.below(kSecond), chance_.below(2));
}

void SimNode::on_disk_broken_rule(std::string text) {
  cluster_.observer().fail(fmt::format("slot {}: {}", slot_, text));
}

}  // namespace worldline::simulation
