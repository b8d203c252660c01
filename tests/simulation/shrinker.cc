#include "tests/simulation/shrinker.h"

#include <algorithm>
#include <vector>

#include "tests/simulation/isolated_run.h"

namespace worldline::simulation {
namespace {

class Shrinker {
 public:
  Shrinker(const RunOptions& options, size_t runs_max) : best_(options), runs_max_(runs_max) {
    failure_ = run_isolated(options);
    runs_ = 1;
  }

  Shrunk run() {
    shorten();
    drop_liveness();
    drop_classes();
    drop_nodes_and_clients();
    shorten();
    drop_decisions();
    drop_classes();
    return {best_, failure_, decisions_, runs_};
  }

 private:
  // Keeps the smaller options if they fail in the same way.
  bool try_smaller(const RunOptions& smaller) {
    if (runs_ >= runs_max_) return false;
    ++runs_;
    const std::string failure = run_isolated(smaller);
    if (failure.empty() || failure_kind(failure) != failure_kind(failure_)) return false;
    best_ = smaller;
    failure_ = failure;
    return true;
  }

  void shorten() {
    Micros low = 0;
    Micros high = draw_scenario(best_).duration;
    while (high - low > std::max<Micros>(high / 16, 10 * kMillisecond)) {
      RunOptions smaller = best_;
      smaller.duration = low + (high - low) / 2;
      if (try_smaller(smaller)) {
        high = *smaller.duration;
      } else {
        low = *smaller.duration;
      }
    }
  }

  void drop_liveness() {
    RunOptions smaller = best_;
    smaller.with_liveness = false;
    if (best_.with_liveness) try_smaller(smaller);
  }

  void drop_classes() {
    const Scenario scenario = draw_scenario(best_);
    for (size_t i = 0; i < kFaultClassCount; ++i) {
      if (!scenario.has(static_cast<FaultClass>(i))) continue;
      RunOptions smaller = best_;
      smaller.without.push_back(static_cast<FaultClass>(i));
      try_smaller(smaller);
    }
  }

  void drop_nodes_and_clients() {
    lower(draw_scenario(best_).voters, 1, &RunOptions::voters_max);
    lower(draw_scenario(best_).spares, 0, &RunOptions::spares_max);
    lower(draw_scenario(best_).workload.clients, 1, &RunOptions::clients_max);
  }
  void lower(uint32_t now, uint32_t least, std::optional<uint32_t> RunOptions::*what) {
    for (uint32_t wanted = least; wanted < now; ++wanted) {
      RunOptions smaller = best_;
      smaller.*what = wanted;
      if (try_smaller(smaller)) return;
    }
  }

  // ddmin over the decisions that were carried out.
  void drop_decisions() {
    std::vector<Decision> kept = decisions_of(best_);
    size_t parts = 2;
    while (kept.size() >= 2 && runs_ < runs_max_) {
      const size_t length = (kept.size() + parts - 1) / parts;
      bool is_smaller = false;
      for (size_t from = 0; from < kept.size() && !is_smaller; from += length) {
        const auto begin = kept.begin() + static_cast<std::ptrdiff_t>(from);
        const auto end = begin + static_cast<std::ptrdiff_t>(std::min(length, kept.size() - from));
        RunOptions smaller = best_;
        smaller.skipped.insert(smaller.skipped.end(), begin, end);
        std::sort(smaller.skipped.begin(), smaller.skipped.end());
        is_smaller = try_smaller(smaller);
      }
      if (is_smaller) {
        kept = decisions_of(best_);
        parts = std::max<size_t>(parts - 1, 2);
      } else if (length <= 1) {
        break;
      } else {
        parts = std::min(2 * parts, kept.size());
      }
    }
    decisions_ = kept.size();
  }

  // Of the time before the failure; a run that ends in a failed check tells none.
  std::vector<Decision> decisions_of(const RunOptions& options) {
    const bool ends_the_process = failure_.starts_with("process ended");
    return ends_the_process ? std::vector<Decision>() : run_simulation(options).decisions;
  }

  RunOptions best_;
  const size_t runs_max_;
  std::string failure_;
  size_t runs_ = 0;
  size_t decisions_ = 0;
};

}  // namespace

Shrunk shrink(const RunOptions& options, size_t runs_max) {
  return Shrinker(options, runs_max).run();
}

}  // namespace worldline::simulation
