#include "tests/replication_node/node_cluster.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace worldline::replication {

Chain test_chain(Chain previous, const Entry& entry) {
  uint64_t hash = mix_hash(previous.value, entry.index.value);
  hash = mix_hash(hash, entry.term.value);
  if (entry.payload != nullptr)
    for (const Byte byte : *entry.payload) hash = mix_hash(hash, byte);
  return Chain{hash};
}

void TestMachine::apply(std::vector<ApplyEntry> entries) {
  if (owing != nullptr) owing->insert(group);
  for (const ApplyEntry& applied : entries) {
    to_apply = applied.entry.index;
    if (applied.entry.kind != EntryKind::kBundle) continue;
    texts.emplace_back(as_text(Bytes(*applied.entry.payload)));
    if (cluster != nullptr) cluster->note_applied(*this, applied.entry.index, texts.back());
  }
}

void TestMachine::install(const SnapshotMeta& meta) {
  installs.push_back(meta);
  if (owing == nullptr || cluster == nullptr || !cluster->options_.serves_snapshots) return;
  to_install = meta.boundary.id.index;
  texts = cluster->image_at(group, to_install);
  owing->insert(group);
}

// --- One node
// ----------------------------------------------------------------------------------------

TestMachine& TestNode::fresh_machine(GroupId group) {
  TestMachine& machine = machines_[group];
  machine = {};
  machine.group = group;
  machine.node = id_;
  machine.cluster = &cluster_;
  machine.owing = &owing_;
  return machine;
}

void TestNode::write(GroupId group, ReplicaId replica, PersistJob job) {
  if (disk_hangs) return hanging_.push_back({group, replica, std::move(job)});
  cluster_.post(disk_latency, [this, group, replica, job = std::move(job), life = incarnation] {
    make_stable(group, replica, job, life);
  });
}

void TestNode::make_stable(GroupId group, ReplicaId replica, const PersistJob& job, uint64_t life) {
  if (life != incarnation || !is_up()) return;
  if (disk_hangs) return hanging_.push_back({group, replica, job});
  DurableReplica& stored = disk[group];
  if (stored.replica != replica) return;
  if (job.new_boundary) {
    stored.boundary = *job.new_boundary;
    stored.entries.clear();
  }
  const uint64_t first = stored.boundary.id.index.value + 1;
  if (job.truncate_from) stored.entries.resize(job.truncate_from->value - first);
  for (const Entry& entry : job.entries) {
    ASSERT_EQ(entry.index.value, first + stored.entries.size());
    stored.entries.push_back(entry);
  }
  if (job.hard_state) stored.hard = *job.hard_state;
  GroupReplica* target = raft_->find(group);
  if (target != nullptr && target->id() == replica) target->persisted(job.job);
  cluster_.settle(*this);
}

void TestNode::fetch(GroupId group, const FetchRequest& request) {
  std::vector<Entry> entries;
  const DurableReplica& stored = disk[group];
  for (const Entry& entry : stored.entries)
    if (entry.index >= request.first && entry.index <= request.last) entries.push_back(entry);
  cluster_.post(disk_latency, [this, group, peer = request.peer, entries, life = incarnation] {
    if (life != incarnation || !is_up()) return;
    if (GroupReplica* target = raft_->find(group); target != nullptr)
      target->fetched(peer, entries);
    cluster_.settle(*this);
  });
}

void TestNode::create(GroupId group, ReplicaId replica, const LogBoundary& boundary) {
  cluster_.post(disk_latency, [this, group, replica, boundary, life = incarnation] {
    if (life != incarnation || !is_up()) return;
    disk[group] = {replica, {boundary.id.term, {}, {}}, boundary, {}};
    raft_->created(group);
    cluster_.settle(*this);
  });
}

void TestNode::destroy(GroupId group, ReplicaId lowest_allowed) {
  cluster_.post(disk_latency, [this, group, lowest_allowed, life = incarnation] {
    if (life != incarnation || !is_up()) return;
    disk.erase(group);
    tombstones[group].lowest_allowed = lowest_allowed;
    raft_->destroyed(group);
  });
}

void TestNode::quarantine(GroupId group, ReplicaId replica, const std::string&) {
  tombstones[group].quarantined = replica;
}

void TestNode::later(Micros delay, GroupId group, std::function<void(GroupReplica&)> action) {
  cluster_.post(delay, [this, group, action = std::move(action), life = incarnation] {
    GroupReplica* target = life == incarnation && is_up() ? raft_->find(group) : nullptr;
    if (target == nullptr || !target->is_running()) return;
    action(*target);
    cluster_.settle(*this);
  });
}

void TestNode::compact(GroupId group, LogIndex to) {
  if (!cluster_.options_.serves_snapshots) return;
  const LogBoundary boundary = raft_->find(group)->core().log().boundary();
  ASSERT_EQ(boundary.id.index, to);
  const ReplicaId replica = raft_->find(group)->id();
  cluster_.post(disk_latency, [this, group, replica, boundary, life = incarnation] {
    DurableReplica& stored = disk[group];
    const bool is_old = life != incarnation || stored.replica != replica ||
                        boundary.id.index <= stored.boundary.id.index;
    if (is_old || disk_hangs) return;
    std::erase_if(stored.entries,
                  [&boundary](const Entry& entry) { return entry.index <= boundary.id.index; });
    stored.boundary = boundary;
  });
}

// --- Snapshots of a service that has the image at any place
// ----------------------------------------------------------------------------------------

void TestNode::send(GroupId group, ReplicaId to) {
  snapshots_to.push_back(to);
  if (cluster_.options_.serves_snapshots) offer(group, to, 0);
}

void TestNode::offer(GroupId group, ReplicaId to, int tries) {
  later(Micros{2'000}, group, [this, group, to, tries](GroupReplica& replica) {
    const RaftCore& core = replica.core();
    const Progress* progress = replica.is_leader() ? core.progress(to) : nullptr;
    if (progress == nullptr || progress->state != ProgressState::kSnapshot) return;
    const LogIndex index = core.applied_index();
    const ConfigAt& config = core.log().config_at(index);
    if (!config.config.contains(to) || !core.log().config().contains(to)) {
      if (tries < 100) return offer(group, to, tries + 1);
      return replica.snapshot_result(to, SnapshotOutcome::kFailed);
    }
    SnapshotMeta meta;
    meta.boundary = {{core.log().term_at(index), index},
                     core.log().chain_at(index),
                     config.config,
                     config.index};
    meta.snap_id = ++cluster_.last_snapshot_;
    replica.snapshot_pinned(to, index);
    send({group,
          core.config().self,
          {core.log().config().find(to)->node, 0, to},
          core.term(),
          core.log().config_index(),
          SnapOffer{meta}});
    later(Micros{1'000'000}, group, [to](GroupReplica& sender) {
      sender.snapshot_result(to, SnapshotOutcome::kFailed);  // Ignored unless it still waits.
    });
  });
}

void TestNode::offered(GroupId group, const SnapshotMeta& meta) {
  offers.push_back(meta);
  if (!cluster_.options_.serves_snapshots) return;
  later(4 * disk_latency, group, [meta](GroupReplica& replica) { replica.snapshot_staged(meta); });
}

// The catalog knows what the leader's config says.
void TestNode::verify_gone(GroupId group, ReplicaId replica, GoneReason) {
  verify.push_back(group);
  if (!cluster_.options_.serves_snapshots) return;
  cluster_.post(Micros{5'000}, [this, group, replica, life = incarnation] {
    if (life != incarnation || !is_up()) return;
    const NodeId leader = cluster_.leader_of(group);
    if (leader.value == 0) return;
    const RaftCore& core = cluster_.replica(group, leader).core();
    const bool is_member =
        core.log().config().contains(replica) || core.log().config_index() > core.commit();
    raft_->gone_verified(group, replica,
                         is_member ? GoneVerdict::kStillMember : GoneVerdict::kRemoved);
  });
}

void TestNode::send(Envelope message) {
  cluster_.transmit(id_, std::move(message));
}

void TestNode::send_node(NodeId to, NodeMessage message) {
  cluster_.transmit_node(id_, to, std::move(message));
}

// --- The cluster
// ----------------------------------------------------------------------------------------

NodeCluster::NodeCluster(ClusterOptions options)
    : options_(std::move(options)), prng_(options_.seed) {
  for (uint64_t id = 1; id <= options_.node_count; ++id)
    nodes_.emplace(NodeId{id}, std::make_unique<TestNode>(*this, NodeId{id}));
  for (const auto& [id, node] : nodes_) {
    node->disk_latency = options_.disk_latency;
    start(id);
  }
}

void NodeCluster::start(NodeId id) {
  TestNode& node = *nodes_.at(id);
  NodeConfig config;
  config.self.node = id;
  config.self.incarnation = ++node.incarnation;
  config.seed = mix_hash(options_.seed, id.value);
  config.chain = test_chain;
  if (options_.adjust) options_.adjust(config);
  node.raft_ = std::make_unique<RaftNode>(config, NodePorts{&node, &node, &node, &node}, now_);
  for (const auto& [peer, other] : nodes_) {
    if (peer == id) continue;
    ASSERT_TRUE(node.raft_->add_peer(peer, now_).ok());
  }
  for (const auto& [group, tombstone] : node.tombstones)
    node.raft_->add_tombstone(group, tombstone);
  for (const auto& [group, stored] : node.disk) {
    if (node.tombstones[group].quarantined == stored.replica) continue;
    RestoredState state{stored.hard, stored.boundary, stored.entries, stored.boundary.id.index};
    state.hard.term = std::max(state.hard.term, stored.boundary.id.term);
    TestMachine& machine = node.fresh_machine(group);
    machine.texts = image_at(group, stored.boundary.id.index);
    const Status opened = node.raft_->open(group, stored.replica, state, machine);
    ASSERT_TRUE(opened.ok()) << opened.message();
  }
  run_node_time(node);
}

void NodeCluster::run_node_time(TestNode& node) {
  if (!node.is_up()) return;
  if (!node.is_stopped) {
    node.raft_->set_wall_clock(Timestamp{(now_ + node.wall_offset).time_since_epoch().count()});
    node.raft_->on_time(now_);
    settle(node);
  }
  const BootTime due = node.is_stopped ? now_ + 5ms : node.raft_->next_deadline();
  const Micros wait = due == BootTime::max() ? Micros{25'000} : std::max(Micros{1}, due - now_);
  post(wait, [this, &node, life = node.incarnation] {
    if (node.incarnation == life) run_node_time(node);
  });
}

// State machines answer at once, but never from within a port.
void NodeCluster::settle(TestNode& node) {
  for (const GroupId group : std::set<GroupId>(node.owing_)) {
    TestMachine& machine = node.machines_[group];
    GroupReplica* replica = node.raft_->find(group);
    if (machine.hangs) continue;  // Asked again until it does not.
    node.owing_.erase(group);
    if (replica == nullptr || !replica->is_running()) continue;
    if (machine.to_install > LogIndex{})
      replica->installed(std::exchange(machine.to_install, LogIndex{}));
    for (int i = 0; i < 1000; ++i) {
      if (machine.to_apply <= replica->core().applied_index()) break;
      replica->applied(machine.to_apply);
    }
  }
}

void NodeCluster::add_group(GroupId group, std::vector<NodeId> where) {
  if (where.empty()) where = node_ids();
  groups_[group] = members(group, where);
  LogBoundary boundary;
  boundary.id = {Term{1}, LogIndex{1}};
  boundary.config = groups_[group];
  boundary.config_index = LogIndex{1};
  for (const NodeId id : where) {
    TestNode& node = *nodes_.at(id);
    const Status status =
        node.raft_->create({group, replica_on(group, id), boundary, &node.fresh_machine(group)});
    ASSERT_TRUE(status.ok()) << status.message();
  }
}

Status NodeCluster::add_empty_replica(GroupId group, ReplicaId replica, NodeId where) {
  TestNode& target = node(where);
  return target.raft().create({group, replica, {}, &target.fresh_machine(group)});
}

Membership NodeCluster::members(GroupId group, const std::vector<NodeId>& where) const {
  Membership members;
  for (const NodeId id : where) {
    members.voters.push_back(replica_on(group, id));
    members.members.push_back({replica_on(group, id), id, {}});
  }
  return members;
}

// --- Time
// ---------------------------------------------------------------------------------------------

void NodeCluster::post(Micros delay, std::function<void()> action) {
  events_.emplace(std::pair{now_ + delay, ++seq_}, std::move(action));
}

void NodeCluster::run_for(Micros time) {
  const BootTime end = now_ + time;
  while (!events_.empty() && events_.begin()->first.first <= end) {
    auto next = events_.extract(events_.begin());
    now_ = std::max(now_, next.key().first);
    next.mapped()();
  }
  now_ = end;
}

bool NodeCluster::run_until(const std::function<bool()>& holds, Micros limit) {
  const BootTime end = now_ + limit;
  while (!holds()) {
    if (now_ >= end) return false;
    run_for(Micros{1'000});
  }
  return true;
}

Micros NodeCluster::latency() {
  if (options_.latency_spread == Micros{0}) return options_.latency;
  const auto spread = static_cast<uint64_t>(options_.latency_spread.count());
  return options_.latency + Micros{static_cast<Micros::rep>(prng_.below(spread))};
}

// --- Links
// --------------------------------------------------------------------------------------------

void NodeCluster::transmit(NodeId from, Envelope message) {
  sent_.push_back(message);
  const NodeId to = message.to.node;
  if (is_cut(from, to) || (loses && loses(message)) || !nodes_.contains(to)) return;
  BootTime& busy = link_busy_[{from, to}];
  busy = std::max(busy, now_ + latency());
  const size_t bytes = message_bytes(message);
  const bool is_append = std::holds_alternative<Append>(message.body);
  post(busy - now_, [this, from, to, bytes, is_append, message = std::move(message)] {
    TestNode& sender = *nodes_.at(from);
    if (is_append && sender.is_up()) sender.raft_->on_appends_sent(to, bytes);
    TestNode& target = *nodes_.at(to);
    if (!target.is_up()) return;
    if (target.is_stopped) {
      return keep(target, [this, &target, message, received = now_] {
        receive(target, {message, received});
        settle(target);
      });
    }
    receive(target, {message, now_});
    settle(target);
  });
}

void NodeCluster::receive(TestNode& target, const Inbound& inbound) {
  const Status status = target.raft_->recv(inbound, now_);
  EXPECT_TRUE(status.ok()) << status.message();
}

void NodeCluster::transmit_node(NodeId from, NodeId to, NodeMessage message) {
  ++node_messages_sent_;
  if (is_cut(from, to) || (loses_node && loses_node(from, to, message)) || !nodes_.contains(to))
    return;
  BootTime& busy = link_busy_[{from, to}];
  busy = std::max(busy, now_ + latency());
  const uint64_t life = nodes_.at(from)->incarnation;
  post(busy - now_, [this, from, to, life, message = std::move(message)] {
    deliver_node(from, to, {life, now_}, message);
  });
}

// The kernel keeps what arrives for a stopped process.
void NodeCluster::keep(TestNode& target, std::function<void()> arrival) {
  target.kept_.push_back(std::move(arrival));
  if (target.kept_.size() == 1) look_at_kept(target);
}

void NodeCluster::look_at_kept(TestNode& target) {
  post(1ms, [this, &target, life = target.incarnation] {
    if (target.is_up() && target.incarnation == life && target.is_stopped)
      return look_at_kept(target);
    const auto kept = std::exchange(target.kept_, {});
    if (!target.is_up() || target.incarnation != life) return;
    for (const auto& arrival : kept) arrival();
  });
}

void NodeCluster::deliver_node(NodeId from, NodeId to, const Sent& sent,
                               const NodeMessage& message) {
  TestNode& target = *nodes_.at(to);
  if (!target.is_up()) return;
  if (target.is_stopped) return keep(target, [=, this] { deliver_node(from, to, sent, message); });
  const Arrival arrival{sent.received_at, now_};
  if (const auto* batch = std::get_if<HeartbeatBatch>(&message); batch != nullptr) {
    const Status status = target.raft_->recv_batch(from, *batch, arrival);
    EXPECT_TRUE(status.ok()) << status.message();
  } else if (const auto* reply = std::get_if<HeartbeatReply>(&message); reply != nullptr) {
    target.raft_->recv_reply(from, *reply, arrival);
  } else {
    target.raft_->recv_farewell(from, sent.life, std::get<Farewell>(message), now_);
  }
  settle(target);
}

// --- Faults
// --------------------------------------------------------------------------------------------

void NodeCluster::crash(NodeId id, StreamLoss how) {
  TestNode& node = *nodes_.at(id);
  ++node.incarnation;  // Whatever was posted for the old life finds another one.
  --node.incarnation;
  node.raft_.reset();
  node.hanging_.clear();
  node.kept_.clear();
  post(options_.latency, [this, id, how] {
    for (auto& [other, peer] : nodes_) {
      if (other == id || !peer->is_up()) continue;
      if (how == StreamLoss::kRefused)
        peer->raft_->on_disconnected(id, StreamLoss::kClosedByPeer, now_);
      peer->raft_->on_disconnected(id, how, now_);
      settle(*peer);
    }
  });
}

void NodeCluster::restart(NodeId id) {
  start(id);
  for (auto& [other, peer] : nodes_) {
    if (other == id || !peer->is_up() || is_cut(other, id) || is_cut(id, other)) continue;
    peer->raft_->on_connected(id, nodes_.at(id)->incarnation, now_);
    nodes_.at(id)->raft_->on_connected(other, peer->incarnation, now_);
    settle(*peer);
  }
}

void NodeCluster::free_disk(NodeId id) {
  TestNode& target = node(id);
  target.disk_hangs = false;
  auto hanging = std::exchange(target.hanging_, {});
  // Some hung before they were handed to the disk, some after.
  std::stable_sort(hanging.begin(), hanging.end(),
                   [](const auto& a, const auto& b) { return a.job.job < b.job.job; });
  for (TestNode::Slow& slow : hanging) target.write(slow.group, slow.replica, std::move(slow.job));
}

void NodeCluster::isolate(NodeId node) {
  for (const auto& [other, peer] : nodes_) {
    if (other == node) continue;
    cut(node, other);
    cut(other, node);
  }
}

// --- Looking
// -------------------------------------------------------------------------------------------

void NodeCluster::note_applied(const TestMachine& machine, LogIndex index,
                               const std::string& text) {
  const size_t position = length_at(machine.group, LogIndex{index.value - 1}) + 1;
  const auto [known, is_new] = histories_[machine.group].emplace(index, Bundle{position, text});
  EXPECT_EQ(known->second.text, text) << "group " << machine.group.value << " at " << index.value
                                      << " on node " << machine.node.value;
  EXPECT_EQ(machine.texts.size(), position);
  if (on_applied) on_applied(machine, index, text);
}

size_t NodeCluster::length_at(GroupId group, LogIndex index) {
  const History& history = histories_[group];
  const auto behind = history.upper_bound(index);
  return behind == history.begin() ? 0 : std::prev(behind)->second.position;
}

std::vector<std::string> NodeCluster::image_at(GroupId group, LogIndex index) {
  const History& history = histories_[group];
  std::vector<std::string> texts;
  for (const auto& [at, bundle] : history) {
    if (at > index) break;
    texts.push_back(bundle.text);
  }
  return texts;
}

GroupReplica& NodeCluster::replica(GroupId group, NodeId id) {
  GroupReplica* found = nodes_.at(id)->raft_->find(group);
  WL_CHECK(found != nullptr);
  return *found;
}

std::vector<NodeId> NodeCluster::node_ids() const {
  std::vector<NodeId> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  return ids;
}

NodeId NodeCluster::leader_of(GroupId group) {
  NodeId best;
  Term term;
  for (const auto& [id, node] : nodes_) {
    const GroupReplica* found = node->is_up() ? node->raft_->find(group) : nullptr;
    if (found == nullptr || !found->is_leader()) continue;
    if (found->core().term() < term) continue;
    term = found->core().term();
    best = id;
  }
  return best;
}

bool NodeCluster::propose(GroupId group, const std::string& text) {
  const NodeId leader = leader_of(group);
  if (leader.value == 0) return false;
  GroupReplica& target = replica(group, leader);
  Proposal proposal;
  proposal.payload =
      std::make_shared<const ByteBuffer>(as_bytes(text).begin(), as_bytes(text).end());
  const ProposeResult result = target.propose(target.core().term(), {proposal});
  settle(node(leader));
  return result.ok();
}

void NodeCluster::check() {
  std::map<std::pair<GroupId, Term>, NodeId> leaders;
  for (const auto& [id, node] : nodes_) {
    if (!node->is_up()) continue;
    const Status status = node->raft_->check_invariants();
    EXPECT_TRUE(status.ok()) << "node " << id.value << ": " << status.message();
    for (const GroupId group : node->raft_->groups()) {
      const GroupReplica& found = *node->raft_->find(group);
      if (found.is_running()) {
        const Status core = found.core().check_invariants();
        EXPECT_TRUE(core.ok()) << core.message();
      }
      if (!found.is_leader()) continue;
      const auto [it, is_new] = leaders.emplace(std::pair{group, found.core().term()}, id);
      EXPECT_TRUE(is_new) << "group " << group.value << " has two leaders in one term";
    }
  }
}

}  // namespace worldline::replication
