#include "tests/replication_node/node_life.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

constexpr uint64_t kNodes = 5;
constexpr uint64_t kGroups = 6;
constexpr size_t kVotersWanted = 3;
const NodeId kNobody{};

ClusterOptions options_of(uint64_t seed) {
  ClusterOptions options;
  options.node_count = kNodes;
  options.seed = seed;
  options.latency_spread = 4ms;
  options.serves_snapshots = true;
  options.adjust = [](NodeConfig& config) {
    config.limits.retained_entries = 8;
    config.limits.retained_bytes = 0;
    config.limits.follower_retained_bytes_max = 0;
    config.limits.inflight_messages_max = 4;
  };
  return options;
}

MemberChange change(MemberChange::Kind kind, ReplicaId replica, NodeId node = {}) {
  return {kind, {replica, node, {}}};
}

}  // namespace

LifeCounts& LifeCounts::operator+=(const LifeCounts& other) {
  writes += other.writes;
  reads += other.reads;
  changes += other.changes;
  snapshots += other.snapshots;
  terms += other.terms;
  return *this;
}

std::string LifeCounts::text() const {
  return fmt::format("{} writes, {} reads, {} changes of members, {} snapshots, {} terms", writes,
                     reads, changes, snapshots, terms);
}

NodeLife::NodeLife(uint64_t seed) : prng_(seed * 7919), cluster_(options_of(seed)) {
  for (uint64_t group = 1; group <= kGroups; ++group) {
    std::vector<NodeId> where;
    for (uint64_t i = 0; i < kVotersWanted; ++i) where.push_back(NodeId{1 + (group + i) % kNodes});
    std::sort(where.begin(), where.end());
    cluster_.add_group(GroupId{group}, where);
    next_replica_[GroupId{group}] = group * 100 + 10;
  }
  cluster_.run_for(20ms);  // Their rows are on every disk.
  cluster_.loses = [this](const Envelope&) { return is_lost(); };
  cluster_.loses_node = [this](NodeId, NodeId, const NodeMessage&) { return is_lost(); };
  cluster_.on_applied = [this](const TestMachine& machine, LogIndex index,
                               const std::string& text) { applied(machine, index, text); };
}

void NodeLife::live(int steps) {
  for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
}

NodeId NodeLife::some_node() {
  return NodeId{1 + prng_.below(kNodes)};
}

GroupId NodeLife::some_group() {
  return GroupId{1 + prng_.below(kGroups)};
}

// --- What goes wrong -----------------------------------------------------------------------------

void NodeLife::step() {
  switch (prng_.below(14)) {
    case 0:
      loss_one_in_ = prng_.chance(2) ? 0 : 3 + prng_.below(20);
      break;
    case 1:
      cluster_.isolate(some_node());
      break;
    case 2:
      cluster_.cut(some_node(), some_node());
      break;
    case 3:
    case 4:
      cluster_.heal();
      break;
    case 5:
      crash_or_restart();
      break;
    case 6:
      stop_or_continue();
      break;
    case 7:
      hang_or_free_disk();
      break;
    case 8:
      checkpoint(some_group());
      break;
    case 9:
    case 10:
      change_members(some_group());
      break;
    default:
      for (uint64_t group = 1; group <= kGroups; ++group)
        if (prng_.chance(2)) write(GroupId{group});
  }
  read(some_group(), some_node());
  const uint64_t longest = prng_.chance(6) ? 3'000'000 : 200'000;
  cluster_.run_for(Micros{static_cast<Micros::rep>(prng_.below(longest))});
  settle_reads();
  act_as_catalog();
  cluster_.check();
}

void NodeLife::crash_or_restart() {
  if (down_ != kNobody) {
    cluster_.restart(std::exchange(down_, kNobody));
  } else if (stopped_ == kNobody && hanging_ == kNobody) {
    down_ = some_node();
    cluster_.crash(down_, prng_.chance(2) ? StreamLoss::kRefused : StreamLoss::kBroken);
  }
}

void NodeLife::stop_or_continue() {
  if (stopped_ != kNobody) {
    cluster_.node(std::exchange(stopped_, kNobody)).is_stopped = false;
  } else if (down_ == kNobody) {
    stopped_ = some_node();
    cluster_.node(stopped_).is_stopped = true;
  }
}

void NodeLife::hang_or_free_disk() {
  if (hanging_ != kNobody) {
    cluster_.free_disk(std::exchange(hanging_, kNobody));
  } else if (down_ == kNobody) {
    hanging_ = some_node();
    cluster_.node(hanging_).disk_hangs = true;
  }
}

// --- Members -------------------------------------------------------------------------------------

void NodeLife::checkpoint(GroupId group) {
  for (const NodeId id : cluster_.node_ids()) {
    if (!cluster_.node(id).is_up() || prng_.chance(2)) continue;
    GroupReplica* replica = cluster_.node(id).raft().find(group);
    if (replica == nullptr || !replica->is_running()) continue;
    const LogIndex index = std::min(replica->core().applied_index(), replica->core().stable());
    if (index > replica->core().log().boundary().id.index)
      replica->checkpointed({replica->core().log().term_at(index), index},
                            replica->core().log().chain_at(index));
  }
}

void NodeLife::change_members(GroupId group) {
  const NodeId where = cluster_.leader_of(group);
  if (where == kNobody) return;
  GroupReplica& leader = cluster_.replica(group, where);
  const Membership config = leader.core().log().config();
  std::vector<MemberChange> changes;
  if (config.learners.empty()) return add_learner(group, leader);
  const ReplicaId learner = config.learners.front();
  if (prng_.chance(5)) {
    changes = {change(MemberChange::Kind::kRemove, learner)};
  } else {
    changes = {change(MemberChange::Kind::kAddVoter, learner, config.find(learner)->node)};
    if (config.voters.size() >= kVotersWanted)
      changes.push_back(
          change(MemberChange::Kind::kRemove, config.voters[prng_.below(config.voters.size())]));
  }
  if (leader.change_config(changes, leader.core().log().config_index()).ok()) ++counts_.changes;
}

void NodeLife::add_learner(GroupId group, GroupReplica& leader) {
  const NodeId node = some_node();
  if (!cluster_.node(node).is_up() || cluster_.node(node).raft().find(group) != nullptr) return;
  const ReplicaId replica{next_replica_[group]++};
  if (!cluster_.add_empty_replica(group, replica, node).ok()) return;
  const auto added = leader.change_config({change(MemberChange::Kind::kAddLearner, replica, node)},
                                          leader.core().log().config_index());
  if (added.ok()) ++counts_.changes;
}

// What the catalog does: replicas that left are removed, orders that a crash swallowed are
// repeated.
void NodeLife::act_as_catalog() {
  for (uint64_t id = 1; id <= kGroups; ++id) {
    const GroupId group{id};
    const Membership* config = config_of(group);
    if (config == nullptr) continue;
    for (const NodeId node : cluster_.node_ids()) {
      if (!cluster_.node(node).is_up() || cluster_.node(node).is_stopped) continue;
      const GroupReplica* replica = cluster_.node(node).raft().find(group);
      if (replica == nullptr || config->contains(replica->id()) || !prng_.chance(3)) continue;
      cluster_.node(node).raft().remove(group, replica->id()).ignore("it may be going already");
    }
    for (const MemberInfo& member : Membership(*config).members) create_missing(group, member);
  }
}

// One that was removed before its config was committed cannot come back: it leaves again.
void NodeLife::create_missing(GroupId group, const MemberInfo& member) {
  TestNode& node = cluster_.node(member.node);
  if (!node.is_up() || node.is_stopped || node.raft().find(group) != nullptr) return;
  const Status created = cluster_.add_empty_replica(group, member.replica, member.node);
  const NodeId where = cluster_.leader_of(group);
  if (created.code() != StatusCode::kFailedPrecondition || where == kNobody) return;
  GroupReplica& leader = cluster_.replica(group, where);
  leader
      .change_config({change(MemberChange::Kind::kRemove, member.replica)},
                     leader.core().log().config_index())
      .status()
      .ignore("asked again");
}

// Committed, of a leader that can prove it; null if there is none.
const Membership* NodeLife::config_of(GroupId group) {
  const NodeId where = cluster_.leader_of(group);
  if (where == kNobody) return nullptr;
  const RaftCore& core = cluster_.replica(group, where).core();
  const bool is_certain = core.log().config_index() <= core.commit() &&
                          core.log().term_at(core.commit()) == core.term() &&
                          !core.log().config().is_joint();
  return is_certain ? &core.log().config() : nullptr;
}

// --- Clients -------------------------------------------------------------------------------------

void NodeLife::write(GroupId group) {
  const NodeId where = cluster_.leader_of(group);
  const std::string text = "w" + std::to_string(++last_write_);
  if (cluster_.propose(group, text)) writing_[text] = {where, cluster_.node(where).incarnation};
}

// Acknowledged by the life that took the call, and by no other.
void NodeLife::applied(const TestMachine& machine, LogIndex index, const std::string& text) {
  const auto found = writing_.find(text);
  if (found == writing_.end() || found->second.node != machine.node) return;
  if (found->second.incarnation == cluster_.node(machine.node).incarnation) {
    ++counts_.writes;
    seen(machine.group) = std::max(seen(machine.group), cluster_.length_at(machine.group, index));
  }
  writing_.erase(found);
}

void NodeLife::read(GroupId group, NodeId where) {
  TestNode& node = cluster_.node(where);
  GroupReplica* replica = node.is_up() && !node.is_stopped ? node.raft().find(group) : nullptr;
  if (replica == nullptr || !replica->is_running()) return;
  const ReadToken token{++last_read_};
  reading_[token.value] = {group, where, node.incarnation, seen(group)};
  if (!replica->read_barrier(token).ok()) reading_.erase(token.value);
}

// Answered from the machine once it is as far as the leader was.
void NodeLife::settle_reads() {
  for (auto it = reading_.begin(); it != reading_.end();) {
    const uint64_t token = it->first;  // Clang 14 captures no structured bindings.
    const Reading& reading = it->second;
    TestNode& node = cluster_.node(reading.node);
    const bool is_over = !node.is_up() || node.incarnation != reading.incarnation;
    TestMachine& machine = node.machine(reading.group);
    const auto ready = std::find_if(machine.reads.begin(), machine.reads.end(),
                                    [&](const ReadReady& r) { return r.token.value == token; });
    const bool has_failed = std::any_of(machine.failed_reads.begin(), machine.failed_reads.end(),
                                        [&](ReadToken failed) { return failed.value == token; });
    const GroupReplica* replica = is_over ? nullptr : node.raft().find(reading.group);
    const bool is_answered = replica != nullptr && ready != machine.reads.end() &&
                             replica->core().applied_index() >= ready->index;
    if (is_answered) {
      EXPECT_GE(machine.texts.size(), reading.floor)
          << "group " << reading.group.value << ": a read on node " << reading.node.value;
      seen(reading.group) = std::max(seen(reading.group), machine.texts.size());
      ++counts_.reads;
    }
    it = is_over || has_failed || is_answered ? reading_.erase(it) : std::next(it);
  }
}

// --- The end -------------------------------------------------------------------------------------

void NodeLife::heal() {
  loss_one_in_ = 0;
  cluster_.heal();
  if (hanging_ != kNobody) hang_or_free_disk();
  if (down_ != kNobody) crash_or_restart();
  if (stopped_ != kNobody) stop_or_continue();
  reconnect_all();
  cluster_.run_for(1s);
}

void NodeLife::reconnect_all() {
  for (const NodeId a : cluster_.node_ids()) {
    for (const NodeId b : cluster_.node_ids()) {
      if (a == b) continue;
      cluster_.node(a).raft().on_connected(b, cluster_.node(b).incarnation, cluster_.now());
    }
  }
}

void NodeLife::expect_service() {
  for (uint64_t id = 1; id <= kGroups; ++id) {
    const GroupId group{id};
    const uint64_t writes = counts_.writes;
    ASSERT_TRUE(cluster_.run_until(
        [&] {
          act_as_catalog();
          if (counts_.writes == writes && prng_.chance(50)) write(group);
          return counts_.writes > writes && config_of(group) != nullptr;
        },
        20s))
        << "group " << id << " takes no write" << describe(group);
    const Membership config = *config_of(group);
    for (const MemberInfo& member : config.members) {
      const uint64_t reads = counts_.reads;
      EXPECT_TRUE(cluster_.run_until(
          [&] {
            act_as_catalog();
            if (prng_.chance(100)) read(group, member.node);
            settle_reads();
            return counts_.reads > reads || !is_member(group, member.replica);
          },
          20s))
          << "group " << id << ": no read is answered on node " << member.node.value
          << describe(group);
    }
  }
}

void NodeLife::expect_agreement() {
  cluster_.run_for(2s);
  for (uint64_t id = 1; id <= kGroups; ++id) {
    const GroupId group{id};
    const NodeId where = cluster_.leader_of(group);
    ASSERT_NE(where, kNobody) << "group " << id;
    const RaftCore& lead = cluster_.replica(group, where).core();
    for (const MemberInfo& member : lead.log().config().members) {
      const RaftCore& core = cluster_.replica(group, member.node).core();
      EXPECT_EQ(core.applied_index(), lead.applied_index())
          << "group " << id << " node " << member.node.value;
      EXPECT_EQ(core.log().last_chain(), lead.log().last_chain());
      counts_.snapshots += cluster_.node(member.node).machine(group).installs.size();
    }
    counts_.terms += lead.term().value;
  }
  for (const NodeId id : cluster_.node_ids()) {
    EXPECT_TRUE(cluster_.node(id).fatals.empty()) << "node " << id.value;
    for (const NodeReport& report : cluster_.node(id).reports) {
      // Nobody may have to be replaced; of stopped replicas only those that were removed.
      const bool is_alarm =
          report.kind == ReportKind::kQuarantined || report.kind == ReportKind::kPeerLostData ||
          report.kind == ReportKind::kFenced || report.kind == ReportKind::kGroupFrozen;
      const bool is_expected = !is_alarm || report.text == "it was removed from its group";
      EXPECT_TRUE(is_expected) << "node " << id.value << ": " << report.text;
    }
  }
  cluster_.check();
}

bool NodeLife::is_member(GroupId group, ReplicaId replica) {
  const Membership* config = config_of(group);
  return config == nullptr || config->contains(replica);
}

std::string NodeLife::describe(GroupId group) {
  std::string text;
  for (const NodeId id : cluster_.node_ids()) {
    const GroupReplica* replica = cluster_.node(id).raft().find(group);
    if (replica == nullptr) continue;
    const RaftCore& core = replica->core();
    text += fmt::format(
        "\n  node {} replica {}: {} of term {}, leader {}, last {} stable {} commit {} applied {}"
        "{}{}, {}",
        id.value, replica->id().value, role_name(core.role()), core.term().value,
        core.leader().value, core.log().last().value, core.stable().value, core.commit().value,
        core.applied_index().value, core.is_quiesced() ? " asleep" : "",
        core.is_installing() ? " installing" : "",
        rest_name(cluster_.node(id).raft().rest_of(group)));
    for (const MemberInfo& member : core.log().config().members) {
      const Progress* progress = core.progress(member.replica);
      if (progress != nullptr)
        text += fmt::format(" {}:{} match {}", member.replica.value, progress_name(progress->state),
                            progress->match.value);
    }
  }
  return text;
}

bool NodeLife::comes_to_rest() {
  return cluster_.run_until(
      [this] {
        act_as_catalog();
        for (const NodeId id : cluster_.node_ids())
          if (cluster_.node(id).raft().active_groups() != 0) return false;
        return true;
      },
      20s);
}

}  // namespace worldline::replication
