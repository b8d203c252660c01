// replication/node/raft_node.h
//
// RaftNode is all replication of one node as a plain object: its replicas, their time, the
// heartbeats they share, sleep and waking, and the reaction to dead peers and sick disks. Time
// comes in with every call, effects go out through ports [S 08/3].
//
// Invariants: a replica exists only by order of the catalog or by recovery, never because a message
//   asked for it, and its id is at least the group's tombstone (I-25); a tick touches active groups
//   only.
// Ownership: one thread drives it; it owns its GroupReplicas and borrows ports and state machines.
// Units: BootTime of a clock that counts suspend. Errors: Status with texts for operators.
// Sources: [S 08/3.1] to [S 08/3.5], [S 08/3.10], [S 08/3.12].
// Order of calls: add_tombstone() and open() of everything recovered; then on_time() whenever
//   next_deadline() is reached. Inputs of a group: find(group)->input(), then ask next_deadline().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replication/node/append_outbox.h"
#include "replication/node/clock_estimate.h"
#include "replication/node/failure_detector.h"
#include "replication/node/gone_checks.h"
#include "replication/node/group_replica.h"
#include "replication/node/heartbeat_receiver.h"
#include "replication/node/heartbeat_sender.h"
#include "replication/node/raft_node_types.h"
#include "replication/node/tick_wheel.h"
#include "replication/node/wake_pacer.h"

namespace worldline::replication {

class RaftNode final : private ReplicaHost {
 public:
  // REQUIRES: config.validate().ok(); no port is null.
  RaftNode(const NodeConfig& config, const NodePorts& ports, BootTime now);
  ~RaftNode() override;

  // --- Groups -----------------------------------------------------------------------------------
  void add_tombstone(GroupId group, const GroupTombstone& tombstone);
  // Of recovery. A quarantined replica is not opened: the node says what it is [S 08/1.5 G4].
  Status open(GroupId group, ReplicaId replica, RestoredState state, StateMachine& machine);
  // Asks the log for the replica's first rows; it lives from created() on. kFailedPrecondition
  // below the tombstone; kAlreadyExists; kOverloaded at groups_max.
  Status create(const CreateOrder& order);
  void created(GroupId group);
  // By order, after the replica left its group: its data goes, the tombstone replica + 1 stays.
  Status remove(GroupId group, ReplicaId replica);
  void destroyed(GroupId group);
  // The catalog's answer to NodePort::verify_gone. kRemoved: the replica is removed.
  void gone_verified(GroupId group, ReplicaId replica, GoneVerdict verdict);
  // Its state machine is not called any more.
  void freeze(GroupId group, const std::string& why);

  GroupReplica* find(GroupId group);  // Null: none here.
  const GroupReplica* find(GroupId group) const;
  std::vector<GroupId> groups() const;  // Ascending.

  // --- Time -------------------------------------------------------------------------------------
  // Runs what is due. E or more too late: everybody steps down [S 08/3.5].
  void on_time(BootTime now);
  BootTime next_deadline() const;  // Far away if nothing is awake and nobody is near.

  // --- Messages ---------------------------------------------------------------------------------
  // REQUIRES: the transport checked cluster and sender: from.node is who sent it.
  // Errors: kInvalidArgument for what no node sends; the stream should be closed [S 08/1.7 A9].
  Status recv(const Inbound& inbound, BootTime now);
  Status recv_batch(NodeId from, const HeartbeatBatch& batch, const Arrival& arrival);
  void recv_reply(NodeId from, const HeartbeatReply& reply, const Arrival& arrival);
  void recv_farewell(NodeId from, uint64_t incarnation, const Farewell& farewell, BootTime now);
  // For headers, and to compare clocks.
  void set_wall_clock(Timestamp wall) { wall_ = wall; }
  void set_pressure(uint8_t disk_percent, uint8_t cpu_percent);

  // --- Streams ----------------------------------------------------------------------------------
  // A peer's heartbeats begin. kOverloaded at peers_max.
  Status add_peer(NodeId peer, BootTime now);
  void remove_peer(NodeId peer);
  void on_connected(NodeId peer, uint64_t incarnation, BootTime now);
  // The control stream ended. A log stream that ends alone: on_log_broken().
  void on_disconnected(NodeId peer, StreamLoss how, BootTime now);
  void on_log_broken(NodeId peer, BootTime now);
  // Appends left the transport's queue, or were refused by it; bytes as message_bytes() has them.
  void on_appends_sent(NodeId peer, size_t bytes);

  // --- The local disk [S 08/3.12] ---------------------------------------------------------------
  void on_disk(const DiskVerdict& verdict);

  // --- Leaving ----------------------------------------------------------------------------------
  // Hands leaderships over, at most `at_once` at a time; call it every few ticks. How many groups
  // are still led here: what is left when the caller stops waiting goes by say_farewell().
  size_t drain(size_t at_once);
  void say_farewell(LeaveReason reason);

  // --- Observers --------------------------------------------------------------------------------
  const NodeConfig& config() const { return config_; }
  const NodeCounters& counters() const { return counters_; }
  const FailureDetector& detector() const { return detector_; }
  ClockOffset clock_offset() const { return clocks_.estimate(now_, wall_); }
  std::optional<Micros> rtt(NodeId peer) const { return clocks_.rtt(peer); }
  size_t active_groups() const { return wheel_.active_count(); }
  RestKind rest_of(GroupId group) const;
  uint64_t lead_epoch() const { return lead_epoch_; }
  NodeTick tick() const { return tick_; }
  // I-25 and the agreement of wheel, table and replicas; O(groups).
  Status check_invariants() const;

 private:
  struct Hosted;
  struct Peer;
  struct Wake;

  // --- ReplicaHost
  NodeTick now_tick() const override { return tick_; }
  void before_input(GroupReplica& replica) override;
  void changed(GroupReplica& replica) override;
  void send(GroupReplica& replica, Envelope message, SendCause cause) override;
  void fetch(GroupReplica& replica, const FetchRequest& request) override;
  void settled(GroupReplica& replica) override;
  void noted(GroupReplica& replica, const Note& note) override;
  void due_changed(GroupReplica& replica) override;
  void stopped(GroupReplica& replica) override;

  // --- raft_node.cc: groups, admission
  RaftConfig core_config(GroupId group, ReplicaId replica) const;
  Status check_order(GroupId group, ReplicaId replica) const;
  void host(GroupId group, ReplicaId replica, RestoredState state, StateMachine& machine);
  void unhost(GroupId group);
  Hosted& hosted(const GroupReplica& replica);
  Hosted* find_hosted(GroupId group);
  bool admit(const Inbound& inbound);
  void deliver(const Envelope& message);
  void recv_absent(const Envelope& message);
  void recv_gone(Hosted& hosted, const Envelope& message, const GroupGone& gone);
  bool tell_if_gone(const Hosted& hosted, const Envelope& message);
  bool answer_from_table(const Envelope& message);
  Address self_address(ReplicaId replica) const;
  void send_append(Hosted& hosted, Envelope message);
  void run_fetches();

  // --- raft_node_time.cc: ticks, pauses, rest
  void note_time(BootTime now);
  void pause(BootTime now);
  uint64_t grace_ticks() const;
  bool is_fresh(NodeTick heard) const;
  void run_tick();
  void run_heartbeat_interval();
  void run_alarms();
  void run_wakes();
  void run_campaigns();
  MissedTime missed_by(Hosted& hosted);
  void rest_if_idle(Hosted& hosted);
  void stand_for(Hosted& hosted);
  bool may_rest_as_follower(const Hosted& hosted) const;
  bool may_rest_as_leader(const Hosted& hosted) const;
  void fall_asleep(Hosted& hosted);
  void rouse(Hosted& hosted);
  void queue_wake(Hosted& hosted, const Wake& wake);
  void do_wake(Hosted& hosted, const Wake& wake);
  void watch_stalls();
  void watch_clock();
  void judge_clock(const ClockOffset& offset);
  void watch_round_trips();
  bool may_lead() const { return disk_.is_eligible && !is_leaving_ && !is_clock_off_; }
  bool sheds_leaders() const { return !disk_.is_eligible || is_clock_off_; }
  void tell_eligible(bool before);

  // --- raft_node_peers.cc: heartbeats, verdicts, disk
  Peer* find_peer(NodeId node);
  NodeHeader header() const;
  bool note_header(NodeId from, const NodeHeader& header);
  void greet_leaders(NodeId node);
  HeartbeatItem item_of(const Envelope& heartbeat) const;
  void offer_heartbeat(Hosted& hosted, const Envelope& heartbeat);
  void withdraw_heartbeats(Hosted& hosted);
  void send_batches();
  void watch_quiet_peers();
  void wake_silent(const std::vector<GroupId>& groups);
  HeartbeatReply make_reply(NodeId from, const HeartbeatBatch& batch,
                            const HeartbeatReceiver::Outcome& outcome);
  std::optional<Envelope> ask_group(NodeId from, uint64_t incarnation, const HeartbeatItem& item);
  void deliver_answer(NodeId from, uint64_t incarnation, const ItemAnswer& given);
  void run_verdicts();
  void on_verdict(const PeerEvent& event);
  void on_leader_node(Hosted& hosted, ReplicaId leader, const PeerEvent& event);
  void on_member_node(Hosted& hosted, ReplicaId member, const PeerEvent& event);
  void start_fast_path(Hosted& hosted);
  bool is_successor(const MemberInfo& member) const;
  bool hand_over(Hosted& hosted);
  void hand_over_everything();
  void step_down_everywhere();

  // --- Constant after construction
  const NodeConfig config_;
  const NodePorts ports_;

  // --- State
  BootTime now_;
  BootTime next_tick_at_;
  std::optional<BootTime> expected_at_;  // When on_time() should come; nullopt: whenever.
  BootTime resumed_at_;                  // End of the last pause,
  NodeTick resumed_tick_;                // also in ticks.
  NodeTick tick_;
  bool is_ticking_ = false;
  bool is_leaving_ = false;       // drain() began.
  bool is_fenced_ = false;        // Reported.
  bool is_clock_off_ = false;     // By more than 5 s.
  bool is_network_slow_ = false;  // Reported.
  ClockVerdict clock_verdict_ = ClockVerdict::kUnknown;
  bool is_stepping_down_ = false;  // What is said now would come from leaders of the past.
  Timestamp wall_;
  uint8_t disk_percent_ = 0;
  uint8_t cpu_percent_ = 0;
  uint64_t lead_epoch_ = 1;
  DiskVerdict disk_;
  NodeCounters counters_;

  std::map<GroupId, std::unique_ptr<Hosted>> hosted_;
  std::map<GroupId, CreateOrder> creating_;
  std::map<GroupId, ReplicaId> removing_;
  std::map<GroupId, GroupTombstone> tombstones_;
  std::map<NodeId, std::unique_ptr<Peer>> peers_;
  TickWheel wheel_;
  WakePacer pacer_;
  std::map<GroupId, BootTime> campaigns_;  // Of the fast path.
  FailureDetector detector_;
  ClockEstimate clocks_;
  HeartbeatReceiver receiver_;
  FetchQueue fetches_;
  GoneChecks gone_checks_;
  std::optional<NodeId> speaker_;                 // Whose message is being handled.
  std::optional<Envelope>* collected_ = nullptr;  // Where a heartbeat's answer goes.
};

}  // namespace worldline::replication
