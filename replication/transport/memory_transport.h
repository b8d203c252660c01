// replication/transport/memory_transport.h
//
// MemoryNetwork is a cluster's network on one thread: transports that send into it, and pump(),
// which delivers. It can lose, double, reorder, delay and cut, all by the same seed, and can pass
// every message through the wire codec, so that what a test sees is what a peer would.
//
// Unlike real streams it may double and reorder messages of one class: the core must bear that
// [S 08/1.5], and a reconnect does it in small.
//
// Time is counted in rounds: a message sent in round r is delivered in round r + 1 or later. Within
// a round links are served in order of (from, to, class), so equal seeds and equal calls give equal
// deliveries.
//
// Ownership: the network owns nothing; transports outlive no network and leave it when destroyed.
// Thread: one. Callbacks run inside pump() and may send. Units: rounds, messages.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "base/prng.h"
#include "replication/transport/peer_directory.h"
#include "replication/transport/send_queue.h"
#include "replication/transport/transport.h"
#include "replication/transport/wire_codec.h"

namespace worldline::replication {

class MemoryTransport;

// One in `..._one_in` messages; 0 = never.
struct MemoryFaults {
  uint32_t loss_one_in = 0;
  uint32_t double_one_in = 0;
  uint32_t reorder_one_in = 0;    // Overtakes what is queued before it.
  uint32_t delay_rounds_max = 0;  // Each message waits up to this many rounds more.
};

class MemoryNetwork {
 public:
  enum class Passing : uint8_t { kShared, kEncoded };  // kEncoded: through the wire codec.

  explicit MemoryNetwork(uint64_t seed, Passing passing = Passing::kEncoded)
      : prng_(seed), passing_(passing) {}

  void set_faults(const MemoryFaults& faults) { faults_ = faults; }
  // Cuts one direction: what is on its way is lost, the sender's streams end with `reason`, and
  // nothing is accepted until heal().
  void cut(NodeId from, NodeId to, EndReason reason = EndReason::kSilent);
  void cut_both(NodeId a, NodeId b);
  void isolate(NodeId node);  // Both directions to everybody.
  void heal(NodeId from, NodeId to);
  void heal_all();
  // Holds back what was sent from one node to another in one class, as a peer that does not read.
  void stall(NodeId from, NodeId to, TrafficClass cls);
  void resume(NodeId from, NodeId to, TrafficClass cls);

  // One round. Returns the number of batches handed out.
  size_t pump();
  // Rounds until nothing is on its way but what is stalled. REQUIRES: the listeners fall silent;
  // checked by `rounds_max`.
  size_t pump_until_quiet(size_t rounds_max = 10'000);

  uint64_t round() const { return round_; }
  size_t in_flight() const;  // Messages.

 private:
  friend class MemoryTransport;
  using Direction = std::pair<NodeId, NodeId>;
  using LinkKey = std::tuple<NodeId, NodeId, TrafficClass>;
  struct InFlight {
    std::shared_ptr<const WireMessage> message;
    uint64_t due = 0;
    NodeLife from;
    uint64_t to_incarnation = 0;
  };
  struct Link {
    std::deque<InFlight> messages;
    size_t bytes = 0;
    bool is_up = false;
    bool is_stalled = false;
    uint64_t retry_round = 0;   // Not opened before it: the receiver ended it with reject().
    uint32_t reject_count = 0;  // The pause doubles with each.
  };

  void attach(MemoryTransport& transport);
  void detach(MemoryTransport& transport);
  void connect(MemoryTransport& from);  // Raises streams that can be up.
  void end_stream(const LinkKey& key, const StreamEnd& end);
  void reject(const LinkKey& key, const NodeLife& peer, const std::string& why);
  void retry_rejected();
  bool is_cut(NodeId from, NodeId to) const { return cuts_.contains({from, to}); }
  Status accept(MemoryTransport& from, NodeId to, TrafficClass cls, const MessageBatch& batch);
  void put(Link& link, const InFlight& message);
  size_t deliver(const LinkKey& key, Link& link);
  Result<std::vector<WireMessage>> pass(const LinkKey& key, const InFlight& message);

  Prng prng_;
  const Passing passing_;
  MemoryFaults faults_;
  uint64_t round_ = 0;
  std::map<NodeId, MemoryTransport*> transports_;
  std::map<LinkKey, Link> links_;
  std::set<Direction> cuts_;
  FrameEncoder encoder_;
};

class MemoryTransport final : public Transport {
 public:
  // `network` and `listener` are borrowed; they outlive this. The node must not be attached yet.
  MemoryTransport(MemoryNetwork& network, const NodeIdentity& identity, TransportListener& listener,
                  std::array<SendQueueLimits, kTrafficClasses.size()> limits = kLimits);
  ~MemoryTransport() override { stop(); }

  Status set_peers(std::vector<PeerInfo> peers) override;
  Status send(NodeId to, TrafficClass cls, MessageBatch batch) override;
  // The peer's stream is opened again kRejectRoundsMin rounds later, then twice as late, and so on.
  void reject(const NodeLife& peer, TrafficClass cls, const std::string& why) override;
  void say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within) override;
  TransportCounters counters() const override { return counters_; }
  // As a process that ends: its peers' streams end with kClosed, then their attempts with kRefused.
  void stop() override;

  NodeId node() const { return identity_.node; }

  static constexpr uint64_t kRejectRoundsMin = 4;
  static constexpr uint64_t kRejectRoundsMax = 64;
  static constexpr std::array<SendQueueLimits, kTrafficClasses.size()> kLimits = {{
      {4 * limits::MiB, 16'384},
      {64 * limits::MiB, 65'536},
      {16 * limits::MiB, 4'096},
      {64 * limits::MiB, 65'536},
  }};

 private:
  friend class MemoryNetwork;
  NodeLife life() const { return {identity_.node, identity_.incarnation}; }
  ClassCounters& counters_of(TrafficClass cls) { return counters_[slot_of(cls)]; }

  MemoryNetwork& network_;  // Borrowed.
  const NodeIdentity identity_;
  TransportListener& listener_;  // Borrowed.
  const std::array<SendQueueLimits, kTrafficClasses.size()> limits_;
  PeerDirectory directory_;
  std::set<NodeId> peers_;
  TransportCounters counters_{};
  bool is_stopped_ = false;
};

}  // namespace worldline::replication
