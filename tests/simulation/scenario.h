// tests/simulation/scenario.h
//
// A Scenario is everything about a run that is drawn before it starts: how many nodes, which faults
// and how often, which limits. All of it follows from the seed and from what the options take away.
//
// Swarm [S 08/6.2]: about a quarter of the seeds have one fault class, a quarter crashes only, the
// rest a mixture; within a class the intensity is drawn too. Small limits make rare paths common.
// Units: microseconds, bytes, ticks. Ownership: values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replication/raft_types.h"
#include "tests/simulation/event_queue.h"

namespace worldline::simulation {

enum class FaultClass : uint8_t {
  kCrash,
  kPause,
  kPartition,
  kLoss,
  kDuplicate,
  kReorder,
  kSlowLink,
  kStreamBreak,
  kMisdelivery,
  kDiskSlow,
  kDiskError,
  kClock,
  kCheckpoint,
  kMembership,
  kLeadership,
  kHints,
  kQuiesce,
  kVolumeLoss,
  kRot,
  // Later classes: each draws everything from generators of its own, so that adding one shifts no
  // other. A run of edition 1 knows none of them.
  kTorn,       // Power failures tear the write that is under way.
  kDamage,     // Any sector may be spoiled, also under a running process.
  kBandwidth,  // Links that are slow by the byte.
  kLostTail,   // A disk silently lacks the last write that it acknowledged.
  kDataLoss,   // More is destroyed than a majority can do without. Only ever alone.
};
inline constexpr size_t kFaultClassCount = static_cast<size_t>(FaultClass::kDataLoss) + 1;
inline constexpr size_t kFirstClassCount = static_cast<size_t>(FaultClass::kRot) + 1;
const char* fault_class_name(FaultClass fault);
std::optional<FaultClass> parse_fault_class(std::string_view name);

// One decision of the nemesis: the n-th of its class.
struct Decision {
  FaultClass fault = FaultClass::kCrash;
  uint64_t number = 0;
  friend auto operator<=>(const Decision&, const Decision&) = default;
};

// What the caller fixes or takes away; the command line and the shrinker speak this.
struct RunOptions {
  uint64_t seed = 1;
  uint32_t edition = 2;  // 1: the runs of this seed before there were later fault classes.
  std::optional<Micros> duration;  // At most this; never longer than what the seed drew.
  std::optional<uint32_t> voters_max;
  std::optional<uint32_t> spares_max;
  std::optional<uint32_t> clients_max;
  std::optional<FaultClass> only;   // No other class.
  std::vector<FaultClass> without;  // Classes taken away.
  std::vector<Decision> skipped;    // Decisions that are drawn but not carried out. Sorted.
  bool with_trace = false;          // Print what happens.
  bool with_liveness = true;        // End with the liveness phase.
  bool with_model = false;          // Every step is held against the abstract model too.
};
// The command that repeats the run.
std::string repro_line(const RunOptions& options);

struct NetworkModel {
  Micros delay_min = 0;
  Micros delay_mean = 0;
  double loss = 0;
  double duplicate = 0;
  double late_duplicate = 0;  // Of the duplicates: seconds later.
  double reorder = 0;
  double misdelivery = 0;
  uint64_t bytes_per_second_min = 0;  // Of the slowest link; 0 = bytes cost nothing.
  uint32_t link_messages_max = 256;
};
struct DiskModel {
  Micros latency_min = 0;
  Micros latency_mean = 0;
  uint32_t batch_jobs_max = 64;
  bool is_watched = true;  // The node's disk monitor reacts to stalls [S 08/3.12].
};
struct FaultRate {
  Micros interval_mean = kNever;  // Of a Poisson process; kNever = the class is off.
  Micros duration_max = 0;
};
struct WorkloadModel {
  uint32_t clients = 1;
  uint32_t keys = 1;
  Micros think_mean = 0;
  Micros deadline = 0;
  uint32_t padding_bytes_max = 0;
  uint32_t burst_max = 1;             // Entries of one proposal.
  std::array<uint32_t, 7> weights{};  // Per OpKind.
};

struct Scenario {
  uint64_t seed = 0;
  uint32_t classes = 0;  // Bit per FaultClass.
  uint32_t voters = 3;
  uint32_t spares = 0;  // Nodes without a replica at the start.
  Micros duration = 0;
  uint32_t election_ticks = 16;
  uint32_t heartbeat_ticks = 3;
  replication::RaftLimits limits;
  NetworkModel network;
  DiskModel disk;
  WorkloadModel workload;
  double clock_drift = 0;               // Per node at most, as a share.
  Micros step_delay_mean = 0;           // Between the parts of one node.
  uint32_t checkpoint_entries = 0;      // A checkpoint about every so many applied entries.
  bool drops_stale_after_pause = true;  // The transport forgets what is older than the pause.
  std::array<FaultRate, kFaultClassCount> rates;

  bool has(FaultClass fault) const { return (classes >> static_cast<uint32_t>(fault)) & 1; }
  uint32_t slots() const { return voters + spares; }
  Micros election_time() const { return election_ticks * kTick; }
};

Scenario draw_scenario(const RunOptions& options);
std::string print_scenario(const Scenario& scenario);

}  // namespace worldline::simulation
