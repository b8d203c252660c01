#include "tests/simulation/simulation.h"

#include <fmt/format.h>

#include "tests/simulation/clients.h"
#include "tests/simulation/cluster.h"
#include "tests/simulation/core_trace.h"
#include "tests/simulation/liveness.h"
#include "tests/simulation/nemesis.h"
#include "tests/simulation/placement.h"

namespace worldline::simulation {
namespace {

constexpr uint64_t kEventsMax = 20'000'000;  // A run that needs more has run wild.

class Simulation {
 public:
  Simulation(const RunOptions& options, CoreRecording* recording)
      : options_(options),
        scenario_(draw_scenario(options)),
        trace_(options.with_trace),
        cluster_(queue_, scenario_, observer_, trace_),
        clients_(cluster_, scenario_),
        nemesis_(cluster_, scenario_, options.skipped),
        repairer_(cluster_, scenario_) {
    cluster_.set_recording(recording);
  }

  Outcome run() {
    if (options_.with_model) observer_.set_listener(&core_trace_);
    cluster_.set_replies(&clients_);
    cluster_.start();
    clients_.start();
    nemesis_.start();
    repairer_.start();
    work();
    nemesis_.stop();
    repairer_.stop();
    clients_.stop();
    Outcome outcome;
    if (!observer_.failed() && options_.with_liveness) {
      LivenessPhase phase(cluster_, clients_, scenario_);
      outcome.was_recoverable = phase.run() != LivenessPhase::Verdict::kUnrecoverable;
    }
    if (!observer_.failed()) clients_.judge();
    report(outcome);
    return outcome;
  }

 private:
  void work() {
    while (!observer_.failed() && !model_.refuses() && queue_.next_at() <= scenario_.duration) {
      if (queue_.delivered() > kEventsMax)
        return observer_.fail(fmt::format("more than {} events", kEventsMax));
      queue_.step();
    }
  }

  void report(Outcome& outcome) {
    outcome.failure = observer_.failure();
    if (model_.refuses()) outcome.failure = "the model refuses " + model_.refusal();
    outcome.model_actions = model_.actions();
    outcome.trace_hash = trace_.hash();
    outcome.events = queue_.delivered();
    outcome.messages = cluster_.network().delivered();
    outcome.virtual_time = queue_.now();
    outcome.calls = clients_.op_count();
    outcome.calls_done = clients_.done_count();
    outcome.calls_unknown = clients_.unknown_count();
    outcome.leaders = observer_.leader_count();
    outcome.committed = observer_.committed().value;
    outcome.search_gave_up = clients_.budget_spent();
    observer_.mark(FaultMark::kWaitedForBytes, cluster_.network().waited_for_bytes());
    outcome.marks = observer_.marks();
    outcome.fault_marks = observer_.fault_marks();
    outcome.decisions = nemesis_.carried_out();
  }

  const RunOptions options_;
  const Scenario scenario_;
  EventQueue queue_;
  AbstractModel model_;
  CoreTrace core_trace_{model_};
  Observer observer_;
  Trace trace_;
  Cluster cluster_;
  Clients clients_;
  Nemesis nemesis_;
  Repairer repairer_;
};

}  // namespace

Outcome run_simulation(const RunOptions& options, CoreRecording* recording) {
  return Simulation(options, recording).run();
}

}  // namespace worldline::simulation
