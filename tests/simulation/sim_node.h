// tests/simulation/sim_node.h
//
// One slot of the cluster: an address with a disk, a clock, and a process that comes and goes. It
// carries events to the process that is alive, holds them back while the process is paused, and
// does what a node's monitors do: disk watchdog, failure detector, tick gaps.
//
// Invariants: events of an earlier life never reach a later one.
// Ownership: one Cluster. Units: microseconds.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "tests/simulation/replica_process.h"

namespace worldline::simulation {

// What a node does between two events; a process can be killed right behind each of them.
enum class Step : uint8_t { kPersist, kStable, kApply, kSend, kCheckpoint, kSnapshot, kRole };
inline constexpr size_t kStepCount = static_cast<size_t>(Step::kRole) + 1;

class SimNode final : public EventSink, public DiskOwner {
 public:
  enum Code : uint32_t {
    kTickDue,
    kJobStable,
    kMachine,
    kFetch,
    kCheckpointDue,
    kCheckpointCounts,
    kOfferDue,
    kOfferTimeout,
    kChunk,
    kStaged,
    kSnapshotResult,
    kStreamBroken,
    kStreamOpened,
    kPeerDied,
    kCampaign,
    kDestroy,
    kLostData,
    kKill,  // From here on: of the node, not of its process.
    kRestart,
    kResume,
  };

  SimNode(uint32_t slot, Cluster& cluster);

  // --- Identity
  // -----------------------------------------------------------------------------------
  uint32_t slot() const { return slot_; }
  NodeId id() const { return id_; }
  void set_id(NodeId id) { id_ = id; }
  uint64_t incarnation() const { return incarnation_; }
  SimDisk& disk() { return disk_; }
  const SimDisk& disk() const { return disk_; }
  ReplicaProcess* process() { return process_.get(); }
  const ReplicaProcess* process() const { return process_.get(); }
  ReplicaId replica() const { return disk_.replica(); }
  bool is_up() const { return is_up_; }
  bool is_paused() const { return is_paused_; }
  bool is_running() const { return process_ != nullptr && !is_paused_; }

  // --- Life
  // ---------------------------------------------------------------------------------------
  void create_replica(const storage::GroupBirth& birth, CheckpointPtr genesis);
  void create_joining_replica(ReplicaId replica);
  void start();
  void kill(Loss loss, Micros restart_after);  // kNever = until start() or heal().
  void arm_kill(Step step, uint32_t countdown, Micros restart_after,
                std::optional<Loss> loss = std::nullopt);
  void pause(Micros duration);
  void lose_volume();
  void heal();  // Runs again, with a good disk and a true clock, for good.
  void destroy_replica();

  // --- Events
  // -------------------------------------------------------------------------------------
  void schedule(Micros delay, Code code, uint64_t a = 0, uint64_t b = 0);
  void on_event(const Event& event) override;
  void on_arrival(replication::Envelope message);
  void on_request(const Request& request);
  void on_damage_read(const Status& damage);  // Its process could not read its log.
  void quarantine(const Status& why);         // Its replica is never to be used again.
  void did(Step step);
  Chance& chance() { return chance_; }
  enum class Opinion : uint8_t { kAlive, kUnsure, kDead };
  Opinion opinion_of(ReplicaId replica) const;  // Of the failure detector.

  // --- DiskOwner
  // ----------------------------------------------------------------------------------
  void on_job_stable(replication::JobId job) override;
  void on_checkpoint_counts(const CheckpointPtr& checkpoint) override;
  void on_disk_failed() override;
  void on_disk_broken_rule(std::string text) override;

 private:
  void dispatch(const Event& event);
  void dispatch_process(const Event& event);
  void tick();
  void watch_disk();
  void watch_peers();
  void watch_sleep();
  void on_peer_died(ReplicaId replica);
  void resume();
  void deliver(const replication::Envelope& message);
  void quarantine_after(const Status& damage);
  bool expects_damage() const;

  Cluster& cluster_;  // Borrowed; outlives this.
  const uint32_t slot_;
  SimDisk disk_;
  Chance chance_;
  Chance tick_chance_;
  NodeId id_;
  uint64_t incarnation_ = 0;
  uint32_t life_ = 1;
  bool is_up_ = false;
  std::unique_ptr<ReplicaProcess> process_;
  double clock_rate_ = 1.0;
  Micros last_tick_ = 0;
  Micros last_notice_ = 0;  // Completions of the disk are told in order.
  bool is_paused_ = false;
  Micros paused_since_ = 0;
  uint32_t pause_ = 0;  // Counts pauses; an old resume is ignored.
  std::vector<std::variant<Event, replication::Envelope, Request>> deferred_;
  std::vector<CheckpointPtr> counting_;  // Checkpoints on their way to the process.
  struct ArmedKill {
    Step step;
    uint32_t countdown;
    Micros restart_after;
    std::optional<Loss> loss;  // None: drawn.
  };
  std::optional<ArmedKill> armed_;
  struct PeerView {
    Micros heard_at = 0;
    uint64_t incarnation = 0;
    bool is_suspect = false;
  };
  std::vector<PeerView> peers_;  // By slot; of the failure detector.
  Micros last_watch_ = 0;
};

}  // namespace worldline::simulation
