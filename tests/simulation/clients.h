// tests/simulation/clients.h
//
// Clients of the simulated database: each does one call at a time, follows leader hints, gives up
// at its deadline, and writes down what it saw. What it saw is judged: appends and account sums at
// once, registers by the search for a linear order, and every call against the one log.
//
// Outcomes: done; failed (refused everywhere, had no effect, must be in no log); unknown.
// Ownership: one Simulation. Units: microseconds; order of calls and returns by a counter.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/simulation/cluster.h"
#include "tests/simulation/linearizability.h"

namespace worldline::simulation {

class Clients final : public EventSink, public ReplySink {
 public:
  Clients(Cluster& cluster, const Scenario& scenario);

  void start();
  void stop() { is_stopped_ = true; }  // No new calls; those under way end.
  // Only these slots are asked from now on.
  void ask_only(std::vector<uint32_t> slots) { slots_ = std::move(slots); }
  // A call of its own, with a deadline; `slot` fixes who is asked.
  uint64_t probe(OpKind kind, Micros deadline, std::optional<uint32_t> slot);
  bool is_done(uint64_t op) const { return ops_[op - 1].outcome == Outcome::kDone; }

  // After the run: every call against the log, and the registers' histories.
  void judge();

  uint64_t op_count() const { return ops_.size(); }
  uint64_t done_count() const { return count_of(Outcome::kDone); }
  uint64_t unknown_count() const { return count_of(Outcome::kUnknown); }
  bool budget_spent() const { return budget_spent_; }

  void on_event(const Event& event) override;
  void on_reply(uint64_t token, const Reply& reply) override;

 private:
  enum class Outcome : uint8_t { kOpen, kDone, kFailed, kUnknown };
  enum Code : uint32_t { kNext, kArrive, kReplied, kRetry, kDeadline };
  struct Op {
    Command command;
    uint32_t client = 0;  // 0 = a probe.
    uint32_t padding_bytes = 0;
    uint32_t burst = 1;
    uint32_t attempts = 0;
    bool is_under_way = false;  // An attempt is out and unanswered.
    std::optional<uint32_t> fixed_slot;
    Outcome outcome = Outcome::kOpen;
    uint64_t called = 0;
    uint64_t returned = kNotReturned;
    uint64_t list_floor = 0;  // Length that had been seen when it was called.
    CommandResult result;
  };
  struct Client {
    Chance chance;
    uint32_t slot = 0;  // Of the leader, as far as it knows.
  };

  void call_next(uint32_t client);
  Command draw_command(Chance& chance);
  uint64_t open_op(uint32_t client, const Command& command, Micros deadline);
  void send_attempt(uint64_t op);
  uint32_t choose_slot(Op& op, Chance& chance);
  void on_refused(uint64_t op, const Reply& reply);
  void finish(uint64_t op, Outcome outcome);
  void check_result(const Op& op);
  void judge_against_log(const Op& op);
  uint64_t count_of(Outcome outcome) const;
  Chance& chance_of(const Op& op) { return clients_[op.client].chance; }

  Cluster& cluster_;
  const WorkloadModel& model_;
  std::vector<Client> clients_;  // [0] is for probes.
  std::vector<Op> ops_;          // By op - 1.
  std::vector<uint32_t> slots_;
  std::map<uint64_t, Reply> replies_;             // By token, on their way to the client.
  std::array<uint64_t, kRegisters> last_seen_{};  // Of each register, by anybody.
  uint64_t list_seen_ = 0;                        // Longest list anybody saw.
  uint64_t moments_ = 0;
  bool is_stopped_ = false;
  bool budget_spent_ = false;
};

}  // namespace worldline::simulation
