// replication/node/node_types.h
//
// The plain values of a node's replication: time, identity, configuration.
//
// Thread: values. Units: BootTime in microseconds of a clock that counts suspend; ticks of
// kRaftTick. Errors: NodeConfig::validate() reports all faults at once.
// Sources: [S 08/0.1], [S 08/3.5], [S 08/5.1].
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <ratio>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/status.h"
#include "replication/raft_types.h"

namespace worldline::replication {

using Uuid = std::array<Byte, 16>;  // Cluster id, node uuid: random, never re-used.
using Micros = std::chrono::microseconds;

// Tags times of the monotonic clock that runs during suspend [S 08/3.5]. It cannot be read here:
// whoever calls passes the time.
struct BootClock {
  using rep = Micros::rep;
  using period = Micros::period;
  using duration = Micros;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

inline constexpr Micros kTickLength = std::chrono::duration_cast<Micros>(kRaftTick);
inline constexpr GroupId kCatalogGroupId{1};  // Always first, wherever groups wait for each other.

// Counts ticks of one node since its start; 0 = before the first.
using NodeTick = StrongId<struct NodeTickTag, uint64_t>;
constexpr uint64_t ticks_between(NodeTick from, NodeTick to) {
  return to > from ? to.value - from.value : 0;
}

// Who this process is, for as long as it runs.
struct NodeSelf {
  Uuid cluster{};
  Uuid uuid{};
  NodeId node;
  uint64_t incarnation = 0;  // Fsynced before the first message [S 08/3.7 step 1].
};

// DEF values of [S 08/5.1]. `heartbeat_ticks` and `election_ticks` must be equal on all nodes; the
// rest may differ. Zero never means unlimited.
struct NodeConfig {
  NodeSelf self;
  uint64_t seed = 0;  // Of everything random in this node.
  uint32_t election_ticks = 16;
  uint32_t heartbeat_ticks = 3;
  RaftLimits limits;
  ChainFunction chain = nullptr;

  uint32_t quiesce_after_intervals = 10;                  // Q1: 750 ms without any work.
  Micros quiesce_schedule_gap = std::chrono::seconds{5};  // Q1: nothing is due sooner.
  uint32_t wakes_per_second_max = 2000;                   // Q8.
  Micros fast_path_step{20'000};                     // Ranks of the fast path are this far apart.
  size_t append_bytes_max = 64 * limits::MiB;        // Per peer node: handed over, not yet sent.
  size_t append_wait_bytes_max = 256 * limits::MiB;  // Per peer node: waiting; beyond it, dropped.
  size_t catch_up_bytes_behind = 64 * limits::MiB;   // A follower farther behind is catching up,
  size_t catch_up_bytes_per_second = 64 * limits::MiB;  // and gets this much of our disk and link.
  // Entries handed out that long ago and not applied: the group makes no progress. E [S 08/3.2].
  uint32_t apply_stall_ticks = 16;
  // Log after which a checkpoint is due; the tail kept behind one must be shorter [S 08/5.1].
  size_t checkpoint_log_bytes = 64 * limits::MiB;
  size_t groups_max = 20'000;
  size_t peers_max = 256;

  // Every broken constraint in one text, or OK.
  Status validate() const;

  Micros election_time() const { return kTickLength * election_ticks; }
  Micros heartbeat_time() const { return kTickLength * heartbeat_ticks; }
};

// Mixes two numbers into one; for ranks and checksums of sets, not for hash tables of foreign keys.
constexpr uint64_t mix_hash(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace worldline::replication
