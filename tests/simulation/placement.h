// tests/simulation/placement.h
//
// The placement executor of the simulated cluster: asks the leader for changes of the members, the
// random ones of the nemesis and the sensible ones that replace what was lost.
//
// Ownership: one Simulation. The cluster is borrowed and outlives it.
#pragma once

#include "tests/simulation/cluster.h"

namespace worldline::simulation {

// One request at `leader`, from sensible to absurd; most are refused. REQUIRES: leader runs.
void request_random_change(Cluster& cluster, SimNode& leader, Chance& chance);

// Replaces lost replicas and restores the number of voters, one step at a time.
class Repairer final : public EventSink {
 public:
  Repairer(Cluster& cluster, const Scenario& scenario);
  void start();
  void stop() { is_stopped_ = true; }
  void on_event(const Event& event) override;

 private:
  void repair(SimNode& leader);
  bool add_learner(SimNode& leader);

  Cluster& cluster_;
  const Scenario& scenario_;
  Chance chance_;
  bool is_stopped_ = false;
};

}  // namespace worldline::simulation
