// replication/node/failure_detector.h
//
// FailureDetector judges peer nodes by what arrives: alive, suspect, dead, restarted, or certainly
// gone. It works on receive, so one-way loss is seen by the side that hears nothing; what peers say
// they hear tells the other side [S 08/3.4].
//
// Idea: silence of three heartbeat intervals makes a suspect, of E makes a dead node. Links that
// are
//   irregular by nature earn patience up to E: the mean of the last 100 gaps plus four deviations.
// Invariants: verdicts of a node come in order; kRestarted precedes everything of the new life.
// Ownership: one RaftNode. Units: BootTime. It never prevents an election: its output are hints.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "replication/node/node_types.h"

namespace worldline::replication {

enum class PeerState : uint8_t { kUnknown = 1, kAlive = 2, kSuspect = 3, kDead = 4 };
enum class PeerVerdict : uint8_t {
  kAlive = 1,  // Again, or for the first time.
  kSuspect = 2,
  kDead = 3,       // Our opinion; the catalog has its own.
  kRestarted = 4,  // A new incarnation: what the old one led is without leader.
  kCertain = 5,    // The process is gone: its kernel or itself said so.
  kDeaf = 6,       // We hear it, it does not hear us.
};
struct PeerEvent {
  NodeId node;
  PeerVerdict verdict = PeerVerdict::kAlive;
  friend bool operator==(const PeerEvent&, const PeerEvent&) = default;
};

// How a stream to a peer ended.
enum class StreamLoss : uint8_t {
  kBroken = 1,        // Reset, timeout, our own decision: proves nothing.
  kClosedByPeer = 2,  // Orderly end from the other side.
  kRefused = 3,       // Nobody listens there. Certain only directly after kClosedByPeer.
};

struct DetectorTimes {
  Micros heartbeat{75'000};
  Micros election{400'000};  // E.
};

class FailureDetector {
 public:
  // REQUIRES: election >= 4 heartbeats.
  FailureDetector(NodeId self, const DetectorTimes& times);

  void add_peer(NodeId peer, BootTime now);
  void remove_peer(NodeId peer) { peers_.erase(peer); }

  // A batch, a reply or a message arrived. False: it is of an older life; ignore it.
  bool on_heard(NodeId peer, uint64_t incarnation, BootTime now);
  // A batch listed whom the peer hears.
  void on_hears(NodeId peer, const std::vector<NodeId>& hears, BootTime now);
  void on_stream_end(NodeId peer, StreamLoss how, BootTime now);
  void on_goodbye(NodeId peer, uint64_t incarnation, BootTime now);
  // We were not running: nobody is blamed for the silence.
  void on_paused(BootTime now);
  void on_time(BootTime now);

  std::vector<PeerEvent> take_events();

  PeerState state(NodeId peer) const;
  bool is_alive(NodeId peer) const { return state(peer) == PeerState::kAlive; }
  bool hears_us(NodeId peer) const;
  uint64_t incarnation(NodeId peer) const;
  std::vector<NodeId> heard_nodes(BootTime now) const;  // Within E; ascending.
  std::optional<BootTime> last_heard(NodeId peer) const;

 private:
  struct Peer {
    PeerState state = PeerState::kUnknown;
    uint64_t incarnation = 0;
    uint64_t gone_incarnation = 0;  // Said good-bye: its late words are no life.
    BootTime heard_at;
    std::optional<BootTime> closed_at;      // The peer closed a stream.
    std::optional<BootTime> unheard_since;  // It hears others, or nobody, but not us.
    bool is_deaf = false;
    std::deque<Micros> gaps;
    Micros gap_sum{};
    uint64_t gap_square_sum = 0;  // Micros squared; 100 gaps of at most 2 s fit.
  };
  Micros patience(const Peer& peer) const;
  void add_gap(Peer& peer, Micros gap) const;
  void become_certain(NodeId node, Peer& peer);

  const NodeId self_;
  const DetectorTimes times_;
  std::map<NodeId, Peer> peers_;
  std::vector<PeerEvent> events_;
};

}  // namespace worldline::replication
