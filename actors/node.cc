#include "actors/node.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>

#include "actors/caf_types.h"
#include "actors/catalog_desk.h"
#include "actors/checkpointer.h"
#include "actors/database_handle.h"
#include "actors/disk_care.h"
#include "actors/log_router.h"
#include "actors/log_watchdog.h"
#include "actors/module_host.h"
#include "actors/node_service.h"
#include "actors/reader_pool.h"
#include "actors/replication.h"
#include "base/secure_random.h"
#include "storage/log/database_recovery.h"
#include "storage/log/group_recovery.h"
#include "storage/log/node_recovery.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/disk_space.h"
#include "storage/rocksdb/rocksdb_store.h"

namespace worldline::actors {
namespace {

constexpr int kExitLogWriteFailed = 74;   // [S 09/1.10].
constexpr int kExitInvariantBroken = 70;  // [S 08/2].
constexpr ReplicaId kOnlyReplica{1};
// A start that failed ends what it had begun; nobody was served yet.
constexpr std::chrono::seconds kStopOfFailedStart{10};

[[noreturn]] void end_process(int exit_code, const char* what, const std::string& why) {
  std::fprintf(stderr, "worldline: %s, stopping: %s\n", what, why.c_str());
  std::fflush(stderr);
  std::_Exit(exit_code);
}

struct CatalogActorState {
  std::unique_ptr<CatalogDesk> desk;
};

caf::behavior catalog_actor(caf::stateful_actor<CatalogActorState>* self,
                            std::shared_ptr<CatalogDesk> desk, std::function<void()> retired) {
  return {
      [](const Task& task) { (*task)(); },
      [self, desk](const CommitNotice& notice) {
        desk->committed(notice.proposal);
        if (desk->is_done()) self->send(self, retire_atom_v);
      },
      // Twice round the mailbox: whoever was answered last may have asked again, and is refused.
      [self, desk, retired](retire_atom) {
        if (desk->is_done()) {
          desk->write_last_checkpoint();
          retired();
          return self->quit();
        }
        desk->close();
        if (desk->is_done()) self->send(self, retire_atom_v);
      },
  };
}

// Without its catalog the node can serve nothing: damage of it needs a decision [S 09/1.10].
Status catalog_refusal(const Status& why) {
  if (why.code() == StatusCode::kNotSupported) return why.with_context("the catalog");
  return Status::corruption("the catalog cannot be used: {}", why.message());
}

// Stored data that is not to be trusted or cannot be read; of a module it is neither.
bool is_damage(const Status& status) {
  return status.code() == StatusCode::kCorruption || status.code() == StatusCode::kIoError;
}

// Whatever stored data is refused for, a newer format included.
Status as_damage(const Status& why) {
  return Status::corruption("{}", why.message());
}

OutageKind kind_of_outage(const storage::LogStore& store, GroupId group, OutageKind unmarked) {
  const auto stone = store.tombstone(group);
  if (!stone.ok() || !*stone || (*stone)->quarantined.value == 0) return unmarked;
  return (*stone)->mark == storage::MarkKind::kFrozen ? OutageKind::kFrozen
                                                      : OutageKind::kQuarantined;
}

class Config : public caf::actor_system_config {
 public:
  Config() {
    add_message_types<caf::id_block::worldline>();
    // Stealing burns a core while idle; two threads, as handlers in the pool never block.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", size_t{2});
  }
};

}  // namespace

class Node::Impl final : public DatabaseLauncher, public CatalogRunner {
 public:
  Impl(NodeConfig config, const Clock& clock)
      : config_(std::move(config)), clock_(clock), router_([](const Status& why) {
          end_process(kExitLogWriteFailed, "the log cannot be written", why.message());
        }) {}
  ~Impl() override;

  Status open();
  void wind_down(const runtime::WindDown& times) {
    if (runtime_ != nullptr) runtime_->wind_down(times);
  }
  Status stop(std::chrono::milliseconds timeout);

  // DatabaseLauncher
  void create(const storage::DatabaseRecord& record, const PublishRequest& request,
              Callback<Result<DatabaseHandlePtr>> done) override;
  void destroy(DatabaseHandlePtr handle, CloseReason reason, std::function<void()> done) override;
  void discard(GroupId group, std::function<void()> done) override;
  // CatalogRunner
  void run(CatalogDesk::Change change, Callback<Status> done) override;

  NodeApi& api() { return *service_; }
  std::filesystem::path keys_directory() const { return directory_->keys(); }
  size_t database_count() const { return databases_.all().size(); }
  size_t outage_count() const { return databases_.outages().size(); }
  void distrust(const schema::Identity& database, storage::MarkKind kind, const std::string& why) {
    if (const auto handle = databases_.find(database))
      replication_->distrust(handle->group, kind, why);
  }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct RunningHost {
    caf::actor actor;  // What keeps it alive.
    DatabaseHandlePtr handle;
  };

  Status open_stores();
  Status look_at_disk();
  void watch_disk();
  DiskDeskParts disk_desk_parts(const storage::SpaceReading& reading);
  Result<storage::SpaceReading> read_space() const;
  Result<uint64_t> prepare_ballast(const storage::SpaceReading& reading,
                                   storage::SpaceLevel level) const;
  Status recover_groups();
  Result<OpenGroup> recover_catalog(CatalogDeskParts& parts);
  Status start_catalog();
  Status start_databases();
  Status remove_orphans();
  void start_recovered(const storage::DatabaseRecord& record, Callback<Status> done);
  Status sweep(const storage::VerifiedGroup& group, const storage::RecoveredDatabase& recovered);
  void start_replication();
  Result<storage::RecoveredDatabase> recover(const storage::VerifiedGroup& group);
  Result<OpenGroup> recovered_group(const storage::VerifiedGroup& group,
                                    const storage::RecoveredDatabase& recovered) const;
  static OpenGroup new_group(GroupId group);
  DatabaseHandlePtr make_handle(const storage::DatabaseRecord& record) const;
  HostParts host_parts(const storage::DatabaseRecord& record, const DatabaseHandlePtr& handle);
  void spawn_host(DatabaseHandlePtr handle, HostBoot boot, std::function<void(const Status&)> done);
  Status stop_hosts(SteadyTime deadline);
  void stop_actors();
  Status take_out(const schema::Identity& database, Outage outage);
  void note(const std::string& line) const {
    if (config_.on_note) config_.on_note(line);
  }
  void alarm(const std::string& line) const {
    if (config_.on_alarm) config_.on_alarm(line);
  }

  const NodeConfig config_;
  const Clock& clock_;  // Borrowed; outlives this.

  // In order of construction; destroyed in reverse.
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::LogStore> log_store_;
  std::unique_ptr<storage::CheckpointStore> checkpoint_store_;
  storage::OpenedNode opened_;
  // Used while starting: each group that was found is in one of them.
  std::map<GroupId, storage::VerifiedGroup> verified_;
  std::map<GroupId, Status> refused_;
  DiskBoard disk_;
  std::shared_ptr<DiskDesk> disk_desk_;  // Touched by the disk actor only, once it runs.
  LogRouter router_;
  std::unique_ptr<storage::LogWriterQueue> log_;
  std::thread log_thread_;
  std::unique_ptr<LogWatchdog> watchdog_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<runtime::ModuleRuntime> runtime_;
  std::unique_ptr<ReaderPool> readers_;
  CatalogBoard board_;
  DatabaseDirectory databases_;
  PublishGuard guard_;
  std::unique_ptr<NodeService> service_;
  std::shared_ptr<CatalogDesk> catalog_desk_;  // Touched by the catalog actor only, once it runs.

  Config caf_config_;
  std::unique_ptr<caf::actor_system> actors_;
  std::unique_ptr<Replication> replication_;
  std::unique_ptr<DiskCare> disk_care_;
  caf::actor catalog_;
  std::mutex running_mutex_;
  std::condition_variable running_changed_;
  std::map<GroupId, RunningHost> hosts_;  // Guarded by running_mutex_, as is the next.
  bool stopping_ = false;                 // No host begins any more.
  bool stopped_ = false;                  // Of the thread that opens and stops.
};

Node::Impl::~Impl() {
  if (log_ == nullptr || stopped_) return;
  const Status stopped = stop(kStopOfFailedStart);
  WL_CHECK(stopped.ok());  // Threads that still run would use what is destroyed here.
}

Status Node::Impl::open() {
  WL_RETURN_IF_ERROR(open_stores());
  WL_RETURN_IF_ERROR(recover_groups());
  log_ = std::make_unique<storage::LogWriterQueue>(*log_store_, router_, storage::LogWriterLimits{},
                                                   &clock_);
  WL_ASSIGN_OR_RETURN(runtime_, runtime::ModuleRuntime::start(config_.runtime, clock_));
  // At least two, so that one long query leaves room for short ones.
  readers_ = std::make_unique<ReaderPool>(std::clamp(std::thread::hardware_concurrency(), 2U, 8U));
  actors_ = std::make_unique<caf::actor_system>(caf_config_);
  start_replication();
  watch_disk();
  WL_RETURN_IF_ERROR(start_catalog());
  service_ = std::make_unique<NodeService>(
      NodeServiceParts{&board_, this, &databases_, this, &guard_, &disk_, &clock_});
  WL_RETURN_IF_ERROR(remove_orphans());
  return start_databases();
}

Status Node::Impl::open_stores() {
  WL_ASSIGN_OR_RETURN(directory_, storage::DataDirectory::open(config_.data_dir));
  WL_RETURN_IF_ERROR(look_at_disk());
  storage::RocksdbOptions options;
  options.on_note = [this](const std::string& line) { note(line); };
  options.path = directory_->log().string();
  WL_ASSIGN_OR_RETURN(auto log, storage::open_rocksdb(options));
  log_store_ = std::make_unique<storage::LogStore>(std::move(log));
  options.role = storage::DatabaseRole::kCheckpoint;
  options.path = directory_->checkpoints().string();
  WL_ASSIGN_OR_RETURN(auto checkpoints, storage::open_rocksdb(options));
  checkpoint_store_ = std::make_unique<storage::CheckpointStore>(std::move(checkpoints));
  storage::NodeOpenOptions fresh;
  fresh.fresh_cluster = random_bytes<16>();
  fresh.fresh_uuid = random_bytes<16>();
  auto opened = storage::open_node(*log_store_, fresh);
  // Foreign as one of a newer format is, not in use by another process [S 09/1.10].
  if (opened.status().code() == StatusCode::kFailedPrecondition)
    return Status::not_supported("{}", opened.status().message());
  WL_ASSIGN_OR_RETURN(opened_, std::move(opened));
  return {};
}

// Before anything is written: on a full disk the ballast gives recovery its room.
Status Node::Impl::look_at_disk() {
  WL_RETURN_IF_ERROR(config_.space.validate());
  WL_ASSIGN_OR_RETURN(const storage::SpaceReading reading, read_space());
  storage::DiskSpaceMonitor first_look(config_.space);
  first_look.observe(reading);
  disk_desk_ = std::make_shared<DiskDesk>(disk_desk_parts(reading));
  disk_desk_->on_ballast(prepare_ballast(reading, first_look.level()));
  disk_desk_->on_space(reading);
  return {};
}

DiskDeskParts Node::Impl::disk_desk_parts(const storage::SpaceReading& reading) {
  DiskDeskParts parts;
  parts.policy = config_.space;
  parts.ballast_bytes = storage::ballast_bytes({config_.ballast_bytes}, reading);
  parts.board = &disk_;
  parts.order_reading = [this] {
    log_->push_task([this](storage::LogStore&) { disk_care_->on_space(read_space()); })
        .status()
        .ignore("the node is stopping");
  };
  parts.order_ballast = [this] {
    checkpointer_->run_after([this] {
      const auto now = read_space();
      disk_care_->on_ballast(now.ok() ? prepare_ballast(*now, storage::SpaceLevel::kPlenty)
                                      : now.status());
    });
  };
  parts.writes_resumed = [this] {
    for (const DatabaseHandlePtr& handle : databases_.all()) handle->queue->wake();
  };
  parts.tell = [this](const replication::DiskVerdict& verdict) {
    if (replication_ != nullptr) replication_->on_disk(verdict);
  };
  parts.on_note = [this](const std::string& line) { note(line); };
  return parts;
}

Result<storage::SpaceReading> Node::Impl::read_space() const {
  return config_.read_space ? config_.read_space() : storage::read_disk_space(directory_->root());
}

// How much of it there is afterwards.
Result<uint64_t> Node::Impl::prepare_ballast(const storage::SpaceReading& reading,
                                             storage::SpaceLevel level) const {
  const storage::BallastPolicy policy{config_.ballast_bytes};
  WL_ASSIGN_OR_RETURN(const auto outcome,
                      storage::prepare_ballast(directory_->ballast(), policy, reading, level));
  const uint64_t bytes = storage::ballast_bytes(policy, reading);
  switch (outcome) {
    case storage::BallastOutcome::kKept:
      return bytes;
    case storage::BallastOutcome::kCreated:
      note(fmt::format("ballast made: {} MiB", bytes / limits::MiB));
      return bytes;
    case storage::BallastOutcome::kReleased:
      note("ballast released");
      return 0;
    case storage::BallastOutcome::kSkipped:
      return 0;
  }
  return 0;
}

// The watchdog alone ends a process whose disk hangs for good: everybody else may wait for it.
void Node::Impl::watch_disk() {
  const storage::DiskState& state = disk_desk_->state();
  replication_->on_disk({state.may_lead(), state.may_heartbeat(), !state.accepts_appends()});
  disk_care_ = std::make_unique<DiskCare>(*actors_, disk_desk_, config_.space_interval);
  LogWatchParts parts;
  parts.log = log_.get();
  parts.clock = &clock_;
  parts.changed = [this](const LogHealth& health) { disk_care_->on_log(health); };
  parts.hopeless = [] { std::_Exit(kExitLogWriteFailed); };
  watchdog_ = std::make_unique<LogWatchdog>(std::move(parts));
}

// Before the log writer runs: this thread is the only one that writes. A group that may not be used
// is left as it is and harms its own database only [S 08/3.7].
Status Node::Impl::recover_groups() {
  for (const GroupId group : opened_.groups) {
    auto verified = storage::verify_group(*log_store_, group);
    const auto verdict = storage::judge_group(verified, storage::Copies::kOnlyOne);
    if (verdict == storage::StartVerdict::kServe) {
      WL_RETURN_IF_ERROR(storage::adopt_group(*log_store_, *verified));
      verified_.emplace(group, std::move(verified).value());
      continue;
    }
    refused_.emplace(group, verified.ok() ? Status::corruption("group {}: it has no state, and no "
                                                               "other node could send it one",
                                                               group.value)
                                          : verified.status());
  }
  if (const auto refused = refused_.find(storage::kCatalogGroup); refused != refused_.end())
    return catalog_refusal(refused->second);
  // A new catalog would take all databases for leftovers and remove them.
  if (!opened_.groups.empty() && !verified_.contains(storage::kCatalogGroup))
    return Status::corruption("the catalog is missing, but group {} exists",
                              opened_.groups.front().value);
  return {};
}

// Three that know each other: jobs go down to the log writer, completions come back, checkpoints
// tell the group what its log no longer needs.
void Node::Impl::start_replication() {
  checkpointer_ = std::make_unique<Checkpointer>(
      *log_,
      [this](GroupId group, const storage::LogPlace& covered) {
        replication_->checkpointed(group, covered);
      },
      [this](const std::string& line) { note(line); },
      [this](bool fail) { disk_care_->on_checkpoints(fail); });
  ReplicationDeskParts parts;
  parts.config.self = {opened_.record.cluster, opened_.record.uuid, opened_.record.node,
                       opened_.record.incarnation};
  parts.config.seed = load_le<uint64_t>(random_bytes<8>().data());
  parts.config.chain = &replication::log_chain;
  parts.log = log_.get();
  parts.submit_checkpoint = [this](CheckpointJob job) { checkpointer_->submit(std::move(job)); };
  parts.clock = &clock_;
  parts.on_note = [this](const std::string& line) { note(line); };
  parts.on_fatal = [](const replication::Fatal& fatal) {
    end_process(kExitInvariantBroken, "a broken invariant of replication",
                fmt::format("I-{}: {}", fatal.invariant, fatal.text));
  };
  replication_ = std::make_unique<Replication>(*actors_, std::move(parts));
  router_.set_listener([this](WrittenJobsPtr jobs) { replication_->written(std::move(jobs)); });
  log_thread_ = std::thread([this] { log_->run(); });
}

// The state of a group of this node alone, after what an interrupted checkpoint left was removed.
Result<storage::RecoveredDatabase> Node::Impl::recover(const storage::VerifiedGroup& group) {
  WL_ASSIGN_OR_RETURN(auto recovered, storage::recover_database(*log_store_, *checkpoint_store_,
                                                                group, storage::ReplayTo::kTail));
  for (const auto& line : recovered.report.notes) note(line);
  if (recovered.verdict == storage::DatabaseVerdict::kNeedsSnapshot)
    return Status::corruption("group {}: no checkpoint can be used, and no other node has one",
                              group.group.value);
  WL_RETURN_IF_ERROR(sweep(group, recovered));
  return recovered;
}

Result<OpenGroup> Node::Impl::recovered_group(const storage::VerifiedGroup& group,
                                              const storage::RecoveredDatabase& recovered) const {
  OpenGroup open;
  open.group = group.group;
  open.replica = group.hard_state.replica;
  open.generation = group.hard_state.generation;
  WL_ASSIGN_OR_RETURN(open.restored, replication::restore_state(*log_store_, group));
  open.restored->applied = recovered.applied;
  open.covered = recovered.checkpoints.covered(group.group);
  open.log = {group.first, group.tail.last, group.log_bytes};
  return open;
}

OpenGroup Node::Impl::new_group(GroupId group) {
  OpenGroup open;
  open.group = group;
  open.replica = kOnlyReplica;
  open.birth_digest = storage::DatabaseState::bootstrap({group})->digest();
  return open;
}

// The catalog as it was left, or a new one, and the group to open for it.
Result<OpenGroup> Node::Impl::recover_catalog(CatalogDeskParts& parts) {
  const GroupId group = storage::kCatalogGroup;
  OpenGroup open = new_group(group);
  std::unique_ptr<storage::DatabaseState> state;
  storage::CheckpointWriter::Known checkpoints;
  if (const auto verified = verified_.find(group); verified != verified_.end()) {
    auto found = recover(verified->second);
    if (!found.ok()) return catalog_refusal(found.status());
    storage::RecoveredDatabase recovered = std::move(found).value();
    WL_ASSIGN_OR_RETURN(open, recovered_group(verified->second, recovered));
    parts.cluster_time_ns = recovered.cluster_time_ns;
    parts.last_timestamp = recovered.last_timestamp;
    parts.replayed_bytes = recovered.report.bytes_replayed;
    checkpoints = std::move(recovered.checkpoints);
    state = std::move(recovered.state);
  } else {
    state = storage::DatabaseState::bootstrap({group});
  }
  parts.state = std::make_unique<storage::CatalogState>(std::move(state));
  parts.checkpoint_writer = std::make_shared<storage::CheckpointWriter>(*checkpoint_store_, group,
                                                                        std::move(checkpoints));
  return open;
}

Status Node::Impl::start_catalog() {
  CatalogDeskParts parts;
  WL_ASSIGN_OR_RETURN(OpenGroup open, recover_catalog(parts));
  parts.board = &board_;
  parts.clock = &clock_;
  parts.propose = [this](ProposalBatchPtr batch) { replication_->propose(std::move(batch)); };
  parts.checkpoint = [this](ProposalSeq covers, CheckpointJob job) {
    replication_->checkpoint(covers, std::move(job));
  };
  catalog_desk_ = std::make_shared<CatalogDesk>(std::move(parts));
  // Replication goes on until the catalog's last answer is committed.
  const std::function<void()> retired = [this] { replication_->stop(); };
  catalog_ = actors_->spawn(catalog_actor, catalog_desk_, retired);
  auto led = std::make_shared<std::promise<Status>>();
  open.gate = std::make_shared<UncommittedGate>();
  open.listener.leading = [catalog = catalog_, desk = catalog_desk_, led](Term term) {
    caf::anon_send(catalog, std::make_shared<const std::function<void()>>(
                                [desk, led, term] { led->set_value(desk->lead(term)); }));
  };
  open.listener.committed = [catalog = catalog_](ProposalSeq proposal) {
    caf::anon_send(catalog, CommitNotice{proposal});
  };
  open.listener.failed = [](const Status& why) {
    end_process(kExitInvariantBroken, "the catalog is lost", why.message());
  };
  replication_->open(std::move(open));
  return led->get_future().get();
}

// Groups whose creation a crash cut short: no catalog row, so nobody was told of them.
Status Node::Impl::remove_orphans() {
  const CatalogIndexPtr index = board_.index();
  for (const GroupId group : opened_.groups) {
    if (group == storage::kCatalogGroup) continue;
    bool known = false;
    for (const auto& [identity, record] : index->databases) known |= record.group == group;
    if (known) continue;
    note(fmt::format("removing a database that was never completed group={}", group.value));
    WL_RETURN_IF_ERROR(checkpoint_store_->destroy_group(group));
    WL_RETURN_IF_ERROR(
        log_->push_task([group](storage::LogStore& store) {
              storage::discard_group(store, group).ignore("found again at the next start");
            })
            .status());
  }
  return {};
}

Status Node::Impl::start_databases() {
  const CatalogIndexPtr index = board_.index();
  std::vector<std::pair<const storage::DatabaseRecord*, std::future<Status>>> starts;
  for (const auto& [identity, record] : index->databases) {
    auto started = std::make_shared<std::promise<Status>>();
    starts.emplace_back(&record, started->get_future());
    if (const auto refused = refused_.find(record.group); refused != refused_.end())
      started->set_value(as_damage(refused->second));
    else
      start_recovered(record, [started](const Status& status) { started->set_value(status); });
  }
  for (auto& [record, start] : starts) {
    const Status status = start.get();
    if (status.ok()) continue;
    // What is wrong with one harms nobody else; a module that does not load is no damage.
    if (is_damage(status))
      take_out(record->database, {record->group, OutageKind::kDamaged, status.message()})
          .ignore("nobody waits for it");
    else
      alarm(fmt::format("a database cannot be served identity={}: {}", record->database.to_hex(),
                        status.message()));
  }
  verified_.clear();
  refused_.clear();
  return log_store_->failure();
}

// From here on its clients are told of the outage; returns what.
Status Node::Impl::take_out(const schema::Identity& database, Outage outage) {
  outage.kind = kind_of_outage(*log_store_, outage.group, outage.kind);
  const Status told = outage_status(outage);
  alarm(fmt::format("{} identity={} group={}: {}",
                    outage.kind == OutageKind::kStopped ? "database stopped" : "quarantine",
                    database.to_hex(), outage.group.value, told.message()));
  // One that is being deleted or made is not in the catalog, and nobody can ask for it.
  if (board_.index()->find_database(database) != nullptr)
    databases_.take_out(database, std::move(outage));
  return told;
}

DatabaseHandlePtr Node::Impl::make_handle(const storage::DatabaseRecord& record) const {
  auto handle = std::make_shared<DatabaseHandle>();
  handle->database = record.database;
  handle->group = record.group;
  handle->queue = std::make_shared<WorkQueue>(config_.inbox_bytes_max);
  handle->counters = std::make_shared<DatabaseCounters>();
  return handle;
}

HostParts Node::Impl::host_parts(const storage::DatabaseRecord& record,
                                 const DatabaseHandlePtr& handle) {
  HostParts parts;
  parts.record = record;
  parts.log_directory = directory_->module_logs() / record.database.to_hex();
  parts.runtime = runtime_.get();
  parts.limits = config_.module_limits;
  parts.checkpoint_policy = config_.checkpoint;
  parts.checkpoints = checkpoint_store_.get();
  parts.clock = &clock_;
  parts.disk = &disk_;
  parts.counters = handle->counters;
  return parts;
}

void Node::Impl::spawn_host(DatabaseHandlePtr handle, HostBoot boot,
                            std::function<void(const Status&)> done) {
  const GroupId group = handle->group;
  ModuleHostArgs args;
  args.shared.replication = replication_.get();
  args.shared.clock = &clock_;
  args.shared.readers = readers_.get();
  args.shared.read_limits = config_.read_limits;
  args.shared.on_lost_group = [this](const DatabaseHandle& lost, const Status& why) {
    return take_out(lost.database, {lost.group, OutageKind::kStopped, why.message()});
  };
  args.handle = handle;
  args.boot = std::move(boot);
  args.booted = std::move(done);
  args.stopped = [this, group] {
    const std::lock_guard<std::mutex> lock(running_mutex_);
    hosts_.erase(group);
    running_changed_.notify_all();
  };
  std::unique_lock<std::mutex> lock(running_mutex_);
  if (stopping_) {
    lock.unlock();
    args.booted(Status::unavailable("the node is stopping"));
    return;
  }
  // Under the lock, so that stop_hosts() finds a host that can be woken and boots before it stops.
  const caf::actor host = actors_->spawn<caf::detached>(module_host_actor, std::move(args));
  wake_host_for(*handle->queue, host);
  caf::anon_send(host, boot_atom_v);
  hosts_.emplace(group, RunningHost{host, std::move(handle)});
}

void Node::Impl::create(const storage::DatabaseRecord& record, const PublishRequest& request,
                        Callback<Result<DatabaseHandlePtr>> done) {
  const DatabaseHandlePtr handle = make_handle(record);
  const auto boot = [this, record, request, handle, done](HostPorts& ports) -> Result<BootedHost> {
    HostParts parts = host_parts(record, handle);
    parts.ports = &ports;
    WL_ASSIGN_OR_RETURN(auto program, DatabaseHost::check_program(parts, request));
    BootedHost booted;
    WL_ASSIGN_OR_RETURN(booted.host, DatabaseHost::create(std::move(parts), std::move(program),
                                                          [done, handle] { done(handle); }));
    booted.group = new_group(record.group);
    return booted;
  };
  spawn_host(handle, boot, [this, record, done](const Status& status) {
    if (status.ok()) return;
    // Nothing was told of it; what is left of the group goes now or at the next start.
    replication_->remove(record.group, [] {});
    done(status);
  });
}

// Removes what an interrupted checkpoint left. The checkpoint database has one writer, so this runs
// on the checkpointer's thread; the host being started waits for it.
Status Node::Impl::sweep(const storage::VerifiedGroup& group,
                         const storage::RecoveredDatabase& recovered) {
  std::promise<Status> swept;
  checkpointer_->run_after(
      [&] { swept.set_value(storage::sweep_checkpoints(*checkpoint_store_, group, recovered)); });
  return swept.get_future().get();
}

void Node::Impl::start_recovered(const storage::DatabaseRecord& record, Callback<Status> done) {
  const DatabaseHandlePtr handle = make_handle(record);
  const auto boot = [this, record, handle](HostPorts& ports) -> Result<BootedHost> {
    HostParts parts = host_parts(record, handle);
    parts.ports = &ports;
    const auto verified = verified_.find(record.group);
    if (verified == verified_.end())
      return Status::corruption("database {}: its group {} has no log here",
                                record.database.to_hex(), record.group.value);
    const SteadyTime started = clock_.steady();
    auto found = recover(verified->second);
    if (!found.ok()) return as_damage(found.status());
    storage::RecoveredDatabase recovered = std::move(found).value();
    DatabaseMeter& meter = handle->counters->meter;
    const auto took = clock_.steady() - started;
    set(meter.replay_micros, static_cast<uint64_t>(took / std::chrono::microseconds(1)));
    set(meter.replay_restore_micros,
        static_cast<uint64_t>(recovered.report.restore_time / std::chrono::microseconds(1)));
    set(meter.replay_log_micros,
        static_cast<uint64_t>(recovered.report.replay_time / std::chrono::microseconds(1)));
    set(meter.replay_entries, recovered.report.entries_replayed);
    note(fmt::format("database recovered identity={} entries={} transactions={}",
                     record.database.to_hex(), recovered.report.entries_replayed,
                     recovered.report.transactions_replayed));
    BootedHost booted;
    auto group = recovered_group(verified->second, recovered);
    if (!group.ok()) return as_damage(group.status());
    booted.group = std::move(group).value();
    WL_ASSIGN_OR_RETURN(booted.host, DatabaseHost::recover(std::move(parts), std::move(recovered)));
    return booted;
  };
  spawn_host(handle, boot, [this, handle, done](const Status& status) {
    if (status.ok()) databases_.add(handle);
    done(status);
  });
}

void Node::Impl::destroy(DatabaseHandlePtr handle, CloseReason reason, std::function<void()> done) {
  const auto remove_checkpoints = [this, group = handle->group] {
    checkpoint_store_->destroy_group(group).ignore("swept at the next start");
  };
  const auto remove_group = [this, group = handle->group, remove_checkpoints] {
    replication_->remove(
        group, [this, remove_checkpoints] { checkpointer_->run_after(remove_checkpoints); });
  };
  // A checkpoint of this group may be under way: it must not find the group gone.
  handle->queue->push(
      StopWork{StopKind::kForGood, std::move(reason), [this, remove_group, done = std::move(done)] {
                 checkpointer_->run_after(remove_group);
                 done();
               }});
}

void Node::Impl::discard(GroupId group, std::function<void()> done) {
  const auto remove_checkpoints = [this, group] {
    checkpoint_store_->destroy_group(group).ignore("swept at the next start");
  };
  const auto remove_rows = [this, group, remove_checkpoints, done](storage::LogStore& store) {
    storage::discard_group(store, group).ignore("the next start removes it");
    checkpointer_->run_after(remove_checkpoints);
    done();
  };
  // It may be known to replication or not, and a checkpoint of it may be under way.
  checkpointer_->run_after([this, group, remove_rows, done] {
    replication_->remove(group, [this, remove_rows, done] {
      if (!log_->push_task(remove_rows).ok()) done();  // The node stops; the next start does it.
    });
  });
}

void Node::Impl::run(CatalogDesk::Change change, Callback<Status> done) {
  caf::anon_send(catalog_, std::make_shared<const std::function<void()>>(
                               [desk = catalog_desk_, change = std::move(change),
                                done = std::move(done)] { desk->run(change, done); }));
}

// All of them, also those that are booting: their publish was accepted.
Status Node::Impl::stop_hosts(SteadyTime deadline) {
  // A call that hangs gets half of the time, if wind_down() did not leave it less.
  const SteadyTime now = std::chrono::steady_clock::now();
  wind_down({now + (deadline - now) / 2, now + (deadline - now) * 3 / 4});
  std::unique_lock<std::mutex> lock(running_mutex_);
  stopping_ = true;
  for (const auto& [group, host] : hosts_)
    host.handle->queue->push(StopWork{StopKind::kRestartable, {1001, "module exited"}, [] {}});
  if (running_changed_.wait_until(lock, deadline, [this] { return hosts_.empty(); })) return {};
  return Status::timeout("{} databases did not stop in time", hosts_.size());
}

// REQUIRES: no host is left, so that nobody sends to the catalog but itself.
void Node::Impl::stop_actors() {
  if (disk_care_ != nullptr) disk_care_->stop();
  if (catalog_)
    caf::anon_send(catalog_, retire_atom_v);
  else if (replication_ != nullptr)
    replication_->stop();
  if (actors_ != nullptr) actors_->await_all_actors_done();
  readers_.reset();  // Those that are still at work would tell actors.
  catalog_ = nullptr;
  catalog_desk_.reset();
  actors_.reset();
}

Status Node::Impl::stop(std::chrono::milliseconds timeout) {
  if (log_ == nullptr || stopped_) return {};
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  WL_RETURN_IF_ERROR(stop_hosts(deadline));
  stop_actors();
  if (checkpointer_ != nullptr && !checkpointer_->stop_by(deadline))
    note("no time was left for the last checkpoints; the next start replays the log instead");
  stopped_ = true;
  log_->close();
  if (log_thread_.joinable()) log_thread_.join();
  watchdog_.reset();
  if (log_store_->failure().ok()) return storage::close_node(*log_store_, opened_.record);
  return {};
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::open(NodeConfig config, const Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(config), clock);
  WL_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

NodeApi& Node::api() {
  return impl_->api();
}
std::filesystem::path Node::keys_directory() const {
  return impl_->keys_directory();
}
size_t Node::database_count() const {
  return impl_->database_count();
}
void Node::distrust(const schema::Identity& database, storage::MarkKind kind,
                    const std::string& why) {
  impl_->distrust(database, kind, why);
}
size_t Node::outage_count() const {
  return impl_->outage_count();
}
void Node::wind_down(const runtime::WindDown& times) {
  impl_->wind_down(times);
}

Status Node::stop(std::chrono::milliseconds timeout) {
  return impl_->stop(timeout);
}

}  // namespace worldline::actors
