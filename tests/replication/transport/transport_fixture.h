// tests/replication/transport/transport_fixture.h
//
// Nodes with real transports on loopback ports that the kernel chooses, listeners that remember
// what they were told, and a network in between that can fall silent. Nothing sleeps: tests wait
// for conditions, with a deadline that only a broken program reaches.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "replication/transport/grpc_transport.h"
#include "tests/replication/transport/test_certificates.h"

namespace worldline::replication::testing {

inline constexpr std::chrono::seconds kDeadline{120};

struct DownEvent {
  NodeId peer;
  TrafficClass cls;
  StreamEnd end;
};
struct GoodbyeEvent {
  NodeLife peer;
  GoodbyeReason reason;
};

// What a listener was told, in order per kind.
struct Heard {
  std::vector<StreamUp> ups;
  std::vector<DownEvent> downs;
  std::vector<GoodbyeEvent> goodbyes;
  std::vector<TransportNote> notes;
  size_t dropped_batches = 0;
  // Tokens of ReadIndexReq (control), seq of Append (log), first eight bytes of snapshot
  // messages (bulk) and of calls; by slot_of(class).
  std::array<std::vector<uint64_t>, kTrafficClasses.size()> numbers;
  std::vector<ReceivedBatchPtr> held;

  const std::vector<uint64_t>& of(TrafficClass cls) const { return numbers[slot_of(cls)]; }
  size_t count_up(NodeId peer) const;
  size_t count_up(const NodeLife& life) const;
  bool is_down(NodeId peer, TrafficClass cls, EndReason reason) const;
  bool has_note(TransportNoteKind kind, const std::string& part) const;
};

class RecordingListener final : public TransportListener {
 public:
  // Waits until `condition` holds for what was heard; false after the deadline.
  bool wait(const std::function<bool(const Heard&)>& condition);
  Heard heard() const;          // Without the held batches.
  void hold(TrafficClass cls);  // Keeps batches of the class from now on.
  void let_go();                // Of what is held, and holds nothing any more.
  // Called for each batch, on the lane's thread.
  void set_reaction(std::function<void(const ReceivedBatch&)> reaction);

  void on_messages(ReceivedBatchPtr batch) override;
  void on_stream_up(const StreamUp& stream) override;
  void on_stream_down(NodeId peer, TrafficClass cls, const StreamEnd& end) override;
  void on_dropped(NodeId peer, TrafficClass cls, std::vector<MessageBatch> batches) override;
  void on_goodbye(const NodeLife& peer, GoodbyeReason reason) override;
  void on_note(const TransportNote& note) override;

 private:
  template <typename Change>
  void change(const Change& change);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Heard heard_;
  std::optional<TrafficClass> holds_;
  std::function<void(const ReceivedBatch&)> reaction_;
};

// A message of the class that carries a number, from one node to another.
WireMessage numbered(TrafficClass cls, uint64_t number, const NodeLife& from, NodeId to,
                     size_t payload_bytes = 0);

// Configuration of node `id` in the cluster "test": loopback, free port, patient timeouts.
TransportConfig config_of(uint64_t id, uint64_t incarnation = 1);

// A node with its listener.
class TestNode {
 public:
  explicit TestNode(TransportConfig config);

  GrpcTransport& transport() { return *transport_; }
  RecordingListener& listener() { return listener_; }
  const TransportConfig& config() const { return config_; }
  NodeId id() const { return config_.identity.node; }
  NodeLife life() const { return {id(), config_.identity.incarnation}; }
  PeerInfo info(std::optional<uint16_t> port = {}) const;  // Reachable at `port`, or its own.
  uint16_t port() const { return port_; }

  Status send(NodeId to, TrafficClass cls, uint64_t number, size_t payload_bytes = 0);
  void meet(const std::vector<const TestNode*>& others);
  bool wait_up(NodeId peer);  // Control and log.
  // A process that ends, and one that starts with the same identity on the same port.
  void stop() { transport_->stop(); }
  void restart(uint64_t incarnation);

 private:
  TransportConfig config_;
  RecordingListener listener_;
  std::unique_ptr<GrpcTransport> transport_;
  uint16_t port_ = 0;
};

// Forwards TCP to a port of this machine until it is told to fall silent: then connections stay
// open and nothing passes any more, as with a stopped process or a cut cable.
class SilentNetwork {
 public:
  explicit SilentNetwork(uint16_t to_port);
  ~SilentNetwork();

  uint16_t port() const { return port_; }
  void fall_silent();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace worldline::replication::testing
