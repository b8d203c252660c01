#include "tests/simulation/cluster.h"

#include <fmt/format.h>

namespace worldline::simulation {
namespace {

constexpr Micros kReopenMin = 5 * kMillisecond;
constexpr double kStreamsBreakOnDeath = 0.5;

}  // namespace

void Trace::print(Micros now, const std::string& text) const {
  if (is_printed_) fmt::print("{:>12.6f} {}\n", static_cast<double>(now) / 1e6, text);
}

Cluster::Cluster(EventQueue& queue, const Scenario& scenario, Observer& observer, Trace& trace)
    : queue_(queue),
      scenario_(scenario),
      observer_(observer),
      trace_(trace),
      network_(queue, scenario, *this) {
  for (uint32_t slot = 0; slot < scenario.slots(); ++slot) {
    nodes_.push_back(std::make_unique<SimNode>(slot, *this));
    nodes_.back()->set_id(new_node_id());
    set_node_slot(nodes_.back()->id(), slot);
  }
}

void Cluster::start() {
  replication::Membership members;
  for (uint32_t slot = 0; slot < scenario_.voters; ++slot) {
    const ReplicaId replica = new_replica_id();
    members.voters.push_back(replica);
    members.members.push_back({replica, nodes_[slot]->id(), fmt::format("zone {}", slot)});
  }
  auto genesis = std::make_shared<Checkpoint>();
  genesis->id = new_checkpoint_id();
  genesis->boundary = replication::genesis_boundary(kGroup, members);
  for (uint32_t slot = 0; slot < scenario_.voters; ++slot)
    nodes_[slot]->create_replica(
        replication::group_birth(kGroup, members.voters[slot], members, genesis->state.digest()),
        genesis);
  for (const auto& node : nodes_) node->start();
}

// --- The catalog ---------------------------------------------------------------------------------

std::optional<uint32_t> Cluster::slot_of_node(NodeId node) const {
  const auto found = node_slots_.find(node.value);
  return found != node_slots_.end() ? std::optional(found->second) : std::nullopt;
}

std::optional<uint32_t> Cluster::slot_of_replica(ReplicaId replica) const {
  for (const auto& node : nodes_)
    if (node->replica() == replica) return node->slot();
  return std::nullopt;
}

ReplicaId Cluster::place_replica(uint32_t slot) {
  const ReplicaId replica = new_replica_id();
  nodes_[slot]->create_joining_replica(replica);
  return replica;
}

replication::RaftConfig Cluster::core_config(const SimNode& node) const {
  replication::RaftConfig config;
  config.group = kGroup;
  config.self = {node.id(), node.incarnation(), node.replica()};
  config.seed = mix(mix(scenario_.seed, node.replica().value), node.incarnation());
  config.election_ticks = scenario_.election_ticks;
  config.heartbeat_ticks = scenario_.heartbeat_ticks;
  config.limits = scenario_.limits;
  config.chain = replication::log_chain;
  return config;
}

SimNode* Cluster::find_leader() {
  SimNode* best = nullptr;
  for (const auto& node : nodes_) {
    if (!node->is_running()) continue;
    const replication::RaftCore& core = node->process()->core();
    if (core.role() != replication::RoleKind::kLeader) continue;
    if (best == nullptr || core.term() > best->process()->core().term()) best = node.get();
  }
  return best;
}

// --- Traffic -------------------------------------------------------------------------------------

void Cluster::send(uint32_t from, replication::Envelope message) {
  const std::optional<uint32_t> to = slot_of_node(message.to.node);
  if (!to || *to == from) return;
  network_.send(from, *to, std::move(message));
}

void Cluster::request(uint32_t slot, const Request& request) {
  nodes_[slot]->on_request(request);
}

void Cluster::reply(uint64_t token, const Reply& reply) {
  if (replies_ != nullptr) replies_->on_reply(token, reply);
}

void Cluster::send_snapshot_result(uint32_t from, uint32_t to, uint64_t snap_id,
                                   replication::SnapshotOutcome outcome) {
  if (!network_.is_open(from, to)) return;  // The sender's timeout ends it.
  nodes_[to]->schedule(network_.draw_delay(from, to), SimNode::kSnapshotResult, snap_id,
                       static_cast<uint64_t>(outcome));
}

void Cluster::tell_of_death(uint32_t slot) {
  SimNode& dead = *nodes_[slot];
  const bool breaks = dead.chance().with(kStreamsBreakOnDeath);
  for (const auto& node : nodes_) {
    if (node->slot() == slot) continue;
    if (breaks) network_.break_streams(slot, node->slot(), kReopenMin);
    const bool is_told = scenario_.has(FaultClass::kHints) && node->is_running() &&
                         network_.is_open(slot, node->slot());
    if (is_told)
      node->schedule(network_.draw_delay(slot, node->slot()), SimNode::kPeerDied,
                     dead.replica().value);
  }
}

uint64_t Cluster::offer(CheckpointPtr checkpoint, const SimNode& node) {
  offers_[++last_offer_] = {std::move(checkpoint), node.slot(), node.incarnation()};
  return last_offer_;
}

const Cluster::Offered* Cluster::find_offer(uint64_t snap_id) const {
  const auto found = offers_.find(snap_id);
  return found != offers_.end() ? &found->second : nullptr;
}

void Cluster::on_arrival(uint32_t slot, replication::Envelope message) {
  if (trace_.is_printed())
    trace_.print(queue_.now(),
                 fmt::format("{} of term {}: replica {} -> {} at slot {}",
                             message_name(message.body), message.term.value,
                             message.from.replica.value, message.to.replica.value, slot));
  nodes_[slot]->on_arrival(std::move(message));
}

void Cluster::on_stream_broken(uint32_t slot, uint32_t peer) {
  nodes_[slot]->schedule(0, SimNode::kStreamBroken, nodes_[peer]->replica().value);
}

void Cluster::on_stream_opened(uint32_t slot, uint32_t peer) {
  (void)peer;
  nodes_[slot]->schedule(0, SimNode::kStreamOpened);
}

}  // namespace worldline::simulation
