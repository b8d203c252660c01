// tests/simulation/cluster.h
//
// All nodes of a run, the network between them, and what a catalog knows: which node and replica
// lives where, and ids that are never used twice.
//
// Ownership: one Simulation. The observer and the clients are borrowed and outlive it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/simulation/network.h"
#include "tests/simulation/observer.h"
#include "tests/simulation/sim_node.h"

namespace worldline::simulation {

// Where replies go.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void on_reply(uint64_t token, const Reply& reply) = 0;
};

// A fingerprint of everything that happened, and the text of it if asked for.
class Trace {
 public:
  explicit Trace(bool is_printed) : is_printed_(is_printed) {}
  void add(uint64_t a, uint64_t b) { hash_ = mix(hash_ ^ a, b); }
  uint64_t hash() const { return hash_; }
  bool is_printed() const { return is_printed_; }
  void print(Micros now, const std::string& text) const;  // Only if is_printed().

 private:
  const bool is_printed_;
  uint64_t hash_ = 0;
};

class Cluster final : public NetworkListener {
 public:
  Cluster(EventQueue& queue, const Scenario& scenario, Observer& observer, Trace& trace);

  void set_replies(ReplySink* replies) { replies_ = replies; }
  void set_recording(CoreRecording* recording) { recording_ = recording; }  // Borrowed; null: none.
  void start();  // Group birth on the first `voters` slots.

  EventQueue& queue() { return queue_; }
  const Scenario& scenario() const { return scenario_; }
  Observer& observer() { return observer_; }
  Network& network() { return network_; }
  Trace& trace() { return trace_; }
  CoreRecording* recording() { return recording_; }
  uint32_t slots() const { return static_cast<uint32_t>(nodes_.size()); }
  SimNode& node(uint32_t slot) { return *nodes_[slot]; }

  // --- The catalog
  // --------------------------------------------------------------------------------
  std::optional<uint32_t> slot_of_node(NodeId node) const;
  std::optional<uint32_t> slot_of_replica(ReplicaId replica) const;
  NodeId new_node_id() { return NodeId{++last_node_}; }
  ReplicaId new_replica_id() { return ReplicaId{++last_replica_}; }
  uint64_t new_checkpoint_id() { return ++last_checkpoint_; }
  void set_node_slot(NodeId node, uint32_t slot) { node_slots_[node.value] = slot; }
  // A joining replica on a slot without one; started if the node is up.
  ReplicaId place_replica(uint32_t slot);
  replication::RaftConfig core_config(const SimNode& node) const;
  // The replica that last called itself leader in the highest term, if it runs.
  SimNode* find_leader();

  // --- Traffic
  // ------------------------------------------------------------------------------------
  void send(uint32_t from, replication::Envelope message);
  void request(uint32_t slot, const Request& request);  // Arrives now.
  void reply(uint64_t token, const Reply& reply);
  void send_snapshot_result(uint32_t from, uint32_t to, uint64_t snap_id,
                            replication::SnapshotOutcome outcome);
  void tell_of_death(uint32_t slot);  // To those whose streams were closed by it.
  // Checkpoints on offer, by snap id.
  struct Offered {
    CheckpointPtr checkpoint;
    uint32_t slot = 0;
    uint64_t incarnation = 0;
  };
  uint64_t offer(CheckpointPtr checkpoint, const SimNode& node);
  const Offered* find_offer(uint64_t snap_id) const;

  void on_arrival(uint32_t slot, replication::Envelope message) override;
  void on_stream_broken(uint32_t slot, uint32_t peer) override;
  void on_stream_opened(uint32_t slot, uint32_t peer) override;

 private:
  EventQueue& queue_;
  const Scenario& scenario_;
  Observer& observer_;
  Trace& trace_;
  Network network_;
  ReplySink* replies_ = nullptr;
  CoreRecording* recording_ = nullptr;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::unordered_map<uint64_t, uint32_t> node_slots_;
  std::unordered_map<uint64_t, Offered> offers_;
  uint64_t last_node_ = 0;
  uint64_t last_replica_ = 0;
  uint64_t last_checkpoint_ = 0;
  uint64_t last_offer_ = 0;
};

}  // namespace worldline::simulation
