// tests/simulation/network.h
//
// The network between slots (addresses). Each directed link has three ordered streams, for
// control, log entries and snapshots, which get stuck one by one or together; what is sent is
// delivered late, twice, out of order or never, as the scenario and the nemesis want it.
//
// Invariants: without faults a stream is in order; a broken stream loses what was on its way.
// Ownership: one Cluster; the listener is borrowed and outlives it. Units: microseconds, messages.
#pragma once

#include <vector>

#include "replication/raft_messages.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/scenario.h"

namespace worldline::simulation {

class NetworkListener {
 public:
  virtual ~NetworkListener() = default;
  virtual void on_arrival(uint32_t slot, replication::Envelope message) = 0;
  virtual void on_stream_broken(uint32_t slot, uint32_t peer) = 0;
  virtual void on_stream_opened(uint32_t slot, uint32_t peer) = 0;
};

// What a blocked link does with messages: as packets that are dropped, or as TCP, which delivers
// them when the link is back.
enum class Blocking : uint8_t { kDrop, kHold };

class Network final : public EventSink {
 public:
  static constexpr size_t kStreams = 3;
  static constexpr size_t kControl = 0;
  static constexpr size_t kLog = 1;
  static constexpr size_t kBulk = 2;

  Network(EventQueue& queue, const Scenario& scenario, NetworkListener& listener);

  void send(uint32_t from, uint32_t to, replication::Envelope message);
  bool is_open(uint32_t from, uint32_t to) const;       // For control messages.
  bool is_bulk_open(uint32_t from, uint32_t to) const;  // For pieces of a snapshot.
  Micros draw_delay(uint32_t from, uint32_t to);        // Of something that is no Raft message.
  // How long so many bytes take that are sent now, behind what the link has to carry already.
  Micros carry(uint32_t from, uint32_t to, uint64_t bytes);

  // --- Faults; blocks are counted, so that partitions may overlap --------------------------------
  void block(uint32_t from, uint32_t to, Blocking how);
  void unblock(uint32_t from, uint32_t to);
  // Streams of the mask (bit per stream) deliver nothing before `until`.
  void clog(uint32_t from, uint32_t to, uint32_t streams, Micros until);
  // Both directions lose what is on its way; both ends are told, and open a new stream later.
  void break_streams(uint32_t a, uint32_t b, Micros reopen_after);
  // No fault any more, and short delays, for good.
  void heal();
  // When the last message that was sent before heal() has arrived.
  Micros drained_at() const { return drained_at_; }

  void on_event(const Event& event) override;
  uint64_t delivered() const { return delivered_; }
  uint64_t waited_for_bytes() const { return waited_for_bytes_; }  // Messages.

 private:
  struct Link {
    Link(uint64_t seed, uint32_t from, uint32_t to);
    Chance delay;
    Chance loss;
    Chance duplicate;
    Chance reorder;
    Chance misdelivery;
    double micros_per_byte = 0;
    Micros free_at = 0;  // When it has carried what was sent before.
    uint32_t blocks = 0;
    Blocking how = Blocking::kDrop;
    Micros clogged_until[kStreams] = {};
    Micros last_at[kStreams] = {};
    uint32_t generation = 0;  // Of the streams; what was sent on an older one is lost.
    uint32_t under_way = 0;
    std::vector<replication::Envelope> held;
  };

  Link& link(uint32_t from, uint32_t to) { return links_[from * slots_ + to]; }
  const Link& link(uint32_t from, uint32_t to) const { return links_[from * slots_ + to]; }
  void schedule(uint32_t from, uint32_t to, replication::Envelope message, Micros extra);
  uint64_t store(replication::Envelope message);

  EventQueue& queue_;
  NetworkListener& listener_;
  NetworkModel model_;
  const uint32_t slots_;
  std::vector<Link> links_;
  std::vector<replication::Envelope> pool_;  // Messages on their way,
  std::vector<uint64_t> free_;               // and places in it that are free.
  uint64_t delivered_ = 0;
  uint64_t waited_for_bytes_ = 0;
  Micros last_arrival_ = 0;
  Micros drained_at_ = 0;
};

}  // namespace worldline::simulation
