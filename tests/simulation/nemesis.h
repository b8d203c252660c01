// tests/simulation/nemesis.h
//
// The nemesis decides when something goes wrong. Each fault class is a Poisson process of its own,
// and each decision draws from a generator of its own number: taking a class or a single decision
// away changes no other one, which is what the shrinker lives on.
//
// At most a minority of the voters loses its data; everything else may happen to all at once.
// Ownership: one Simulation. The cluster is borrowed and outlives it. Units: microseconds.
#pragma once

#include <array>
#include <vector>

#include "tests/simulation/cluster.h"

namespace worldline::simulation {

class Nemesis final : public EventSink {
 public:
  Nemesis(Cluster& cluster, const Scenario& scenario, std::vector<Decision> skipped);

  void start();
  void stop() { is_stopped_ = true; }
  const std::vector<Decision>& carried_out() const { return carried_out_; }

  void on_event(const Event& event) override;

 private:
  enum Code : uint32_t { kFire, kUnblock, kFlap, kDiskFree, kEligible, kRotten };
  struct Partition {
    std::vector<std::pair<uint32_t, uint32_t>> links;  // Directed.
    Blocking how = Blocking::kDrop;
    Micros until = 0;
    Micros flap_mean = 0;  // 0 = steady.
    bool is_blocked = false;
  };

  void schedule(FaultClass fault);
  void fire(FaultClass fault, Chance& chance);
  void crash(Chance& chance);
  void pause(Chance& chance);
  void partition(Chance& chance);
  std::vector<std::pair<uint32_t, uint32_t>> draw_links(Chance& chance);
  void block(Partition& partition);
  void unblock(Partition& partition);
  void flap(size_t number, Chance& chance);
  void clog(Chance& chance);
  void break_stream(Chance& chance);
  void disturb_disk(Chance& chance);
  void fail_disk(Chance& chance);
  void force_checkpoint(Chance& chance);  // And offers it where nobody asked for it.
  void change_members(Chance& chance);
  void move_leadership(Chance& chance);
  void give_hint(Chance& chance);
  void put_to_sleep(Chance& chance);
  void destroy_data(FaultClass fault, Chance& chance);
  void cut_power(Chance& chance);
  void damage(Chance& chance);
  void lose_tail(Chance& chance);
  void lose_majority(Chance& chance);
  uint32_t draw_victim(Chance& chance);  // The leader more often than others.
  Micros draw_duration(FaultClass fault, Chance& chance);
  Micros draw_downtime(Chance& chance);

  Cluster& cluster_;
  const Scenario& scenario_;
  const std::vector<Decision> skipped_;  // Sorted.
  std::array<uint64_t, kFaultClassCount> counts_{};
  std::vector<Decision> carried_out_;
  std::vector<Partition> partitions_;
  bool is_stopped_ = false;
};

// Whether the replica's data is gone for ever: no node has it, or it is in quarantine.
bool is_lost(Cluster& cluster, ReplicaId replica);
// Whether one more voter may lose its data without losing a majority of any config in force.
bool may_lose(Cluster& cluster, ReplicaId replica);

}  // namespace worldline::simulation
