// tests/processes/kv_node.h
//
// KvNode is one process of the test cluster: a RaftNode with one group, its log, its peers, its
// state machine and its clients, driven by one loop. What the server's actors do for databases is
// done here for lists of ids.
//
// Invariants: the node is settled after every turn of the loop, then messages leave.
// Ownership: owns everything; run() is the loop's thread. Errors: exit codes as in [S 08/3.12]: 70
//   for a broken invariant, 74 for a disk that failed or hangs, 75 for a log that does not open. A
//   damaged group is quarantined: the node runs and says so.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/log/disk_state.h"
#include "tests/processes/client_server.h"
#include "tests/processes/kv_birth.h"
#include "tests/processes/kv_machine.h"
#include "tests/processes/kv_peers.h"
#include "tests/processes/kv_snapshots.h"

namespace worldline::kv {

inline constexpr int kExitInvariant = 70;
inline constexpr int kExitDisk = 74;
inline constexpr int kExitDamaged = 75;

struct KvNodeOptions {
  NodeId node;  // 0: the genesis says it.
  ReplicaId replica;
  std::filesystem::path data;
  std::string listen;  // host:port for peers.
  std::string client_host;
  uint16_t client_port = 0;
  std::map<NodeId, std::string> peers;        // Addresses; may hold the own one.
  std::map<NodeId, storage::RandomId> uuids;  // Of peers that were born from seeds.
  std::vector<ReplicaId> members;             // Of birth, ids as of nodes. Empty: join.
  std::vector<std::string> seeds;  // Addresses; with them all of the above comes from birth.
  std::string token;
  std::optional<storage::RandomId> cluster;  // That was born from seeds; join it.
  std::string die_at;                        // A step of birth: kill -9 there.
  uint64_t checkpoint_entries = 2000;
  uint64_t snapshot_bytes_per_second = replication::kTransferBytesPerSecond;
  size_t retained_entries = 2000;
  size_t retained_bytes = 64 * limits::KiB;
  size_t cached_bytes = 4 * limits::MiB;
  size_t memtable_bytes = 4 * limits::MiB;
  size_t full_bytes = 8 * limits::MiB;
  size_t almost_full_bytes = 16 * limits::MiB;
  std::string tls_directory;  // With node.pem, node.key, ca.pem. Empty: no TLS.
};

class KvNode final : private replication::LogPort,
                     private replication::NodePort,
                     private PeerEvents {
 public:
  explicit KvNode(KvNodeOptions options);
  ~KvNode() override;

  // Recovers, joins or is born, and opens its ports. With seeds, it may be born later.
  Status start();
  // Until stop() was called; the exit code.
  int run();
  void stop();  // Any thread, signal-safe.

 private:
  // --- Start
  Status open_log();
  Status start_clients();
  Status start_birth();
  Status enter_genesis(const replication::Genesis& genesis);
  Status take_genesis(const replication::Genesis& genesis);
  void birth_turn();
  void reached(const char* step);
  Status start_group();
  Status open_snapshots();
  Status recover(const storage::VerifiedGroup& group);
  Status open_group();
  Status act_on(const Status& damage);
  void bar(const std::string& why);
  Status create_group();
  void start_writer();
  Status start_peers();
  storage::RandomId uuid_of_peer(NodeId node) const;
  std::vector<replication::PeerInfo> peer_infos() const;
  replication::NodeConfig node_config() const;

  // --- The loop
  void turn();
  void on_time(replication::BootTime now);
  void set_wall_clock();
  void judge_disk();
  void measure_space();
  void settle();
  replication::BootTime now() const { return replication::BootTime(clock_.boot()); }
  replication::GroupReplica* replica() { return node_->find(kGroup); }
  void drain_and_close();

  // --- Clients
  void handle(const ClientRequest& request);
  void handle_unborn(const ClientRequest& request);
  void handle_data(const ClientRequest& request, replication::GroupReplica* replica);
  std::string admin(const std::vector<std::string>& words);
  std::string change_members(const std::vector<std::string>& words);
  std::string disk_command(const std::vector<std::string>& words);
  std::string peer_command(const std::vector<std::string>& words);
  std::string forget_command(NodeId node);
  std::string drop_command(const std::vector<std::string>& words);
  std::string status_text();
  std::string group_text();
  std::string list_text(const std::string& key);

  // --- LogPort
  void write(GroupId group, ReplicaId replica, replication::PersistJob job) override;
  void fetch(GroupId group, const replication::FetchRequest& request) override;
  void compact(GroupId group, LogIndex upto) override;
  void create(GroupId group, ReplicaId replica, const replication::LogBoundary& boundary) override;
  void destroy(GroupId group, ReplicaId lowest_allowed) override;
  void quarantine(GroupId group, ReplicaId replica, const std::string& why) override;

  // --- NodePort
  void fatal(GroupId group, const replication::Fatal& fatal) override;
  void report(const replication::NodeReport& report) override;
  void verify_gone(GroupId group, ReplicaId replica, replication::GoneReason reason) override;
  void noted(GroupId, const replication::Note& note) override;

  // --- PeerEvents
  void received(const replication::ReceivedBatch& batch, replication::BootTime at) override;
  Status take(NodeId from, const replication::WireMessage& message, replication::BootTime at);
  void stream_up(const replication::StreamUp& stream) override;
  void stream_down(NodeId peer, replication::TrafficClass cls,
                   const replication::StreamEnd& end) override;
  void appends_gone(NodeId peer, size_t bytes) override;
  void appends_lost(NodeId peer) override;
  void goodbye(const replication::NodeLife& peer, replication::GoodbyeReason reason) override;

  KvNodeOptions options_;
  SystemClock clock_;
  std::atomic<int64_t> wall_offset_us_{0};
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> is_disk_hopeless_{false};
  DiskFaults faults_;
  Loop loop_;
  std::unique_ptr<NodeLog> log_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<replication::LogAdapter> adapter_;
  std::unique_ptr<KvSnapshots> snapshots_;
  std::unique_ptr<KvMachine> machine_;
  std::unique_ptr<KvBirth> birth_;  // Null: it was given no seeds.
  std::unique_ptr<KvPeers> peers_;
  std::unique_ptr<replication::RaftNode> node_;
  storage::DiskSpaceMonitor space_;
  storage::StallDetector stalls_;
  storage::SlowDiskDetector slowness_;
  std::optional<storage::SteadyTime> writing_since_;
  storage::DiskState disk_;
  replication::BootTime space_due_;
  replication::BootTime invariants_due_;
  std::unique_ptr<ClientServer> clients_;
  std::map<replication::NoteKind, uint64_t> notes_;
  std::map<replication::ReportKind, uint64_t> reports_;
  uint64_t heard_quarantined_ = 0;  // Answers to our heartbeats.
  std::string stopped_why_;         // Not empty: the replica takes no part any more.
  bool is_barred_ = false;          // Quarantined by this start or an earlier one.
  bool gone_ = false;               // A peer says that it was removed.
};

// What both the transport and the talk of birth are started with.
Result<replication::TransportConfig> transport_config(const KvNodeOptions& options,
                                                      const storage::NodeRecord& record);
// 32 hexadecimal digits.
Result<storage::RandomId> parse_uuid(const std::string& text);
// The transport between the processes. `birth` may be null.
Result<std::unique_ptr<replication::Transport>> make_transport(
    const KvNodeOptions& options, const storage::NodeRecord& record,
    replication::TransportListener& listener, replication::BirthListener* birth);
// Reads the certificate again. REQUIRES: made by make_transport().
Status reload_tls(replication::Transport& transport, const KvNodeOptions& options);

}  // namespace worldline::kv
