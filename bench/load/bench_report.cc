#include "bench/load/bench_report.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace worldline::bench {
namespace {

struct Percentile {
  const char* name;
  double share;
};
constexpr std::array<Percentile, 6> kPercentiles = {
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}}};

// Escapes what JSON must have escaped; our texts are short.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// An object whose members are already JSON.
class JsonObject {
 public:
  void add(std::string_view key, std::string value) {
    text_ += fmt::format("{}{}:{}", text_.empty() ? "" : ",", quoted(key), value);
  }
  void add(std::string_view key, double value) { add(key, fmt::format("{:.6g}", value)); }
  void add(std::string_view key, uint64_t value) { add(key, fmt::format("{}", value)); }
  std::string str() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

const RunFigures& main_run(const KeynoteFigures& figures) {
  return figures.run ? *figures.run : *figures.null;
}

std::string latency_json(const LatencyHistogram& latency) {
  JsonObject out;
  for (const Percentile& percentile : kPercentiles)
    out.add(fmt::format("{}_us", percentile.name), latency.percentile(percentile.share));
  out.add("max_us", latency.max());
  out.add("mean_us", latency.mean());
  return out.str();
}

std::string run_json(const RunFigures& run, uint32_t threads) {
  JsonObject out;
  out.add("tps", run.tally.per_second());
  out.add("ok", run.tally.ok());
  out.add("errors", run.tally.errors());
  out.add("timeouts", run.tally.timeouts());
  if (!run.tally.first_error().empty()) out.add("first_error", quoted(run.tally.first_error()));
  out.add("late", run.tally.late());
  out.add("variation", run.tally.variation());
  out.add("service", latency_json(run.tally.latency()));
  out.add("generator_cpu_us_per_call", run.generator_cpu_us_per_call());
  out.add("generator_utilisation", run.generator_utilisation(threads));
  out.add("connect_seconds", run.connect_seconds);
  return out.str();
}

double share_of_null(const KeynoteFigures& figures) {
  const double null = figures.null->tally.per_second();
  return null == 0 ? 0 : figures.run->tally.per_second() / null;
}

// Marks of [S 09/5.1, 5.3]: a figure with one of them must not be published without it.
std::vector<std::string> flags_of(const KeynoteOptions& options, const KeynoteFigures& figures) {
  std::vector<std::string> flags;
  const RunFigures& run = main_run(figures);
  if (run.tally.variation() > 0.05) flags.emplace_back("unstable");
  if (figures.run && (run.generator_utilisation(options.threads) > 0.7 ||
                      (figures.null && share_of_null(figures) > 0.5)))
    flags.emplace_back("generator_bound");
  if (run.tally.errors() > 0) flags.emplace_back("errors");
  return flags;
}

std::string params_json(const KeynoteOptions& options) {
  JsonObject out;
  out.add("connections", uint64_t{options.connections});
  out.add("in_flight", uint64_t{options.in_flight});
  out.add("threads", uint64_t{options.threads});
  out.add("seconds", options.seconds);
  out.add("timeout_seconds", options.timeout_seconds);
  if (options.warmup_seconds >= 0) out.add("warmup_seconds", options.warmup_seconds);
  out.add("accounts", uint64_t{options.accounts});
  out.add("alpha", options.alpha);
  out.add("seed", options.seed);
  out.add("confirmed", std::string("true"));
  out.add("protocol", quoted("v3"));
  out.add("compression", quoted("none"));
  out.add("mode", quoted("closed"));
  return out.str();
}

std::string env_json(const MachineInfo& machine, const BuildInfo& build) {
  JsonObject out;
  out.add("version", quoted(build.version));
  out.add("commit", quoted(build.commit));
  out.add("compiler", quoted(build.compiler));
  out.add("cpu", quoted(machine.cpu_model));
  out.add("cpus", uint64_t{machine.cpus});
  out.add("kernel", quoted(machine.kernel));
  if (machine.fsync_us_p50) out.add("fsync_us_p50", *machine.fsync_us_p50);
  if (machine.fsync_us_p99) out.add("fsync_us_p99", *machine.fsync_us_p99);
  return out.str();
}

std::string latency_line(const LatencyHistogram& latency) {
  std::string out;
  for (const Percentile& percentile : kPercentiles)
    out += fmt::format("{} {:.2f}  ", percentile.name,
                       static_cast<double>(latency.percentile(percentile.share)) / 1000);
  return out + fmt::format("max {:.2f} ms", static_cast<double>(latency.max()) / 1000);
}

}  // namespace

std::string report_text(const KeynoteOptions& options, const KeynoteFigures& figures) {
  const RunFigures& run = main_run(figures);
  std::string out = fmt::format(
      "keynote{}: {:.0f} transfers/s over {:.1f} s ({} connections x {} in flight, alpha {}, "
      "confirmed)\n",
      figures.run ? "" : " (generator alone)", run.tally.per_second(), run.tally.seconds(),
      options.connections, options.in_flight, options.alpha);
  out += fmt::format("service time under saturation: {}\n", latency_line(run.tally.latency()));
  if (figures.node_cpu_seconds && run.tally.ok() > 0)
    out += fmt::format("node CPU: {:.2f} us per transfer ({:.2f} cores)\n",
                       *figures.node_cpu_seconds * 1e6 / static_cast<double>(run.tally.ok()),
                       *figures.node_cpu_seconds / run.tally.seconds());
  out += fmt::format("generator CPU: {:.2f} us per transfer ({:.0f} % of {} thread(s))\n",
                     run.generator_cpu_us_per_call(),
                     100 * run.generator_utilisation(options.threads), options.threads);
  if (figures.run && figures.null)
    out += fmt::format(
        "generator alone: {:.0f} calls/s, {:.2f} us per call; this run is {:.1f} % of it\n",
        figures.null->tally.per_second(), figures.null->generator_cpu_us_per_call(),
        100 * share_of_null(figures));
  if (figures.run)
    out += fmt::format(
        "set-up: start {:.2f} s, publish {:.2f} s, {} accounts {:.2f} s, connect {:.2f} s\n",
        figures.start_seconds, figures.publish_seconds, options.accounts, figures.seed_seconds,
        run.connect_seconds);
  if (run.tally.errors() > 0)
    out += fmt::format("errors: {} ({} without an answer), the first: {}\n", run.tally.errors(),
                       run.tally.timeouts(), run.tally.first_error());
  if (const auto& check = figures.verification)
    out += fmt::format("verification: {}: sum {} (expected {}), {} of {} balances changed\n",
                       check->passed() ? "passed" : "FAILED", check->sum, check->expected_sum,
                       check->changed, check->accounts);
  if (figures.machine.fsync_us_p50)
    out += fmt::format("a synchronous write of 4 KiB here: {} us (p99 {} us)\n",
                       *figures.machine.fsync_us_p50, figures.machine.fsync_us_p99.value_or(0));
  for (const std::string& flag : flags_of(options, figures)) out += fmt::format("flag: {}\n", flag);
  return out;
}

std::string report_json(const KeynoteOptions& options, const KeynoteFigures& figures,
                        const BuildInfo& build) {
  const RunFigures& run = main_run(figures);
  JsonObject out;
  out.add("tps", run.tally.per_second());
  out.add("service", latency_json(run.tally.latency()));
  if (figures.node_cpu_seconds) {
    JsonObject cpu;
    cpu.add("seconds", *figures.node_cpu_seconds);
    cpu.add("us_per_tx", run.tally.ok() == 0 ? 0.0
                                             : *figures.node_cpu_seconds * 1e6 /
                                                   static_cast<double>(run.tally.ok()));
    cpu.add("cores", *figures.node_cpu_seconds / run.tally.seconds());
    if (figures.node_resident_bytes) cpu.add("resident_bytes", *figures.node_resident_bytes);
    out.add("server_cpu", cpu.str());
  }
  JsonObject setup;
  setup.add("start_seconds", figures.start_seconds);
  setup.add("publish_seconds", figures.publish_seconds);
  setup.add("seed_seconds", figures.seed_seconds);
  setup.add("connect_seconds", run.connect_seconds);
  out.add("setup", setup.str());
  out.add("schema", quoted("worldline-bench/1"));
  out.add("scenario", quoted("keynote"));
  out.add("target", quoted(figures.run ? "worldline" : "null"));
  out.add("params", params_json(options));
  out.add("result", run_json(run, options.threads));
  if (figures.null) out.add("null", run_json(*figures.null, options.threads));
  if (figures.run && figures.null) out.add("share_of_null", share_of_null(figures));
  if (const auto& check = figures.verification) {
    JsonObject verify;
    verify.add("passed", std::string(check->passed() ? "true" : "false"));
    verify.add("sum", fmt::format("{}", check->sum));
    verify.add("expected_sum", fmt::format("{}", check->expected_sum));
    verify.add("accounts", check->accounts);
    verify.add("changed", check->changed);
    verify.add("seconds", check->seconds);
    out.add("verify", verify.str());
  }
  out.add("env", env_json(figures.machine, build));
  std::string flags;
  for (const std::string& flag : flags_of(options, figures))
    flags += (flags.empty() ? "" : ",") + quoted(flag);
  out.add("flags", "[" + flags + "]");
  return out.str() + "\n";
}

}  // namespace worldline::bench
