#include "tests/processes/kv_node.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/secure_random.h"
#include "storage/log/group_recovery.h"
#include "storage/rocksdb/disk_space.h"

namespace worldline::kv {

using replication::BootTime;
using replication::GroupReplica;
using replication::Membership;

namespace {

constexpr std::chrono::milliseconds kSpaceEvery{100};
constexpr std::chrono::milliseconds kTurnMax{25};
constexpr std::chrono::seconds kInvariantsEvery{1};
constexpr std::chrono::milliseconds kDrainTime{2'000};

[[noreturn]] void die(int code, const std::string& why) {
  std::fprintf(stderr, "exit %d: %s\n", code, why.c_str());
  std::fflush(stderr);
  std::_Exit(code);
}

// Replica and node ids are equal here: a node has one replica in its life.
Membership members_of(const std::vector<ReplicaId>& ids) {
  Membership members;
  for (const ReplicaId id : ids) {
    members.voters.push_back(id);
    members.members.push_back({id, NodeId{id.value}, {}});
  }
  std::sort(members.voters.begin(), members.voters.end());
  std::sort(members.members.begin(), members.members.end(),
            [](const auto& a, const auto& b) { return a.replica < b.replica; });
  return members;
}

storage::RandomId uuid_of(NodeId node) {
  storage::RandomId uuid{};
  uuid[0] = 'k';
  uuid[15] = static_cast<Byte>(node.value);
  return uuid;
}

}  // namespace

KvNode::KvNode(KvNodeOptions options)
    : options_(std::move(options)),
      space_([this] {
        storage::SpacePolicy policy;
        policy.full.bytes = options_.full_bytes;
        policy.almost_full.bytes = options_.almost_full_bytes;
        return policy;
      }()),
      stalls_({}),
      slowness_({}) {}

KvNode::~KvNode() {
  clients_.reset();
  if (peers_ != nullptr) peers_->stop();
  worker_.reset();
  log_.reset();
}

// --- Start ---------------------------------------------------------------------------------------

Status KvNode::start() {
  WL_RETURN_IF_ERROR(open_log());
  WL_RETURN_IF_ERROR(start_clients());
  if (!options_.seeds.empty()) {
    WL_RETURN_IF_ERROR(start_birth());
    if (!birth_->is_born()) return {};  // A turn will see that it is.
  } else if (options_.cluster) {
    WL_RETURN_IF_ERROR(log_->enter({*options_.cluster, options_.node, {}}));
  }
  if (log_->opened().record.node != options_.node && options_.seeds.empty())
    return Status::failed_precondition("the data directory is that of node {}",
                                       log_->opened().record.node.value);
  return start_group();
}

Status KvNode::start_group() {
  if (birth_ != nullptr) {
    WL_RETURN_IF_ERROR(take_genesis(birth_->genesis()));
    birth_->stop_listening();
    reached("listening");
  }
  worker_ = std::make_unique<Worker>();
  peers_ = std::make_unique<KvPeers>(loop_, clock_, static_cast<PeerEvents&>(*this));
  WL_RETURN_IF_ERROR(open_snapshots());
  machine_ = std::make_unique<KvMachine>(
      [this](const replication::SnapshotMeta& meta) { return snapshots_->install(meta); });
  const replication::NodeConfig config = node_config();
  WL_RETURN_IF_ERROR(config.validate());
  const replication::NodePorts ports{this, peers_.get(), &snapshots_->port(), this};
  node_ = std::make_unique<replication::RaftNode>(config, ports, now());
  WL_ASSIGN_OR_RETURN(std::unique_ptr<replication::Transport> transport,
                      make_transport(options_, log_->opened().record, peers_->listener(),
                                     birth_ != nullptr ? &birth_->listener() : nullptr));
  peers_->start(std::move(transport));
  WL_RETURN_IF_ERROR(open_group());
  start_writer();
  WL_RETURN_IF_ERROR(create_group());
  return start_peers();
}

Status KvNode::start_clients() {
  WL_ASSIGN_OR_RETURN(clients_, ClientServer::start(options_.client_host, options_.client_port,
                                                    [this](std::vector<ClientRequest> all) {
                                                      loop_.post([this, all = std::move(all)] {
                                                        for (const ClientRequest& one : all)
                                                          handle(one);
                                                      });
                                                    }));
  return {};
}

Status KvNode::open_snapshots() {
  KvSnapshots::Parts parts;
  parts.loop = &loop_;
  parts.worker = worker_.get();
  WL_ASSIGN_OR_RETURN(parts.disk, KvCheckpoints::open(log_->directory().checkpoints()));
  parts.replica = [this]() -> GroupReplica* {
    GroupReplica* here = node_ != nullptr ? replica() : nullptr;
    return here != nullptr && here->is_running() ? here : nullptr;
  };
  parts.send = [this](NodeId to, replication::WireMessage message) {
    peers_->send_message(to, std::move(message));
  };
  parts.write_boundary = [this](const replication::LogBoundary& boundary,
                                const replication::CheckpointPlace& place) {
    log_->queue()
        .push(adapter_->to_checkpoint_job(boundary, place))
        .status()
        .ignore("the writer ends the process when the disk fails");
  };
  parts.checkpoint_entries = options_.checkpoint_entries;
  parts.bytes_per_second = options_.snapshot_bytes_per_second;
  snapshots_ = std::make_unique<KvSnapshots>(std::move(parts));
  return {};
}

Status KvNode::open_log() {
  NodeLogOptions log;
  log.root = options_.data;
  if (options_.seeds.empty() && !options_.cluster) {
    log.node.fresh_cluster = uuid_of(NodeId{0});
    log.node.fresh_uuid = uuid_of(options_.node);
    log.node.fresh_node = options_.node;
    log.node.expected_cluster = log.node.fresh_cluster;
  } else {
    log.node.fresh_uuid = random_bytes<16>();  // A new disk is a new node.
    log.node.fresh_node = NodeId{};
  }
  log.memtable_bytes = options_.memtable_bytes;
  WL_ASSIGN_OR_RETURN(log_, NodeLog::open(log, faults_));
  return {};
}

replication::NodeConfig KvNode::node_config() const {
  const storage::NodeRecord& record = log_->opened().record;
  replication::NodeConfig config;
  config.self = {record.cluster, record.uuid, record.node, record.incarnation};
  config.seed = options_.node.value;
  config.chain = replication::log_chain;
  config.limits.retained_entries = options_.retained_entries;
  config.limits.retained_bytes = options_.retained_bytes;
  config.limits.cached_bytes_max = options_.cached_bytes;
  return config;
}

Status KvNode::open_group() {
  WL_ASSIGN_OR_RETURN(const std::optional<storage::Tombstone> tombstone,
                      log_->store().tombstone(kGroup));
  if (tombstone) node_->add_tombstone(kGroup, {tombstone->lowest_allowed, tombstone->quarantined});
  const std::vector<GroupId>& groups = log_->opened().groups;
  if (std::find(groups.begin(), groups.end(), kGroup) == groups.end()) return {};
  const Result<storage::VerifiedGroup> verified = storage::verify_group(log_->store(), kGroup);
  if (!verified.ok()) return act_on(verified.status());
  const Status recovered = recover(*verified);
  return recovered.ok() ? recovered : act_on(recovered);
}

// A group that may not serve leaves the node running: whoever asks is told what the replica is.
Status KvNode::act_on(const Status& damage) {
  switch (storage::judge_failure(damage, storage::Copies::kSeveral)) {
    case storage::StartVerdict::kQuarantine:
      WL_RETURN_IF_ERROR(storage::quarantine_damaged(log_->store(), kGroup, damage));
      bar(damage.message());
      return {};
    case storage::StartVerdict::kQuarantined:
      bar(damage.message());
      return {};
    default:
      return damage;
  }
}

// The id is of the order that placed the replica here: the hard state may be what is damaged.
void KvNode::bar(const std::string& why) {
  std::fprintf(stderr, "quarantined: %s\n", why.c_str());
  stopped_why_ = why;
  is_barred_ = true;
  node_->add_tombstone(kGroup, {ReplicaId{}, options_.replica});
}

// The checkpoint first: a group that is adopted counts as whole.
Status KvNode::recover(const storage::VerifiedGroup& group) {
  WL_ASSIGN_OR_RETURN(replication::RestoredState state,
                      replication::restore_state(log_->store(), group));
  WL_ASSIGN_OR_RETURN(const replication::LogBoundary checkpoint,
                      replication::decode_log_boundary(group.boundary));
  WL_ASSIGN_OR_RETURN(KvState stored, snapshots_->load(checkpoint, group.boundary.checkpoint));
  WL_RETURN_IF_ERROR(storage::adopt_group(log_->store(), group));
  options_.replica = group.hard_state.replica;
  adapter_ = std::make_unique<replication::LogAdapter>(kGroup, options_.replica,
                                                       group.hard_state.generation);
  machine_->restore(std::move(stored));
  return node_->open(kGroup, options_.replica, std::move(state), *machine_);
}

Status KvNode::create_group() {
  if (adapter_ != nullptr || is_barred_) return {};
  adapter_ = std::make_unique<replication::LogAdapter>(kGroup, options_.replica, 1);
  replication::CreateOrder order;
  order.group = kGroup;
  order.replica = options_.replica;
  if (birth_ != nullptr)
    order.boundary =
        replication::genesis_boundary(kGroup, replication::catalog_members(birth_->genesis()));
  else if (!options_.members.empty())
    order.boundary = replication::genesis_boundary(kGroup, members_of(options_.members));
  order.machine = machine_.get();
  return node_->create(order);
}

void KvNode::start_writer() {
  WriterNotices notices;
  notices.began = [this] { loop_.post([this, at = clock_.steady()] { writing_since_ = at; }); };
  notices.ended = [this] {
    loop_.post([this, at = clock_.steady()] {
      // A process that was stopped in between may have looked at the disk after `at` already.
      const storage::SteadyTime now = clock_.steady();
      stalls_.on_written(at - *writing_since_, now);
      slowness_.on_written(at - *writing_since_, now);
      writing_since_.reset();
    });
  };
  notices.written = [this](std::vector<replication::JobId> jobs) {
    loop_.post([this, jobs = std::move(jobs)] {
      for (const replication::JobId job : jobs)
        if (GroupReplica* here = replica(); here != nullptr) here->persisted(job);
    });
  };
  notices.checkpoint_counts = [this](LogIndex index) {
    loop_.post([this, index] {
      if (GroupReplica* here = replica(); here != nullptr)
        snapshots_->checkpoint_counts(index, *here);
    });
  };
  notices.log_replaced = [this] { loop_.post([this] { snapshots_->log_replaced(); }); };
  notices.failed = [this](const Status& why) {
    peers_->say_goodbye(replication::GoodbyeReason::kStorage);
    die(kExitDisk, why.message());
  };
  log_->start(std::move(notices));
}

std::vector<replication::PeerInfo> KvNode::peer_infos() const {
  std::vector<replication::PeerInfo> infos;
  for (const auto& [node, address] : options_.peers)
    if (node != options_.node)
      infos.push_back({node, uuid_of_peer(node), fmt::format("kv{}", node.value), {address}});
  return infos;
}

storage::RandomId KvNode::uuid_of_peer(NodeId node) const {
  const auto found = options_.uuids.find(node);
  return found != options_.uuids.end() ? found->second : uuid_of(node);
}

Status KvNode::start_peers() {
  for (const auto& [node, address] : options_.peers)
    if (node != options_.node) WL_RETURN_IF_ERROR(node_->add_peer(node, now()));
  return peers_->set_peers(peer_infos());
}

// --- The loop ------------------------------------------------------------------------------------

void KvNode::stop() {
  is_stopping_ = true;
}

int KvNode::run() {
  // A thread without I/O ends the process when the disk hangs for good.
  std::thread([this] {
    for (;;) {
      std::this_thread::sleep_for(std::chrono::seconds{1});
      if (is_disk_hopeless_) std::_Exit(kExitDisk);
    }
  }).detach();
  while (!is_stopping_) turn();
  drain_and_close();
  return 0;
}

void KvNode::turn() {
  if (node_ == nullptr) return birth_turn();
  const BootTime due = std::min(node_->next_deadline(), now() + kTurnMax);
  const auto wait = std::max(replication::Micros{0}, due - now());
  for (const Work& work : loop_.take(wait)) work();
  on_time(now());
  settle();
  if (birth_ != nullptr) birth_->on_time(now());
  peers_->flush();
  clients_->flush();
}

void KvNode::set_wall_clock() {
  node_->set_wall_clock({clock_.now().micros + wall_offset_us_});
}

void KvNode::on_time(BootTime at) {
  set_wall_clock();
  if (at >= node_->next_deadline()) node_->on_time(at);
  judge_disk();
  if (at >= space_due_) {
    space_due_ = at + kSpaceEvery;
    measure_space();
  }
  GroupReplica* here = replica();
  if (here == nullptr || !here->is_running()) return;
  if (at >= invariants_due_) {
    invariants_due_ = at + kInvariantsEvery;
    const Status sound = here->core().check_invariants();
    if (!sound.ok()) die(kExitInvariant, sound.message());
  }
  snapshots_->on_time(at);
}

void KvNode::judge_disk() {
  const storage::SteadyTime at = clock_.steady();
  stalls_.observe(writing_since_, at);
  disk_ = {space_.level(), stalls_.level(), slowness_.is_slow(at), snapshots_->checkpoints_fail()};
  node_->on_disk({disk_.may_lead(), disk_.may_heartbeat(), !disk_.accepts_appends()});
  is_disk_hopeless_ = disk_.stall == storage::StallLevel::kAbort;
  node_->set_pressure(disk_.pressure_per_cent(), 0);
}

void KvNode::measure_space() {
  worker_->post([this] {
    const auto reading = storage::read_disk_space(options_.data);
    if (reading.ok()) loop_.post([this, reading = *reading] { space_.observe(reading); });
  });
}

void KvNode::settle() {
  GroupReplica* here = replica();
  if (here == nullptr || !here->is_running()) return;
  machine_->settle(*here);
  if (here->is_running()) snapshots_->settle(*here, machine_->state());
}

// Hands its leadership over before it goes.
void KvNode::drain_and_close() {
  if (node_ == nullptr) return birth_->stop();
  const BootTime end = now() + kDrainTime;
  while (now() < end && node_->drain(4) > 0) turn();
  node_->say_farewell(replication::LeaveReason::kShutdown);
  peers_->flush();
  peers_->say_goodbye(replication::GoodbyeReason::kShutdown);
  peers_->stop();
  log_->close();
}

// --- LogPort -------------------------------------------------------------------------------------

void KvNode::write(GroupId, ReplicaId, replication::PersistJob job) {
  replication::CheckpointPlace place;
  if (job.new_boundary) {
    place = snapshots_->staged_place();
  }
  uint64_t grown = 0;
  for (const replication::Entry& entry : job.entries) grown += entry.payload_bytes;
  snapshots_->service().on_log_grew(kGroup, grown);
  storage::LogJob log_job = adapter_->to_log_job(job, job.new_boundary ? &place : nullptr);
  log_job.job = job.job.value;
  const Status pushed = log_->queue().push(std::move(log_job)).status();
  if (!pushed.ok() && !is_stopping_) die(kExitDisk, pushed.message());
}

void KvNode::fetch(GroupId group, const replication::FetchRequest& request) {
  worker_->post([this, group, request] {
    Result<std::vector<replication::Entry>> entries =
        replication::read_entries(log_->store(), group, request);
    loop_.post([this, peer = request.peer, entries = std::move(entries)] {
      GroupReplica* here = replica();
      if (here == nullptr || !here->is_running()) return;
      if (entries.ok()) return here->fetched(peer, *entries);
      here->quarantine(0, entries.status().message());  // [S 08/3.12]: it lost what it stored.
    });
  });
}

void KvNode::compact(GroupId group, LogIndex upto) {
  log_->queue()
      .push_task([group, first = upto.next()](storage::LogStore& store) {
        store.truncate_prefix(group, first).ignore("tried again by the next checkpoint");
      })
      .status()
      .ignore("the node is stopping");
}

void KvNode::create(GroupId group, ReplicaId id, const replication::LogBoundary& boundary) {
  const auto queued =
      log_->queue().push_task([this, group, id, boundary](storage::LogStore& store) {
        const Status done = boundary.id.index.value == 0
                                ? store.create_uninitialised(group, id)
                                : store.create_group(replication::group_birth(
                                      group, id, boundary.config, storage::content_hash({})));
        if (!done.ok()) die(kExitDamaged, done.message());
        reached("created");
        loop_.post([this, group] { node_->created(group); });
      });
  if (!queued.ok()) die(kExitDisk, queued.status().message());
}

void KvNode::destroy(GroupId group, ReplicaId lowest_allowed) {
  log_->queue()
      .push_task([this, group, lowest_allowed](storage::LogStore& store) {
        const Status done = store.destroy_group(group, {lowest_allowed, {}, {}});
        if (!done.ok()) die(kExitDisk, done.message());
        loop_.post([this, group] {
          node_->destroyed(group);
          stopped_why_ = "removed";
        });
      })
      .status()
      .ignore("the node is stopping; the next start finds the group again");
}

void KvNode::quarantine(GroupId group, ReplicaId id, const std::string& why) {
  stopped_why_ = why;
  log_->queue()
      .push_task([group, id, why](storage::LogStore& store) {
        store.quarantine(group, id, Status::corruption("{}", why))
            .ignore("the replica is stopped in any case");
      })
      .status()
      .ignore("the node is stopping");
}

// --- NodePort ------------------------------------------------------------------------------------

void KvNode::fatal(GroupId, const replication::Fatal& fatal) {
  die(kExitInvariant, fmt::format("I-{}: {}", fatal.invariant, fatal.text));
}

void KvNode::report(const replication::NodeReport& report) {
  std::fprintf(stderr, "report %d replica %lu I-%d: %s\n", static_cast<int>(report.kind),
               report.replica.value, report.invariant, report.text.c_str());
  ++reports_[report.kind];
  if (report.kind == replication::ReportKind::kFenced) die(kExitInvariant, report.text);
}

// The driver is the catalog: it sees this in STATUS and gives the order.
void KvNode::verify_gone(GroupId, ReplicaId, replication::GoneReason) {
  gone_ = true;
}

void KvNode::noted(GroupId, const replication::Note& note) {
  ++notes_[note.kind];
}

// --- PeerEvents ----------------------------------------------------------------------------------

void KvNode::received(const replication::ReceivedBatch& batch, BootTime at) {
  set_wall_clock();  // Answers say what it shows now: who compares clocks counts on it.
  for (const replication::WireMessage& message : batch.messages) {
    const Status taken = take(batch.from.node, message, at);
    if (taken.ok()) continue;
    return peers_->reject(batch.from, batch.cls, taken);  // With what came behind it.
  }
}

// Not OK: what no node sends [S 08/1.7 A9].
Status KvNode::take(NodeId from, const replication::WireMessage& message, BootTime at) {
  if (const auto* envelope = std::get_if<replication::Envelope>(&message))
    return node_->recv({*envelope, at}, now());
  if (const auto* beats = std::get_if<replication::HeartbeatBatch>(&message))
    return node_->recv_batch(from, *beats, {at, now()});
  if (const auto* reply = std::get_if<replication::HeartbeatReply>(&message)) {
    for (const replication::HeartbeatAnswer& answer : reply->answers)
      if (answer.status == replication::HeartbeatStatus::kQuarantined) ++heard_quarantined_;
    node_->recv_reply(from, *reply, {at, now()});
  } else if (const auto* snapshot = std::get_if<replication::SnapBytes>(&message)) {
    snapshots_->recv(from, *snapshot);
  }
  return Status::ok_status();
}

void KvNode::stream_up(const replication::StreamUp& stream) {
  if (stream.cls == replication::TrafficClass::kLog)
    snapshots_->service().on_connected(stream.peer.node);
  if (stream.cls == replication::TrafficClass::kControl)
    node_->on_connected(stream.peer.node, stream.peer.incarnation, now());
}

void KvNode::stream_down(NodeId peer, replication::TrafficClass cls,
                         const replication::StreamEnd& end) {
  if (cls == replication::TrafficClass::kLog) appends_lost(peer);
  if (cls == replication::TrafficClass::kBulk) snapshots_->service().on_disconnected(peer);
  if (cls != replication::TrafficClass::kControl) return;
  switch (end.reason) {
    case replication::EndReason::kClosed:
      return node_->on_disconnected(peer, replication::StreamLoss::kClosedByPeer, now());
    case replication::EndReason::kRefused:
      return node_->on_disconnected(peer, replication::StreamLoss::kRefused, now());
    default:
      return node_->on_disconnected(peer, replication::StreamLoss::kBroken, now());
  }
}

void KvNode::appends_gone(NodeId peer, size_t bytes) {
  node_->on_appends_sent(peer, bytes);
}

void KvNode::appends_lost(NodeId peer) {
  GroupReplica* here = replica();
  if (here == nullptr || !here->is_leader()) return;
  const ReplicaId member = here->member_at(peer);
  if (member.value != 0) here->unreachable(member);
}

void KvNode::goodbye(const replication::NodeLife& peer, replication::GoodbyeReason reason) {
  node_->recv_farewell(peer.node, peer.incarnation, {static_cast<replication::LeaveReason>(reason)},
                       now());
}

}  // namespace worldline::kv
