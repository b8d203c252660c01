#include "tests/simulation/liveness.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "tests/simulation/nemesis.h"

namespace worldline::simulation {
namespace {

using replication::Membership;
using replication::Progress;
using replication::ProgressState;
using replication::RaftCore;
using replication::RoleKind;

constexpr uint32_t kElectionTimes = 10;  // I-27: a leader within 10 E.
constexpr uint32_t kQuietTimes = 6;
constexpr Micros kPerEntry = 15 * kMillisecond;  // One message of one entry, there and back.
constexpr Micros kSnapshotBudget = 8 * kSecond;  // Offers that are refused and repeated.

}  // namespace

LivenessPhase::LivenessPhase(Cluster& cluster, Clients& clients, const Scenario& scenario)
    : cluster_(cluster),
      clients_(clients),
      scenario_(scenario),
      chance_(scenario.seed, Purpose::kLiveness),
      core_(cluster.slots(), false) {}

LivenessPhase::Verdict LivenessPhase::run() {
  // What is spoiled without anybody knowing is found by a start.
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot)
    if (cluster_.node(slot).disk().is_damaged()) cluster_.node(slot).kill(Loss::kProcess, kNever);
  // Everything starts once, so that no config that only a dead disk knows is overlooked.
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) cluster_.node(slot).heal();
  if (!choose_core()) return stay_dead() ? Verdict::kUnrecoverable : Verdict::kBroken;
  settle_others();
  heal_core();
  const bool held = serve_write() && serve_reads() && converge() && stay_quiet();
  return held && !cluster_.observer().failed() ? Verdict::kHeld : Verdict::kBroken;
}

// --- The core ------------------------------------------------------------------------------------

bool LivenessPhase::has_majority(const std::vector<bool>& chosen, const Membership& config) const {
  return replication::joint_majority(config, [&](ReplicaId voter) {
    const std::optional<uint32_t> slot = cluster_.slot_of_replica(voter);
    return slot && chosen[*slot] && !is_lost(cluster_, voter) &&
           !cluster_.node(*slot).disk().lacks_tail();
  });
}

// The committed config and every later one that a log has: whose voters decide, nobody can say.
std::vector<Membership> LivenessPhase::possible_configs() const {
  std::vector<Membership> configs{cluster_.observer().committed_config()};
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    const ReplicaProcess* process = cluster_.node(slot).process();
    if (process == nullptr || process->core().role() == RoleKind::kUninit) continue;
    const replication::RaftLog& log = process->core().log();
    const LogIndex committed = cluster_.observer().committed_config_index();
    if (log.config_index() > committed) configs.push_back(log.config());
    const replication::ConfigAt* before = log.config_before_last();
    if (before != nullptr && before->index > committed) configs.push_back(before->config);
  }
  return configs;
}

// Grows a random set until it is a majority of every possible config.
bool LivenessPhase::choose_core() {
  const std::vector<Membership> configs = possible_configs();
  std::vector<uint32_t> order(cluster_.slots());
  std::iota(order.begin(), order.end(), 0u);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[chance_.below(i)]);
  const bool wants_all = chance_.with(0.25);
  const auto suffices = [this, &configs] {
    return std::all_of(configs.begin(), configs.end(),
                       [this](const Membership& config) { return has_majority(core_, config); });
  };
  for (const uint32_t slot : order) {
    if (!wants_all && suffices()) break;
    core_[slot] = true;
  }
  return suffices();
}

void LivenessPhase::settle_others() {
  const uint64_t fate = chance_.below(3);  // Dead, cut off, or heard without hearing.
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    if (core_[slot]) continue;
    if (fate == 0) cluster_.node(slot).kill(Loss::kPower, kNever);
  }
  cluster_.network().heal();
  if (fate == 0) return;
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    for (uint32_t inside = 0; inside < cluster_.slots(); ++inside) {
      if (core_[slot] || !core_[inside]) continue;
      cluster_.network().block(inside, slot, Blocking::kDrop);
      if (fate == 1) cluster_.network().block(slot, inside, Blocking::kDrop);
    }
  }
}

void LivenessPhase::heal_core() {
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    if (!core_[slot]) continue;
    // Learners and spares may be asked too, but a replica that is not a member cannot answer.
    const ReplicaId replica = cluster_.node(slot).replica();
    if (cluster_.observer().committed_config().contains(replica) && !is_lost(cluster_, replica))
      slots.push_back(slot);
  }
  clients_.ask_only(std::move(slots));
}

// Without a majority of any possible config nobody may guess: no call is served, and who lost its
// data says so for as long as it is asked.
bool LivenessPhase::stay_dead() {
  cluster_.network().heal();
  const std::vector<bool> all(cluster_.slots(), true);
  const std::vector<Membership> configs = possible_configs();
  const bool is_dead = std::none_of(configs.begin(), configs.end(), [&](const Membership& config) {
    return has_majority(all, config);
  });
  const Micros limit = kElectionTimes * scenario_.election_time();
  const uint64_t probe = clients_.probe(OpKind::kWrite, limit, std::nullopt);
  const bool is_served = run_until(cluster_.queue().now() + limit, {probe});
  if (is_dead && is_served)
    cluster_.observer().fail("I-1: a write was served without a majority:" + describe_voters());
  if (is_dead && !is_served) cluster_.observer().mark(FaultMark::kFrozen);
  return !cluster_.observer().failed();
}

std::string LivenessPhase::describe_voters() const {
  std::string text;
  for (const ReplicaId voter : cluster_.observer().committed_config().voters) {
    const std::optional<uint32_t> slot = cluster_.slot_of_replica(voter);
    const char* state = !slot                                      ? "gone"
                        : is_lost(cluster_, voter)                 ? "lost"
                        : cluster_.node(*slot).disk().lacks_tail() ? "without its tail"
                                                                   : "there";
    text += fmt::format(" [replica {} {}]", voter.value, state);
  }
  return text;
}

// --- Demands -------------------------------------------------------------------------------------

Micros LivenessPhase::catch_up_budget() const {
  uint64_t last = 0;
  uint64_t least = UINT64_MAX;
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    const ReplicaProcess* process = cluster_.node(slot).process();
    if (process == nullptr || !core_[slot]) continue;
    last = std::max(last, process->core().log().last().value);
    least = std::min(least, process->core().commit().value);
  }
  return kSnapshotBudget + (last > least ? last - least : 0) * kPerEntry;
}

bool LivenessPhase::run_until(Micros end, const std::vector<uint64_t>& probes) {
  EventQueue& queue = cluster_.queue();
  const auto is_done = [this, &probes] {
    return std::all_of(probes.begin(), probes.end(),
                       [this](uint64_t op) { return clients_.is_done(op); });
  };
  while (!is_done()) {
    if (cluster_.observer().failed() || queue.next_at() > end) return false;
    queue.step();
  }
  return true;
}

// One write after another: the outcome of one may stay unknown, when its leader loses office.
bool LivenessPhase::serve_write() {
  const Micros limit = kElectionTimes * scenario_.election_time() + catch_up_budget();
  const Micros end = cluster_.queue().now() + limit;
  const Micros patience = 2 * scenario_.election_time();
  while (cluster_.queue().now() < end) {
    const uint64_t probe = clients_.probe(OpKind::kWrite, patience, std::nullopt);
    if (run_until(std::min(end, cluster_.queue().now() + patience), {probe})) return true;
    if (cluster_.observer().failed()) return false;
    cluster_.queue().run_until(std::min(end, cluster_.queue().now() + patience));
  }
  cluster_.observer().fail(fmt::format("I-27: no write was served within {} ms after healing:{}",
                                       limit / kMillisecond, describe_core()));
  return false;
}

bool LivenessPhase::serve_reads() {
  std::vector<uint64_t> reads;
  std::vector<uint32_t> slots;
  const Micros read_limit = kElectionTimes * scenario_.election_time() + catch_up_budget();
  for (const SimNode* node : members()) {
    reads.push_back(clients_.probe(OpKind::kRead, read_limit, node->slot()));
    slots.push_back(node->slot());
  }
  if (run_until(cluster_.queue().now() + read_limit, reads)) return true;
  std::string silent;
  for (size_t i = 0; i < reads.size(); ++i)
    if (!clients_.is_done(reads[i])) silent += fmt::format(" {}", slots[i]);
  cluster_.observer().fail(fmt::format("I-27: members at slots{} answered no read within {} ms:{}",
                                       silent, read_limit / kMillisecond, describe_core()));
  return false;
}

std::vector<const SimNode*> LivenessPhase::members() const {
  std::vector<const SimNode*> members;
  const SimNode* leader = cluster_.find_leader();
  if (leader == nullptr) return members;
  const Membership& config = leader->process()->core().log().config();
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    const SimNode& node = cluster_.node(slot);
    const bool is_in = core_[slot] && node.is_running() && config.contains(node.replica()) &&
                       node.process()->core().role() != RoleKind::kQuarantined;
    if (is_in) members.push_back(&node);
  }
  return members;
}

bool LivenessPhase::is_equal() const {
  const SimNode* leader = cluster_.find_leader();
  if (leader == nullptr || !core_[leader->slot()]) return false;
  const RaftCore& lead = leader->process()->core();
  if (lead.log().config().is_joint() || lead.commit() != lead.log().last()) return false;
  const std::vector<const SimNode*> all = members();
  return std::all_of(all.begin(), all.end(), [&](const SimNode* node) {
    const RaftCore& core = node->process()->core();
    return core.log().last_id() == lead.log().last_id() &&
           core.log().last_chain() == lead.log().last_chain() && core.commit() == lead.commit() &&
           core.applied_index() == lead.commit() &&
           node->process()->machine_index() == lead.commit() &&
           node->process()->machine() == leader->process()->machine();
  });
}

std::string LivenessPhase::describe_core() const {
  std::string text;
  for (uint32_t slot = 0; slot < cluster_.slots(); ++slot) {
    const SimNode& node = cluster_.node(slot);
    if (!core_[slot] || node.process() == nullptr) continue;
    const RaftCore& core = node.process()->core();
    text += fmt::format(" [replica {} {} term {} last {} stable {} commit {} applied {}{}{}]",
                        node.replica().value, role_name(core.role()), core.term().value,
                        core.log().last().value, core.stable().value, core.commit().value,
                        core.applied_index().value, core.is_quiesced() ? " asleep" : "",
                        core.is_installing() ? " installing" : "");
  }
  return text;
}

bool LivenessPhase::converge() {
  // What a slow link still has of the time before, an order to take over say, is a reason to move.
  const Micros drained_at = cluster_.network().drained_at() + scenario_.election_time();
  cluster_.queue().run_until(std::max(cluster_.queue().now(), drained_at));
  const Micros limit = kElectionTimes * scenario_.election_time() + catch_up_budget();
  const Micros end = cluster_.queue().now() + limit;
  while (!is_equal()) {
    if (cluster_.observer().failed()) return false;
    if (cluster_.queue().next_at() > end) {
      cluster_.observer().fail("I-26: the core is not equal:" + describe_core());
      return false;
    }
    cluster_.queue().step();
  }
  return true;
}

// I-28, and no election without a reason: a member that cannot win must not keep knocking.
bool LivenessPhase::stay_quiet() {
  const SimNode* leader = cluster_.find_leader();
  const Term term = leader->process()->core().term();
  cluster_.queue().run_until(cluster_.queue().now() + kQuietTimes * scenario_.election_time());
  if (cluster_.observer().failed()) return false;
  const SimNode* now = cluster_.find_leader();
  if (now != leader || now->process()->core().term() != term) {
    cluster_.observer().fail(
        fmt::format("I-27: the leader of term {} lost office without a reason", term.value));
    return false;
  }
  if (!is_equal()) {
    cluster_.observer().fail("I-26: the core did not stay equal");
    return false;
  }
  return settles(leader->process()->core());
}

// A stream that opened late, or a heartbeat, may just be on its way: that is over in a moment.
bool LivenessPhase::settles(const RaftCore& leader) {
  const Micros end = cluster_.queue().now() + scenario_.election_time();
  for (std::string why = unrest_of(leader); !why.empty(); why = unrest_of(leader)) {
    if (cluster_.observer().failed()) return false;
    if (cluster_.queue().next_at() > end) {
      cluster_.observer().fail("I-28: " + why);
      return false;
    }
    cluster_.queue().step();
  }
  return true;
}

// Empty: nothing is under way.
std::string LivenessPhase::unrest_of(const RaftCore& leader) const {
  if (leader.uncommitted_bytes() != 0 || leader.pending_reads() != 0)
    return fmt::format("{} B uncommitted and {} reads in an idle group", leader.uncommitted_bytes(),
                       leader.pending_reads());
  for (const SimNode* node : members()) {
    const Progress* progress = leader.progress(node->replica());
    if (progress == nullptr || node->replica() == leader.config().self.replica) continue;
    const bool is_idle = progress->state == ProgressState::kReplicate &&
                         progress->window.messages() == 0 && progress->window.bytes() == 0 &&
                         progress->match == leader.log().last();
    if (!is_idle)
      return fmt::format("progress of replica {} is {} with {} messages in flight, match {} of {}",
                         node->replica().value, progress_name(progress->state),
                         progress->window.messages(), progress->match.value,
                         leader.log().last().value);
  }
  return {};
}

}  // namespace worldline::simulation
