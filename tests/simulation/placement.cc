#include "tests/simulation/placement.h"

#include <algorithm>

#include "tests/simulation/nemesis.h"

namespace worldline::simulation {
namespace {

using replication::MemberChange;
using replication::Membership;
using replication::RaftCore;
using replication::ReplicaSet;
using Kind = replication::MemberChange::Kind;

constexpr Micros kRepairInterval = 300 * kMillisecond;
constexpr size_t kVotersWanted = 5;  // Random changes keep to about so many.

MemberChange change_of(Cluster& cluster, Kind kind, ReplicaId replica) {
  MemberChange change{kind, {replica, NodeId{1}, "zone"}};
  if (const auto slot = cluster.slot_of_replica(replica); slot)
    change.member.node = cluster.node(*slot).id();
  return change;
}

// A replica placed on a slot that has none, or one that was placed and never became a member.
ReplicaId find_newcomer(Cluster& cluster, const Membership& config) {
  std::optional<uint32_t> empty;
  for (uint32_t slot = 0; slot < cluster.slots(); ++slot) {
    const SimNode& node = cluster.node(slot);
    const ReplicaId replica = node.replica();
    if (replica.value == 0 && node.is_up()) empty = slot;
    if (replica.value == 0 || config.contains(replica)) continue;
    if (!cluster.observer().was_member(replica) && !is_lost(cluster, replica)) return replica;
  }
  return empty ? cluster.place_replica(*empty) : ReplicaId{};
}

ReplicaId pick(const ReplicaSet& set, Chance& chance) {
  return set.empty() ? ReplicaId{} : set[chance.below(set.size())];
}

// Every way to ask, and some that make no sense.
std::vector<MemberChange> draw_changes(Cluster& cluster, const Membership& config, Chance& chance) {
  const ReplicaId voter = pick(config.voters, chance);
  const ReplicaId learner = pick(config.learners, chance);
  const ReplicaId anybody{chance.between(1, 20)};
  const bool is_small = config.voters.size() <= 1 || chance.with(0.5);
  std::vector<MemberChange> changes;
  const auto add = [&](Kind kind, ReplicaId replica) {
    if (replica.value != 0) changes.push_back(change_of(cluster, kind, replica));
  };
  switch (chance.below(10)) {
    case 0:
    case 1:
      add(Kind::kAddLearner, find_newcomer(cluster, config));
      break;
    case 2:
      if (config.voters.size() < kVotersWanted || !is_small) add(Kind::kAddVoter, learner);
      break;
    case 3:
      if (!is_small) add(Kind::kRemove, voter);
      break;
    case 4:
      if (!is_small) add(Kind::kAddLearner, voter);  // Demotes.
      break;
    case 5:
      if (learner.value != 0) add(Kind::kRemove, voter);
      add(Kind::kAddVoter, learner);
      break;
    case 6:  // Replaces all.
      if (config.learners.empty()) break;
      for (const ReplicaId v : config.voters) add(Kind::kRemove, v);
      for (const ReplicaId l : config.learners) add(Kind::kAddVoter, l);
      break;
    case 7:
      add(Kind::kRemove, learner);
      break;
    case 8:  // A stranger, who may have been a member once.
      if (!config.contains(anybody)) add(Kind::kRemove, anybody);
      break;
    default:  // Contradicts itself: the last one wins.
      add(Kind::kRemove, learner);
      add(Kind::kAddLearner, learner);
      add(Kind::kAddVoter, voter);
      break;
  }
  return changes;
}

bool has_live_quorum(Cluster& cluster, const Membership& config) {
  return replication::joint_majority(config,
                                     [&](ReplicaId voter) { return !is_lost(cluster, voter); });
}

ReplicaId find_caught_up(const RaftCore& core, Cluster& cluster) {
  for (const ReplicaId learner : core.log().config().learners) {
    const replication::Progress* progress = core.progress(learner);
    if (progress != nullptr && progress->match.value > 0 && !is_lost(cluster, learner))
      return learner;
  }
  return {};
}

void ask(SimNode& leader, const std::vector<MemberChange>& changes, LogIndex expected) {
  if (changes.empty()) return;
  const auto index = leader.process()->inputs().change_config(changes, expected);
  index.status().ignore("a refused change is tried again or not");
  leader.process()->drain();
}

}  // namespace

void request_random_change(Cluster& cluster, SimNode& leader, Chance& chance) {
  const RaftCore& core = leader.process()->core();
  const bool is_stale = chance.with(0.1);
  const LogIndex expected{is_stale ? chance.below(50) : core.log().config_index().value};
  const std::vector<MemberChange> changes = draw_changes(cluster, core.log().config(), chance);
  // Losing the last majority that has its data is the operator's fault, not the core's.
  auto plan = replication::plan_change(core.log().config(), changes);
  if (plan.ok() && plan->kind != replication::MembershipPlan::Kind::kNone &&
      !has_live_quorum(cluster, plan->next))
    return;
  if (leader.is_running()) ask(leader, changes, expected);
}

Repairer::Repairer(Cluster& cluster, const Scenario& scenario)
    : cluster_(cluster), scenario_(scenario), chance_(scenario.seed, Purpose::kOperator) {}

void Repairer::start() {
  const bool is_needed = scenario_.has(FaultClass::kMembership) ||
                         scenario_.has(FaultClass::kVolumeLoss) || scenario_.has(FaultClass::kRot);
  if (is_needed) cluster_.queue().push(kRepairInterval, {0, 0, this, 0, 0, 0, 0});
}

void Repairer::on_event(const Event&) {
  if (is_stopped_) return;
  cluster_.queue().push(kRepairInterval + chance_.below(kRepairInterval), {0, 0, this, 0, 0, 0, 0});
  SimNode* leader = cluster_.find_leader();
  if (leader != nullptr) repair(*leader);
}

// The dead voter leaves in the same step in which its successor comes, never earlier [S 08/3.10].
void Repairer::repair(SimNode& leader) {
  const RaftCore& core = leader.process()->core();
  const Membership config = core.log().config();
  const LogIndex expected = core.log().config_index();
  if (config.is_joint() || expected > core.commit()) return;
  for (const ReplicaId learner : config.learners)
    if (is_lost(cluster_, learner))
      return ask(leader, {change_of(cluster_, Kind::kRemove, learner)}, expected);
  const ReplicaId ready = find_caught_up(core, cluster_);
  for (const ReplicaId voter : config.voters) {
    if (!is_lost(cluster_, voter)) continue;
    if (ready.value == 0) return static_cast<void>(add_learner(leader));
    return ask(
        leader,
        {change_of(cluster_, Kind::kRemove, voter), change_of(cluster_, Kind::kAddVoter, ready)},
        expected);
  }
  if (config.voters.size() >= scenario_.voters) return;
  if (ready.value != 0) return ask(leader, {change_of(cluster_, Kind::kAddVoter, ready)}, expected);
  add_learner(leader);
}

bool Repairer::add_learner(SimNode& leader) {
  const Membership config = leader.process()->core().log().config();
  if (!config.learners.empty()) return false;  // One at a time.
  const ReplicaId replica = find_newcomer(cluster_, config);
  if (replica.value == 0) return false;
  ask(leader, {change_of(cluster_, Kind::kAddLearner, replica)},
      leader.process()->core().log().config_index());
  return true;
}

}  // namespace worldline::simulation
