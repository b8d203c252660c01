// replication/node/group_replica.h
//
// GroupReplica drives one RaftCore: it gives inputs to the core, drains what the core wants done
// into ports in the order of [S 08/1.3], and takes the completions back. It decides nothing about
// consensus; what it adds is the order, the reaction to a broken invariant [S 08/2], and the
// observations that quiescence and stall detection need.
//
// Invariants: the core is drained after every input; a row of the heartbeat table is up to date
//   before any message leaves (ReplicaHost::changed); nothing of a failing input leaves.
// Ownership: one RaftNode, same thread. Ports are borrowed and must not call back.
// Units: NodeTick. Errors: refusals of the core as they are.
// Order of calls: every input through here, never at the core; persisted() in the order of jobs.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replication/node/node_ports.h"
#include "replication/node/node_types.h"
#include "replication/raft_core.h"

namespace worldline::replication {

class GroupReplica;

// Whether a message follows from the passing of time alone, and so may wait for its batch.
enum class SendCause : uint8_t { kInput, kTick };

// Why a replica takes no part any more.
enum class StopReason : uint8_t { kNone = 0, kQuarantined = 1, kFrozen = 2 };

// What the node does for its replicas. Must not call back into the replica, but for catch_up()
// from before_input(), and further inputs from settled().
class ReplicaHost {
 public:
  virtual ~ReplicaHost() = default;
  virtual NodeTick now_tick() const = 0;
  // An input is about to come: make up for elided ticks and heartbeats.
  virtual void before_input(GroupReplica& replica) = 0;
  // The core moved; nothing of it has left yet.
  virtual void changed(GroupReplica& replica) = 0;
  virtual void send(GroupReplica& replica, Envelope message, SendCause cause) = 0;
  virtual void fetch(GroupReplica& replica, const FetchRequest& request) = 0;
  virtual void settled(GroupReplica& replica) = 0;  // Everything is drained.
  virtual void noted(GroupReplica& replica, const Note& note) = 0;
  virtual void due_changed(GroupReplica& replica) = 0;
  virtual void stopped(GroupReplica& replica) = 0;  // No call of its ports follows.
};

// What a core did not see while it slept behind the heartbeat table.
struct MissedTime {
  std::optional<Envelope> heartbeat;  // Follower: the last one answered for it.
  std::vector<Envelope> answers;      // Leader: the last one of each member.
  uint64_t ticks = 0;                 // Since then.
};

struct ReplicaPorts {
  LogPort* log = nullptr;  // All borrowed, none null.
  StateMachine* machine = nullptr;
  SnapshotPort* snapshots = nullptr;
  NodePort* node = nullptr;
  ReplicaHost* host = nullptr;
};

class GroupReplica {
 public:
  // REQUIRES: as RaftCore.
  GroupReplica(const RaftConfig& config, RestoredState restored, const ReplicaPorts& ports);
  GroupReplica(const GroupReplica&) = delete;
  GroupReplica& operator=(const GroupReplica&) = delete;

  // Drains what the core says at birth. Call once, before any input.
  void start();

  // --- Time and messages ------------------------------------------------------------------------
  void tick();
  void recv(const Envelope& message);
  void paused();
  // From ReplicaHost::before_input only: it does not ask the host again.
  void catch_up(const MissedTime& missed);

  // --- Completions ------------------------------------------------------------------------------
  void persisted(JobId job);
  void applied(LogIndex index);
  void checkpointed(EntryId id, Chain chain);
  void fetched(ReplicaId peer, std::vector<Entry> entries);
  void snapshot_staged(const SnapshotMeta& meta);
  void installed(LogIndex index);
  void snapshot_result(ReplicaId peer, SnapshotOutcome outcome);
  void snapshot_pinned(ReplicaId peer, LogIndex index);

  // --- Work -------------------------------------------------------------------------------------
  ProposeResult propose(Term term, const std::vector<Proposal>& proposals);
  Result<LogIndex> change_config(const std::vector<MemberChange>& changes, LogIndex expected_index);
  // OK: StateMachine::read_ready or read_failed follows.
  Status read_barrier(ReadToken token);
  Status transfer(ReplicaId target);
  Status campaign(CampaignReason reason);
  // A call, a subscription or a due schedule row: a quiesced group wakes. Its leader is told, or it
  // would be deposed in its sleep [S 08/3.3 Q5].
  void wake();
  // When the next schedule row is due; nullopt = none. Keeps a group awake that is about to run.
  void set_next_due(std::optional<BootTime> due);

  // --- By order of the node ---------------------------------------------------------------------
  void unreachable(ReplicaId peer);
  void node_hint(ReplicaId peer, PeerHint hint);
  void say_hello();
  void forget_leader();
  void set_eligible(bool eligible);
  void set_disk_full(bool is_full);
  Status quiesce();
  // This replica is never used again; the log is told before anybody else.
  void quarantine(int invariant, const std::string& why);
  // Nothing is done for it any more, by order or because the group holds two truths.
  void freeze(const std::string& why);

  // --- Observers --------------------------------------------------------------------------------
  const RaftCore& core() const { return core_; }
  GroupId group() const { return core_.config().group; }
  ReplicaId id() const { return core_.config().self.replica; }
  StopReason stop_reason() const { return stop_reason_; }
  bool is_running() const { return stop_reason_ == StopReason::kNone && !core_.is_stopped(); }
  bool is_leader() const { return is_running() && core_.role() == RoleKind::kLeader; }
  NodeTick last_activity() const { return last_activity_; }  // Anything but heartbeats.
  std::optional<BootTime> next_due() const { return next_due_; }
  // When the oldest batch of entries was handed out that is not applied yet; nullopt = none is.
  std::optional<NodeTick> applying_since() const;
  size_t jobs_in_flight() const { return jobs_in_flight_; }
  // The voter that should lead next: caught up, answering, for which `allows` holds. 0 = none.
  template <typename Allows>
  ReplicaId best_successor(const Allows& allows) const;
  // The replica of each member at `node`, 0 if it has none here.
  ReplicaId member_at(NodeId node) const;

 private:
  struct Applying {
    LogIndex last;
    NodeTick since;
  };

  bool begin();  // False: stopped.
  void end(SendCause cause);
  void drain(SendCause cause);
  void hand_out(Ready& ready, SendCause cause);
  void hand_out_reads_and_snapshots(const Ready& ready);
  void handle_fatal(const Fatal& fatal);
  void stop(StopReason reason, const NodeReport& report);
  void touch() { last_activity_ = ports_.host->now_tick(); }

  // --- Constant after construction
  const ReplicaPorts ports_;

  // --- State
  RaftCore core_;
  StopReason stop_reason_ = StopReason::kNone;
  NodeTick last_activity_;
  std::optional<BootTime> next_due_;
  std::deque<Applying> applying_;  // INVARIANT: ascending; the front is applied first.
  size_t jobs_in_flight_ = 0;
  bool is_draining_ = false;
};

template <typename Allows>
ReplicaId GroupReplica::best_successor(const Allows& allows) const {
  const Membership& config = core_.log().config();
  ReplicaId best;
  LogIndex best_match;
  for (const ReplicaId voter : config.voters) {
    const Progress* progress = core_.progress(voter);
    const MemberInfo* member = config.find(voter);
    if (voter == id() || progress == nullptr || member == nullptr) continue;
    const bool answers = progress->state == ProgressState::kReplicate && !progress->is_lost;
    const bool is_half =
        config.is_joint() &&
        !std::binary_search(config.voters_outgoing.begin(), config.voters_outgoing.end(), voter);
    if (!answers || is_half || !allows(*member)) continue;
    if (best.value != 0 && progress->match <= best_match) continue;
    best = voter;
    best_match = progress->match;
  }
  return best;
}

}  // namespace worldline::replication
