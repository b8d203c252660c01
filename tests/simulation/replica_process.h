// tests/simulation/replica_process.h
//
// One life of one replica: the core, and around it what the actors of a real node do. It hands
// Ready to disk, network, state machine and snapshot service and brings their answers back; it
// decides nothing about consensus.
//
// Ownership: one SimNode, from its start to its crash. Units: microseconds.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "replication/raft_core.h"
#include "tests/simulation/core_inputs.h"
#include "tests/simulation/machine.h"
#include "tests/simulation/sim_disk.h"

namespace worldline::simulation {

class Cluster;
class SimNode;

// A client's request as it arrives at a node.
struct Request {
  uint64_t token = 0;  // Of this attempt; unique in a run.
  Command command;
  uint32_t padding_bytes = 0;
  uint32_t burst = 1;  // Entries in one proposal; the command is the first.
};
struct Reply {
  enum class Kind : uint8_t { kDone, kRefused } kind = Kind::kRefused;  // Refused: had no effect.
  CommandResult result;
  std::optional<uint32_t> hint;  // Slot of the leader.
};

class ReplicaProcess {
 public:
  ReplicaProcess(SimNode& node, Cluster& cluster, const replication::RaftConfig& config,
                 Mounted mounted);

  CoreInputs& inputs() { return inputs_; }
  const replication::RaftCore& core() const { return core_; }
  const MachineState& machine() const { return machine_; }
  LogIndex machine_index() const { return machine_index_; }
  uint64_t asleep_under() const { return asleep_under_; }

  // --- Inputs; each ends with drain() ------------------------------------------------------------
  void tick();
  void after_silence();  // The tick loop was silent for at least E.
  void receive(const replication::Envelope& message);
  void request(const Request& request);
  void on_job_stable(replication::JobId job);
  void on_machine_turn();
  void on_fetch();
  void on_checkpoint_written();
  void on_checkpoint_counts(const CheckpointPtr& checkpoint);
  void on_offer_due(ReplicaId peer);
  void on_offer_timeout(ReplicaId peer, uint64_t snap_id);
  void on_chunk(uint64_t snap_id);
  void on_staged(uint64_t snap_id);
  void on_snapshot_result(uint64_t snap_id, replication::SnapshotOutcome outcome);
  void cut_checkpoint();  // If one may be cut now.
  void quiesce();         // If the group may sleep now.
  void offer_unasked(ReplicaId peer);
  void on_stream_opened() { hello_due_ = true; }
  void drain();

 private:
  struct MachineWork {
    std::vector<replication::ApplyEntry> apply;
    size_t done = 0;
    std::optional<replication::SnapshotMeta> install;
  };
  struct PendingWrite {
    uint64_t token = 0;
    Term term;
  };
  struct WaitingRead {
    Command command;
    std::optional<LogIndex> index;  // Given by the barrier.
  };
  struct Outgoing {
    uint64_t snap_id = 0;  // 0 = no checkpoint fits yet.
    uint32_t tries = 0;
  };
  struct Incoming {
    replication::SnapshotMeta meta;
    uint32_t from_slot = 0;
    uint32_t chunks_left = 0;
    uint32_t stalls = 0;
  };

  void carry_out(replication::Ready& ready);
  void send_all(replication::Ready& ready);
  void queue_machine(replication::Ready& ready);
  void propose(const Request& request);
  void apply_some(MachineWork& work);
  void apply_one(const replication::ApplyEntry& apply);
  void install(const replication::SnapshotMeta& meta);
  void settle_write(const replication::Entry& entry, const CommandResult& result);
  void settle_reads();
  void finish_read(uint64_t token, const WaitingRead& read);
  void refuse(uint64_t token);
  void tell_if_gone(const replication::Envelope& message);
  void maybe_quiesce();
  void tell_if_woken();
  CheckpointPtr checkpoint_for(ReplicaId peer) const;  // Null: none it could use.
  uint64_t send_offer(ReplicaId peer, const CheckpointPtr& checkpoint);
  void on_offer(const replication::SnapshotMeta& meta);
  void send_result(uint32_t slot, uint64_t snap_id, replication::SnapshotOutcome outcome);

  SimNode& node_;     // Borrowed; outlives this.
  Cluster& cluster_;  // Borrowed; outlives this.
  CoreInputs inputs_;
  const replication::RaftCore& core_ = inputs_.core();
  MachineState machine_;
  LogIndex machine_index_;
  std::deque<MachineWork> machine_work_;
  bool machine_runs_ = false;
  std::deque<replication::FetchRequest> fetches_;
  std::map<LogIndex, PendingWrite> writes_;
  std::map<uint64_t, WaitingRead> reads_;  // By token.
  CheckpointPtr writing_checkpoint_;
  LogIndex next_checkpoint_;
  std::map<ReplicaId, Outgoing> outgoing_;
  std::optional<Incoming> incoming_;
  ReplicaId speaker_;          // Whose message is being received.
  bool is_asleep_ = false;     // As of the last drain().
  uint64_t asleep_under_ = 0;  // Incarnation of the leader that sent it to sleep.
  bool hello_due_ = true;      // Of a new stream, once there is a leader.
  LogIndex idle_last_;         // For the quiescence manager:
  uint32_t idle_ticks_ = 0;    // since when nothing happened.
};

}  // namespace worldline::simulation
