#include "tests/simulation/nemesis.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/placement.h"

namespace worldline::simulation {
namespace {

using replication::RaftCore;
using replication::RoleKind;

constexpr double kLeaderShare = 0.4;  // Of victims.
constexpr Micros kFlapMin = 10 * kMillisecond;
constexpr Micros kFlapMax = kSecond;

size_t place_of(FaultClass fault) {
  return static_cast<size_t>(fault);
}

// Calls of operators go to a process that runs.
ReplicaProcess* running(SimNode& node) {
  return node.is_running() ? node.process() : nullptr;
}

}  // namespace

namespace {

// Spoiled, and nobody knows yet.
bool is_damaged(Cluster& cluster, ReplicaId replica) {
  const std::optional<uint32_t> slot = cluster.slot_of_replica(replica);
  if (!slot) return false;
  const SimDisk& disk = cluster.node(*slot).disk();
  return disk.is_damaged() || disk.lacks_tail();
}

// Whether every other voter of every config in force has the entry on its disk.
bool is_everywhere_else(Cluster& cluster, ReplicaId replica, LogIndex index, Chain chain) {
  std::vector<replication::Membership> configs{cluster.observer().committed_config()};
  for (uint32_t slot = 0; slot < cluster.slots(); ++slot) {
    const ReplicaProcess* process = cluster.node(slot).process();
    if (process != nullptr && process->core().role() != RoleKind::kUninit)
      configs.push_back(process->core().log().config());
  }
  const auto has_it = [&](ReplicaId voter) {
    const std::optional<uint32_t> slot = cluster.slot_of_replica(voter);
    return voter == replica || (slot && cluster.node(*slot).disk().durable().covers(index, chain));
  };
  return std::all_of(configs.begin(), configs.end(), [&](const replication::Membership& config) {
    const replication::ReplicaSet voters = config.all_voters();
    return std::all_of(voters.begin(), voters.end(), has_it);
  });
}

}  // namespace

bool is_lost(Cluster& cluster, ReplicaId replica) {
  const std::optional<uint32_t> slot = cluster.slot_of_replica(replica);
  if (!slot) return true;
  const ReplicaProcess* process = cluster.node(*slot).process();
  return process != nullptr && process->core().role() == RoleKind::kQuarantined;
}

bool may_lose(Cluster& cluster, ReplicaId replica) {
  const auto survives = [&cluster, replica](const replication::Membership& config) {
    return replication::joint_majority(config, [&](ReplicaId voter) {
      return voter != replica && !is_lost(cluster, voter) && !is_damaged(cluster, voter);
    });
  };
  if (!survives(cluster.observer().committed_config())) return false;
  for (uint32_t slot = 0; slot < cluster.slots(); ++slot) {
    const ReplicaProcess* process = cluster.node(slot).process();
    if (process == nullptr || process->core().role() == RoleKind::kQuarantined) continue;
    if (process->core().role() == RoleKind::kUninit) continue;
    if (!survives(process->core().log().config())) return false;
  }
  return true;
}

Nemesis::Nemesis(Cluster& cluster, const Scenario& scenario, std::vector<Decision> skipped)
    : cluster_(cluster), scenario_(scenario), skipped_(std::move(skipped)) {}

void Nemesis::start() {
  for (size_t i = 0; i < kFaultClassCount; ++i) schedule(static_cast<FaultClass>(i));
}

// The next decision of a class: its number is its seed.
void Nemesis::schedule(FaultClass fault) {
  const FaultRate& rate = scenario_.rates[place_of(fault)];
  if (rate.interval_mean == kNever) return;
  const uint64_t number = counts_[place_of(fault)]++;
  Chance chance(mix(scenario_.seed, number), Purpose::kNemesis, place_of(fault), 0);
  cluster_.queue().push(chance.exponential(rate.interval_mean) + 1,
                        {0, 0, this, kFire, 0, place_of(fault), number});
}

void Nemesis::on_event(const Event& event) {
  if (is_stopped_) return;  // Whoever stops it heals everything.
  switch (event.code) {
    case kFire: {
      const auto fault = static_cast<FaultClass>(event.a);
      const Decision decision{fault, event.b};
      Chance chance(mix(scenario_.seed, event.b), Purpose::kNemesis, event.a, 1);
      if (!std::binary_search(skipped_.begin(), skipped_.end(), decision)) {
        carried_out_.push_back(decision);
        cluster_.trace().print(cluster_.queue().now(),
                               fmt::format("fault {}:{}", fault_class_name(fault), event.b));
        fire(fault, chance);
      }
      return schedule(fault);
    }
    case kUnblock:
      return unblock(partitions_[event.a]);
    case kFlap: {
      Chance chance(mix(scenario_.seed, event.b), Purpose::kNemesis, event.a, 2);
      return flap(event.a, chance);
    }
    case kDiskFree:
    case kEligible: {
      ReplicaProcess* process = cluster_.node(static_cast<uint32_t>(event.a)).process();
      if (process == nullptr) return;
      if (event.code == kDiskFree) process->inputs().set_disk_full(false);
      if (event.code == kEligible) process->inputs().set_eligible(true);
      return;
    }
    default:
      return;
  }
}

void Nemesis::fire(FaultClass fault, Chance& chance) {
  switch (fault) {
    case FaultClass::kCrash:
      return crash(chance);
    case FaultClass::kPause:
      return pause(chance);
    case FaultClass::kPartition:
      return partition(chance);
    case FaultClass::kSlowLink:
      return clog(chance);
    case FaultClass::kStreamBreak:
      return break_stream(chance);
    case FaultClass::kDiskSlow:
      return disturb_disk(chance);
    case FaultClass::kDiskError:
      return fail_disk(chance);
    case FaultClass::kCheckpoint:
      return force_checkpoint(chance);
    case FaultClass::kMembership:
      return change_members(chance);
    case FaultClass::kLeadership:
      return move_leadership(chance);
    case FaultClass::kHints:
      return give_hint(chance);
    case FaultClass::kQuiesce:
      return put_to_sleep(chance);
    case FaultClass::kVolumeLoss:
    case FaultClass::kRot:
      return destroy_data(fault, chance);
    case FaultClass::kTorn:
      return cut_power(chance);
    case FaultClass::kDamage:
      return damage(chance);
    case FaultClass::kLostTail:
      return lose_tail(chance);
    case FaultClass::kDataLoss:
      return lose_majority(chance);
    case FaultClass::kLoss:
    case FaultClass::kDuplicate:
    case FaultClass::kReorder:
    case FaultClass::kMisdelivery:
    case FaultClass::kClock:
    case FaultClass::kBandwidth:
      return;  // Always on where they are on at all.
  }
}

uint32_t Nemesis::draw_victim(Chance& chance) {
  const bool is_leader = chance.with(kLeaderShare);
  const auto any = static_cast<uint32_t>(chance.below(cluster_.slots()));
  const SimNode* leader = is_leader ? cluster_.find_leader() : nullptr;
  return leader != nullptr ? leader->slot() : any;
}

// Half of them about as long as it takes to elect another leader: what is shorter than that is
// hardly noticed, and what is longer leaves nothing to meet.
Micros Nemesis::draw_duration(FaultClass fault, Chance& chance) {
  const Micros election = scenario_.election_time();
  if (chance.with(0.5)) return chance.between(election, 4 * election);
  return chance.log_uniform(10 * kMillisecond, scenario_.rates[place_of(fault)].duration_max);
}

Micros Nemesis::draw_downtime(Chance& chance) {
  return chance.with(0.2) ? 1 : draw_duration(FaultClass::kCrash, chance);
}

// --- Processes -----------------------------------------------------------------------------------

void Nemesis::crash(Chance& chance) {
  const uint32_t victim = draw_victim(chance);
  const Loss loss = chance.with(0.5) ? Loss::kPower : Loss::kProcess;
  const Micros downtime = draw_downtime(chance);
  const uint64_t how = chance.below(10);
  if (how == 0) {  // All at once.
    for (uint32_t slot = 0; slot < cluster_.slots(); ++slot)
      cluster_.node(slot).kill(loss, draw_downtime(chance));
  } else if (how < 6) {  // Right behind a certain step.
    const auto step = static_cast<Step>(chance.below(kStepCount));
    const auto countdown = static_cast<uint32_t>(chance.log_uniform(1, 32) - 1);
    cluster_.node(victim).arm_kill(step, countdown, downtime);
  } else {
    cluster_.node(victim).kill(loss, downtime);
  }
}

void Nemesis::pause(Chance& chance) {
  const uint32_t victim = draw_victim(chance);
  cluster_.node(victim).pause(draw_duration(FaultClass::kPause, chance));
}

// --- Network -------------------------------------------------------------------------------------

// Isolate one, halves, random sets, bridge, ring, single links; each both ways or one way.
std::vector<std::pair<uint32_t, uint32_t>> Nemesis::draw_links(Chance& chance) {
  const uint32_t slots = cluster_.slots();
  const uint64_t pattern = chance.below(6);
  const uint32_t victim = draw_victim(chance);
  const uint64_t direction = chance.below(3);  // 0: both; 1: into the set; 2: out of it.
  std::vector<uint32_t> side(slots);
  for (uint32_t& s : side) s = static_cast<uint32_t>(chance.below(2));
  const auto cuts = [&](uint32_t a, uint32_t b) {
    switch (pattern) {
      case 0:
        return a == victim;
      case 1:
        return side[a] == 0 && side[b] == 1;
      case 2:  // The victim alone reaches both sides.
        return a != victim && b != victim && side[a] == 0 && side[b] == 1;
      case 3:  // Only neighbours hear each other.
        return (a + 1) % slots != b && (b + 1) % slots != a;
      case 4:  // One side falls apart.
        return side[a] == 0;
      default:
        return a == victim && side[b] == 0;
    }
  };
  std::vector<std::pair<uint32_t, uint32_t>> links;
  for (uint32_t a = 0; a < slots; ++a) {
    for (uint32_t b = 0; b < slots; ++b) {
      if (a == b || !cuts(a, b)) continue;
      if (direction != 1) links.emplace_back(a, b);
      if (direction != 2) links.emplace_back(b, a);
    }
  }
  return links;
}

void Nemesis::partition(Chance& chance) {
  Partition cut;
  cut.links = draw_links(chance);
  cut.how = chance.with(0.5) ? Blocking::kDrop : Blocking::kHold;
  cut.until = cluster_.queue().now() + draw_duration(FaultClass::kPartition, chance);
  if (chance.with(0.25)) cut.flap_mean = chance.log_uniform(kFlapMin, kFlapMax);
  const bool breaks = chance.with(0.3);
  partitions_.push_back(std::move(cut));
  const size_t number = partitions_.size() - 1;
  Partition& kept = partitions_.back();
  block(kept);
  if (breaks)
    for (const auto& [a, b] : kept.links)
      if (a < b) cluster_.network().break_streams(a, b, kept.until - cluster_.queue().now());
  if (kept.flap_mean > 0) return flap(number, chance);
  cluster_.queue().push(kept.until - cluster_.queue().now(), {0, 0, this, kUnblock, 0, number, 0});
}

void Nemesis::block(Partition& partition) {
  if (partition.is_blocked) return;
  partition.is_blocked = true;
  for (const auto& [from, to] : partition.links) cluster_.network().block(from, to, partition.how);
}

void Nemesis::unblock(Partition& partition) {
  if (!partition.is_blocked) return;
  partition.is_blocked = false;
  for (const auto& [from, to] : partition.links) cluster_.network().unblock(from, to);
}

void Nemesis::flap(size_t number, Chance& chance) {
  Partition& partition = partitions_[number];
  if (cluster_.queue().now() >= partition.until) return unblock(partition);
  if (partition.is_blocked) {
    unblock(partition);
  } else {
    block(partition);
  }
  cluster_.queue().push(chance.exponential(partition.flap_mean) + kFlapMin,
                        {0, 0, this, kFlap, 0, number, cluster_.queue().now()});
}

void Nemesis::clog(Chance& chance) {
  const auto from = static_cast<uint32_t>(chance.below(cluster_.slots()));
  const auto to = static_cast<uint32_t>(chance.below(cluster_.slots()));
  const Micros length = std::min(draw_duration(FaultClass::kSlowLink, chance), 5 * kSecond);
  const auto streams = static_cast<uint32_t>(chance.between(1, (1u << Network::kStreams) - 1));
  const Micros until = cluster_.queue().now() + length;
  cluster_.network().clog(from, to, streams, until);
  if (chance.with(0.5)) cluster_.network().clog(to, from, streams, until);
}

void Nemesis::break_stream(Chance& chance) {
  const auto a = static_cast<uint32_t>(chance.below(cluster_.slots()));
  const auto b = static_cast<uint32_t>(chance.below(cluster_.slots()));
  const Micros reopen = chance.log_uniform(kMillisecond, kSecond);  // Back-off of the transport.
  if (a != b) cluster_.network().break_streams(a, b, reopen);
}

// --- Disks ---------------------------------------------------------------------------------------

void Nemesis::disturb_disk(Chance& chance) {
  SimNode& node = cluster_.node(draw_victim(chance));
  const Micros length = draw_duration(FaultClass::kDiskSlow, chance);
  const bool is_endless = chance.with(0.1);
  node.disk().stall(is_endless ? kNever : cluster_.queue().now() + length);
}

void Nemesis::fail_disk(Chance& chance) {
  const uint32_t slot = draw_victim(chance);
  const bool is_sync = chance.with(0.5);
  const Micros length = draw_duration(FaultClass::kDiskError, chance);
  SimNode& node = cluster_.node(slot);
  if (is_sync) return node.disk().fail_next_write();
  if (node.process() == nullptr) return;
  node.process()->inputs().set_disk_full(true);
  cluster_.queue().push(length, {0, 0, this, kDiskFree, 0, slot, 0});
}

// The disk dies with its node, or bits flip while the node is down.
void Nemesis::destroy_data(FaultClass fault, Chance& chance) {
  SimNode& node = cluster_.node(draw_victim(chance));
  const Micros downtime = draw_downtime(chance);
  const ReplicaId replica = node.replica();
  if (replica.value == 0 || is_lost(cluster_, replica) || !may_lose(cluster_, replica)) return;
  if (fault == FaultClass::kVolumeLoss) {
    node.lose_volume();
    return node.schedule(downtime, SimNode::kRestart);
  }
  node.kill(Loss::kPower, kNever);
  node.disk().rot(chance);
  node.start();
}

// While it writes.
void Nemesis::cut_power(Chance& chance) {
  const auto countdown = static_cast<uint32_t>(chance.log_uniform(1, 16) - 1);
  const uint32_t victim = draw_victim(chance);
  cluster_.node(victim).arm_kill(Step::kPersist, countdown, draw_downtime(chance), Loss::kPower);
}

// Found at a start, which often follows at once, or when the process reads there.
void Nemesis::damage(Chance& chance) {
  SimNode& node = cluster_.node(draw_victim(chance));
  const Micros downtime = draw_downtime(chance);
  const bool restarts = chance.with(0.4);
  const ReplicaId replica = node.replica();
  if (replica.value == 0 || is_lost(cluster_, replica) || !may_lose(cluster_, replica)) return;
  if (!node.disk().damage(chance)) return;
  if (restarts) return node.kill(Loss::kProcess, downtime);
  // Somebody who falls behind makes it read what is in memory no more.
  const uint32_t other = (node.slot() + 1) % cluster_.slots();
  cluster_.node(other).kill(Loss::kProcess, downtime);
}

// A replica that lacks a write it acknowledged may still vote: if that write is everywhere else,
// nobody is elected without it; else it takes no second fault to lose data [S 08/3.7].
void Nemesis::lose_tail(Chance& chance) {
  SimNode& node = cluster_.node(draw_victim(chance));
  const ReplicaId replica = node.replica();
  if (replica.value == 0 || is_lost(cluster_, replica) || !may_lose(cluster_, replica)) return;
  const LogIndex last = node.disk().durable().last();
  node.kill(Loss::kProcess, 1);
  const auto lost = node.disk().lose_tail(chance);
  if (!lost) return;
  if (!is_everywhere_else(cluster_, replica, last, lost->chain)) {
    node.disk().undo_lost_tail();
    return;
  }
  cluster_.observer().expect_loss(replica);
}

// More than the atlas allows: the group must freeze, and nobody may pretend that nothing was lost.
void Nemesis::lose_majority(Chance& chance) {
  SimNode* leader = cluster_.find_leader();
  const bool takes_volumes = chance.with(0.5);
  if (leader == nullptr || leader->process()->core().log().config().is_joint()) return;
  const replication::ReplicaSet voters = leader->process()->core().log().config().voters;
  size_t left = voters.size() / 2 + 1;
  for (const ReplicaId voter : voters) {
    const std::optional<uint32_t> slot = cluster_.slot_of_replica(voter);
    if (!slot || left == 0 || is_lost(cluster_, voter)) continue;
    SimNode& node = cluster_.node(*slot);
    if (takes_volumes) {
      node.lose_volume();
      node.schedule(draw_downtime(chance), SimNode::kRestart);
    } else {
      node.kill(Loss::kPower, kNever);
      node.disk().damage(chance);
      node.start();
    }
    --left;
  }
}

void Nemesis::force_checkpoint(Chance& chance) {
  SimNode& node = cluster_.node(draw_victim(chance));
  const ReplicaId peer =
      cluster_.node(static_cast<uint32_t>(chance.below(cluster_.slots()))).replica();
  const bool offers = chance.with(0.5);
  ReplicaProcess* process = running(node);
  if (process == nullptr) return;
  process->cut_checkpoint();
  if (offers) process->offer_unasked(peer);
}

// --- Operators -----------------------------------------------------------------------------------

void Nemesis::change_members(Chance& chance) {
  SimNode* leader =
      chance.with(0.95) ? cluster_.find_leader() : &cluster_.node(draw_victim(chance));
  if (leader == nullptr || !leader->is_running()) return;
  request_random_change(cluster_, *leader, chance);
}

void Nemesis::move_leadership(Chance& chance) {
  SimNode& any = cluster_.node(draw_victim(chance));
  const uint64_t how = chance.below(8);
  const ReplicaId target =
      cluster_.node(static_cast<uint32_t>(chance.below(cluster_.slots()))).replica();
  const Micros length = draw_duration(FaultClass::kLeadership, chance);
  ReplicaProcess* process = running(any);
  if (process == nullptr) return;
  CoreInputs& inputs = process->inputs();
  if (how < 4) {
    inputs.transfer(target).ignore("most replicas are not the leader");
  } else if (how < 6) {
    inputs.campaign(replication::CampaignReason::kOperator).ignore("it may not lead");
  } else if (how == 6) {
    inputs.forget_leader();
  } else {
    inputs.set_eligible(false);
    cluster_.queue().push(length, {0, 0, this, kEligible, 0, any.slot(), 0});
  }
  process->drain();
}

// The failure detector may be wrong about anybody at any time.
void Nemesis::give_hint(Chance& chance) {
  SimNode& node = cluster_.node(static_cast<uint32_t>(chance.below(cluster_.slots())));
  const ReplicaId about =
      cluster_.node(static_cast<uint32_t>(chance.below(cluster_.slots()))).replica();
  const auto hint = static_cast<replication::PeerHint>(chance.between(1, 3));
  const uint64_t how = chance.below(4);
  ReplicaProcess* process = running(node);
  if (process == nullptr || about.value == 0 || about == node.replica()) return;
  if (how == 0) {
    process->inputs().say_hello();
  } else if (how == 1) {
    process->inputs().unreachable(about);
  } else {
    process->inputs().node_hint(about, hint);
  }
  process->drain();
}

void Nemesis::put_to_sleep(Chance& chance) {
  SimNode* leader = cluster_.find_leader();
  const bool wakes = chance.with(0.2);
  if (leader == nullptr) return;
  if (wakes) {
    leader->process()->inputs().wake();
  } else {
    leader->process()->quiesce();
  }
  leader->process()->drain();
}

}  // namespace worldline::simulation
