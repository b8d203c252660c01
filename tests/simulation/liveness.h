// tests/simulation/liveness.h
//
// The liveness phase [S 08/6.2], after TigerBeetle: when the workload ends, a random set of
// replicas that is a majority of every config in force is healed for good; the others are dead, cut
// off, or talk without hearing. The set must elect a leader, serve calls, become equal, and then be
// quiet: no new terms, nothing in flight.
//
// Ownership: one Simulation; everything is borrowed. Units: microseconds.
#pragma once

#include <vector>

#include "tests/simulation/clients.h"
#include "tests/simulation/cluster.h"

namespace worldline::simulation {

class LivenessPhase {
 public:
  enum class Verdict : uint8_t {
    kHeld,
    kBroken,         // The observer knows why.
    kUnrecoverable,  // More was lost than a majority can do without, and nobody pretends otherwise.
  };

  LivenessPhase(Cluster& cluster, Clients& clients, const Scenario& scenario);
  Verdict run();

 private:
  std::vector<replication::Membership> possible_configs() const;
  bool choose_core();
  bool stay_dead();
  void settle_others();
  void heal_core();
  bool serve_write();
  bool serve_reads();  // One at every member.
  bool converge();     // Equal logs and states in the core.
  bool stay_quiet();
  std::string describe_core() const;
  std::string describe_voters() const;
  bool is_equal() const;
  bool settles(const replication::RaftCore& leader);
  std::string unrest_of(const replication::RaftCore& leader) const;
  bool has_majority(const std::vector<bool>& chosen, const replication::Membership& config) const;
  bool run_until(Micros end, const std::vector<uint64_t>& probes);
  Micros catch_up_budget() const;
  std::vector<const SimNode*> members() const;  // Of the core, in the leader's config.

  Cluster& cluster_;
  Clients& clients_;
  const Scenario& scenario_;
  Chance chance_;
  std::vector<bool> core_;  // By slot.
};

}  // namespace worldline::simulation
