// replication/node/clock_estimate.h
//
// ClockEstimate compares this node's wall clock with its peers', from the echoes of heartbeats:
// each peer bounds the true time by an interval, and the interval most peers agree on is believed
// (Marzullo's algorithm). It warns and drains; safety never depends on it [S 08/3.5].
//
// Invariants: samples are kept relative to the boot clock, so a step of our own wall clock shows at
//   once. Ownership: one RaftNode. Units: microseconds. Cost: O(peers log peers) per estimate().
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "replication/node/node_types.h"

namespace worldline::replication {

enum class ClockVerdict : uint8_t {
  kUnknown = 1,  // Too few peers to form a majority with us.
  kGood = 2,
  kWarning = 3,  // More than 500 ms away.
  kDrain = 4,    // More than 5 s away: hand over what is led here.
};

struct ClockOffset {
  ClockVerdict verdict = ClockVerdict::kUnknown;
  Micros low{};  // The majority's time minus ours lies between these.
  Micros high{};
  size_t agreeing = 0;  // Nodes whose intervals overlap there, ourselves included if we agree.
};

// One echo: a batch left at `sent_at`, its reply came at `received_at` (both our boot clock) and
// said what the peer's wall clock showed in between.
struct ClockSample {
  BootTime sent_at;
  BootTime received_at;
  Timestamp peer_wall;
};

class ClockEstimate {
 public:
  void add(NodeId peer, const ClockSample& sample);
  void forget(NodeId peer) { samples_.erase(peer); }

  // Round trip of the fastest recent sample; nullopt = none.
  std::optional<Micros> rtt(NodeId peer) const;
  std::optional<Micros> median_rtt() const;
  // How our `wall` at `now` compares.
  ClockOffset estimate(BootTime now, Timestamp wall) const;

 private:
  struct Kept {
    BootTime at;
    Micros rtt{};
    Micros wall_minus_boot{};  // Of the peer, in the middle of the round trip.
  };
  const Kept* best(NodeId peer) const;

  std::map<NodeId, std::deque<Kept>> samples_;
};

}  // namespace worldline::replication
