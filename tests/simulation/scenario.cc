#include "tests/simulation/scenario.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/chance.h"

namespace worldline::simulation {
namespace {

constexpr const char* kNames[kFaultClassCount] = {
    "crash",      "pause",      "partition",  "loss",      "duplicate",  "reorder",
    "slow_link",  "stream",     "misdeliver", "disk_slow", "disk_error", "clock",
    "checkpoint", "membership", "leadership", "hints",     "quiesce",    "volume",
    "rot",        "torn",       "damage",     "bandwidth", "lost_tail",  "data_loss"};

constexpr double kLaterShare = 0.25;  // Of the mixtures that have a certain later class.

uint32_t bit(FaultClass fault) {
  return 1u << static_cast<uint32_t>(fault);
}

constexpr double kLaterSingleShare = 0.04;  // Of the runs with one class.

// What the later classes add to a mixture, but for those that only a quiet group survives.
uint32_t draw_later_classes(uint64_t seed) {
  uint32_t classes = 0;
  for (size_t i = kFirstClassCount; i <= static_cast<size_t>(FaultClass::kBandwidth); ++i)
    if (Chance(seed, Purpose::kLaterClass, i).with(kLaterShare))
      classes |= bit(static_cast<FaultClass>(i));
  return classes;
}

uint32_t draw_classes(const RunOptions& options, Chance& chance) {
  // Checkpoints are no fault: without them the log only grows.
  const uint32_t always = chance.with(0.9) ? bit(FaultClass::kCheckpoint) : 0;
  const double swarm = chance.unit();
  auto single = static_cast<FaultClass>(chance.below(kFirstClassCount));
  uint32_t mixture = 0;
  const double density = 0.15 + 0.5 * chance.unit();
  for (size_t i = 0; i < kFirstClassCount; ++i) {
    // Without a change of leaders the other classes show little.
    const bool moves_leaders = i <= static_cast<size_t>(FaultClass::kPartition);
    if (chance.with(moves_leaders ? std::max(density, 0.5) : density))
      mixture |= bit(static_cast<FaultClass>(i));
  }
  if (options.edition > 1) {
    for (size_t i = kFirstClassCount; i < kFaultClassCount; ++i)
      if (Chance(options.seed, Purpose::kLaterClass, i, 2).with(kLaterSingleShare))
        single = static_cast<FaultClass>(i);
    mixture |= draw_later_classes(options.seed);
  }
  if (swarm < 0.25) return always | bit(single);
  if (swarm < 0.5) return always | bit(FaultClass::kCrash);
  return always | mixture;
}

uint32_t apply_options(uint32_t classes, const RunOptions& options) {
  if (options.only) classes = bit(*options.only) | bit(FaultClass::kCheckpoint);
  for (const FaultClass fault : options.without) classes &= ~bit(fault);
  return classes;
}

void draw_topology(Chance& chance, Scenario& out) {
  constexpr uint32_t kVoters[] = {1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 7};
  out.voters = chance.pick(kVoters);
  const auto spares = static_cast<uint32_t>(1 + chance.below(3));
  const bool moves = out.has(FaultClass::kMembership) || out.has(FaultClass::kVolumeLoss) ||
                     out.has(FaultClass::kRot) || out.has(FaultClass::kDamage) ||
                     out.has(FaultClass::kLostTail);
  out.spares = moves ? spares : 0;
  constexpr uint32_t kHeartbeats[] = {1, 1, 2, 3, 3, 4};
  out.heartbeat_ticks = chance.pick(kHeartbeats);
  out.election_ticks = out.heartbeat_ticks * static_cast<uint32_t>(chance.between(4, 8));
  out.duration = chance.log_uniform(2 * kSecond, 16 * kSecond);
  out.step_delay_mean = chance.pick({Micros{20}, Micros{200}, 2 * kMillisecond});
}

// Each limit is mostly generous and sometimes as small as it can be.
void draw_limits(uint64_t seed, Scenario& out) {
  Chance chance(seed, Purpose::kLimits);
  const double tightness = chance.pick({0.0, 0.3, 0.3, 0.7});
  const auto draw = [&chance, tightness](size_t generous, size_t low, size_t high) {
    const size_t tight = chance.log_uniform(low, high);
    return chance.with(tightness) ? tight : generous;
  };
  replication::RaftLimits& limits = out.limits;
  limits.message_bytes_max = draw(limits.message_bytes_max, 1, 512);
  limits.inflight_messages_max = draw(limits.inflight_messages_max, 1, 4);
  limits.inflight_bytes_max = draw(limits.inflight_bytes_max, 1, 1024);
  limits.inflight_bytes_max = std::max(limits.inflight_bytes_max, limits.message_bytes_max);
  limits.entry_bytes_max = draw(limits.entry_bytes_max, 64, 256);
  limits.uncommitted_bytes_max = draw(limits.uncommitted_bytes_max, 64, 2048);
  limits.apply_batch_bytes_max = draw(limits.apply_batch_bytes_max, 1, 256);
  limits.cached_bytes_max = draw(limits.cached_bytes_max, 1, 512);
  limits.pending_reads_max = draw(limits.pending_reads_max, 1, 4);
  // Zero keeps nothing behind a checkpoint: logs that are empty but for their boundary.
  limits.retained_entries = draw(limits.retained_entries + 1, 1, 32) - 1;
  limits.retained_bytes = draw(limits.retained_bytes + 1, 1, 1024) - 1;
  limits.follower_retained_bytes_max = draw(limits.follower_retained_bytes_max, 1, 2048);
  // What is in memory is not read, and damage not found.
  Chance later(seed, Purpose::kLaterClass, static_cast<uint64_t>(FaultClass::kDamage), 3);
  if (out.has(FaultClass::kDamage) && later.with(0.7)) limits.cached_bytes_max = 1;
}

void draw_network(Chance& chance, Scenario& out) {
  NetworkModel& network = out.network;
  network.delay_min = chance.log_uniform(50, 2 * kMillisecond);
  network.delay_mean = chance.log_uniform(100, 4 * kMillisecond);
  network.link_messages_max = static_cast<uint32_t>(chance.log_uniform(16, 1024));
  const double loss = 0.3 * chance.unit() * chance.unit();
  const double duplicate = 0.5 * chance.unit() * chance.unit();
  const double late = 0.2 * chance.unit();
  const double reorder = 0.5 * chance.unit();
  const double misdelivery = 0.05 * chance.unit();
  const Micros slow = chance.log_uniform(5 * kMillisecond, 100 * kMillisecond);
  if (out.has(FaultClass::kLoss)) network.loss = loss;
  if (out.has(FaultClass::kDuplicate)) network.duplicate = duplicate;
  if (out.has(FaultClass::kDuplicate)) network.late_duplicate = late;
  if (out.has(FaultClass::kReorder)) network.reorder = reorder;
  if (out.has(FaultClass::kMisdelivery)) network.misdelivery = misdelivery;
  if (out.has(FaultClass::kSlowLink)) network.delay_mean = slow;
  if (out.has(FaultClass::kBandwidth))
    network.bytes_per_second_min =
        Chance(out.seed, Purpose::kBandwidth).log_uniform(4 * 1024, 256 * 1024);
}

void draw_disk(Chance& chance, Scenario& out) {
  out.disk.latency_min = chance.log_uniform(20, 2 * kMillisecond);
  out.disk.latency_mean = chance.log_uniform(20, 8 * kMillisecond);
  out.disk.batch_jobs_max = static_cast<uint32_t>(chance.log_uniform(1, 64));
  out.disk.is_watched = chance.with(0.7);
  const Micros slow = chance.log_uniform(10 * kMillisecond, kSecond);
  if (out.has(FaultClass::kDiskSlow)) out.disk.latency_mean = slow;
}

void draw_workload(const RunOptions& options, Chance& chance, Scenario& out) {
  WorkloadModel& work = out.workload;
  work.clients = static_cast<uint32_t>(chance.log_uniform(1, 16));
  if (options.clients_max) work.clients = std::min(work.clients, *options.clients_max);
  work.keys = static_cast<uint32_t>(chance.between(1, 8));
  const Micros interval = chance.log_uniform(8 * kMillisecond, 60 * kMillisecond);
  work.think_mean = interval * work.clients;  // Between two calls of all clients together.
  work.deadline = chance.log_uniform(300 * kMillisecond, 4 * kSecond);
  work.padding_bytes_max = chance.with(0.5) ? static_cast<uint32_t>(chance.below(200)) : 0;
  work.burst_max = chance.with(0.3) ? static_cast<uint32_t>(chance.between(2, 6)) : 1;
  for (uint32_t& weight : work.weights) weight = static_cast<uint32_t>(chance.below(6));
  work.weights[1] += 1;  // Something is always written,
  work.weights[0] += 1;  // and read.
}

void draw_rate(size_t fault, Chance& chance, Scenario& out) {
  const Micros interval = chance.log_uniform(100 * kMillisecond, 4 * kSecond);
  const Micros duration = chance.log_uniform(200 * kMillisecond, 10 * kSecond);
  if (out.has(static_cast<FaultClass>(fault))) out.rates[fault] = {interval, duration};
}

void draw_rates(Chance& chance, Scenario& out) {
  for (size_t i = 0; i < kFirstClassCount; ++i) draw_rate(i, chance, out);
  for (size_t i = kFirstClassCount; i < kFaultClassCount; ++i) {
    Chance later(out.seed, Purpose::kLaterClass, i, 1);
    draw_rate(i, later, out);
  }
  const double drift = chance.pick({0.001, 0.01, 0.1});
  if (out.has(FaultClass::kClock)) out.clock_drift = drift;
  const auto entries = static_cast<uint32_t>(chance.log_uniform(2, 256));
  if (out.has(FaultClass::kCheckpoint)) out.checkpoint_entries = entries;
  out.drops_stale_after_pause = chance.with(0.5);
}

}  // namespace

const char* fault_class_name(FaultClass fault) {
  return kNames[static_cast<size_t>(fault)];
}

std::optional<FaultClass> parse_fault_class(std::string_view name) {
  for (size_t i = 0; i < kFaultClassCount; ++i)
    if (name == kNames[i]) return static_cast<FaultClass>(i);
  return std::nullopt;
}

Scenario draw_scenario(const RunOptions& options) {
  Chance chance(options.seed, Purpose::kScenario);
  Scenario out;
  out.seed = options.seed;
  out.classes = apply_options(draw_classes(options, chance), options);
  draw_topology(chance, out);
  if (options.voters_max) out.voters = std::min(out.voters, *options.voters_max);
  if (options.spares_max) out.spares = std::min(out.spares, *options.spares_max);
  if (options.duration) out.duration = std::min(out.duration, *options.duration);
  draw_limits(options.seed, out);
  draw_network(chance, out);
  draw_disk(chance, out);
  draw_workload(options, chance, out);
  draw_rates(chance, out);
  return out;
}

std::string repro_line(const RunOptions& options) {
  std::string line = fmt::format("simulation --seed {}", options.seed);
  if (options.edition != RunOptions{}.edition)
    line += fmt::format(" --edition {}", options.edition);
  if (options.duration) line += fmt::format(" --ms {}", *options.duration / kMillisecond);
  if (options.voters_max) line += fmt::format(" --voters {}", *options.voters_max);
  if (options.spares_max) line += fmt::format(" --spares {}", *options.spares_max);
  if (options.clients_max) line += fmt::format(" --clients {}", *options.clients_max);
  if (options.only) line += fmt::format(" --class {}", fault_class_name(*options.only));
  if (!options.with_liveness) line += " --no-liveness";
  if (options.with_model) line += " --model";
  for (const FaultClass fault : options.without)
    line += fmt::format(" --without {}", fault_class_name(fault));
  for (const Decision& decision : options.skipped)
    line += fmt::format(" --skip {}:{}", fault_class_name(decision.fault), decision.number);
  return line;
}

std::string print_scenario(const Scenario& scenario) {
  std::string text = fmt::format(
      "voters={} spares={} clients={} keys={} duration_ms={} election_ticks={} heartbeat_ticks={} "
      "classes=",
      scenario.voters, scenario.spares, scenario.workload.clients, scenario.workload.keys,
      scenario.duration / kMillisecond, scenario.election_ticks, scenario.heartbeat_ticks);
  for (size_t i = 0; i < kFaultClassCount; ++i)
    if (scenario.has(static_cast<FaultClass>(i))) text += fmt::format("{},", kNames[i]);
  return text;
}

}  // namespace worldline::simulation
