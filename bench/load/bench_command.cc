#include "bench/load/bench_command.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include <CLI/CLI.hpp>

#include "bench/load/bench_report.h"
#include "bench/load/keynote_scenario.h"

namespace worldline::bench {
namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;
constexpr int kExitVerification = 21;
constexpr int kExitUnreachable = 22;

// `5s`, `500ms`, `2m`, or a plain number of seconds.
void add_seconds(CLI::App& command, const char* names, double& seconds, const char* about,
                 const CLI::Range& range) {
  const std::map<std::string, double> units = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  command.add_option(names, seconds, about)
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE))
      ->check(range);
}

// An option of [S 09/5.1] of which this generator can do one thing only.
void add_single_choice(CLI::App& command, const std::string& name, const std::string& choice,
                       const std::string& reason) {
  command.add_option_function<std::string>(
      name,
      [name, choice, reason](const std::string& given) {
        if (given != choice)
          throw CLI::ValidationError(name, "`" + given + "` is not supported: " + reason);
      },
      "only `" + choice + "`: " + reason);
}

// What `bench run` of the specification knows and this harness does not do.
void add_unsupported(CLI::App& command) {
  for (const char* name :
       {"--target", "--module", "--attach", "--rate", "--arrivals", "--max-backlog",
        "--latency-limit", "--cooldown", "--runs", "--reset", "--rng", "--out", "--label", "--slo"})
    command
        .add_option_function<std::vector<std::string>>(
            name,
            [name](const std::vector<std::string>&) {
              throw CLI::ValidationError(name, "is not supported by this command");
            })
        ->expected(0, 1)
        ->group("");
}

void add_choices(CLI::App& command, KeynoteOptions& options) {
  add_single_choice(command, "--confirmed", "true", "every answer waits for its commit");
  add_single_choice(command, "--compression", "none",
                    "answers of a few bytes are never compressed");
  add_single_choice(command, "--protocol", "v3", "calls of one connection share frames");
  add_single_choice(command, "--mode", "closed", "there is no open loop");
  command
      .add_option_function<std::string>(
          "--verify", [&options](const std::string& given) { options.verifies = given == "on"; },
          "on (default) or off: whether the balances are added up at the end")
      ->check(CLI::IsMember({"on", "off"}));
  add_unsupported(command);
}

void add_load_options(CLI::App& command, KeynoteOptions& options, std::string& json_file) {
  add_seconds(command, "--seconds,--duration", options.seconds, "measured time, such as 10s",
              CLI::Range(0.1, 86'400.0));
  add_seconds(command, "--warmup", options.warmup_seconds,
              "time before it that is not measured; default: a tenth of it",
              CLI::Range(0.0, 86'400.0));
  add_seconds(command, "--timeout", options.timeout_seconds,
              "a call not answered by then is an error, and enters the latencies so long",
              CLI::Range(0.1, 3'600.0));
  command.add_option("--connections,--clients", options.connections, "WebSocket connections")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--in-flight,--pipeline", options.in_flight, "calls in flight per connection")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--threads", options.threads, "threads of the generator")
      ->check(CLI::Range(1, 64));
  command.add_option("--alpha", options.alpha, "skew of the accounts: 0 = uniform, 1.5 = hot")
      ->check(CLI::Range(0.0, 10.0));
  command.add_option("--accounts", options.accounts, "number of accounts")
      ->check(CLI::Range(2, 100'000'000));
  command.add_option("--seed", options.seed, "seed of the pairs");
  command.add_option("--json", json_file, "write the figures to this file");
}

void add_node_options(CLI::App& command, KeynoteOptions& options) {
  command.add_option("--uri,--url", options.uri,
                     "http://host:port of a running node; absent: a node is started on a temporary "
                     "directory");
  command.add_option("--database", options.database, "publish under this name");
  command.add_option("--server-pid", options.node_pid,
                     "process of the node at --uri, to measure its CPU time");
  command.add_option("--null-seconds", options.null_seconds,
                     "length of the generator's own run; 0 leaves it out");
  command.add_flag("--null", options.is_null_only, "measure the generator alone");
}

// Where the figures go, and what is said beside them.
struct Destination {
  std::string json_file;  // Empty: nowhere.
  BuildInfo build;
};

int finish(const KeynoteOptions& options, const KeynoteFigures& figures, const Destination& to) {
  std::fputs(report_text(options, figures).c_str(), stdout);
  if (!to.json_file.empty()) {
    std::ofstream file(to.json_file);
    file << report_json(options, figures, to.build);
    if (!file.flush()) {
      std::fprintf(stderr, "Error: cannot write %s\n", to.json_file.c_str());
      return kExitError;
    }
  }
  if (figures.verification && !figures.verification->passed()) return kExitVerification;
  return 0;
}

int run(KeynoteOptions& options, const Destination& to) {
  options.threads = std::min(options.threads, options.connections);
  const Result<KeynoteFigures> figures = run_keynote(options);
  if (figures.ok()) return finish(options, *figures, to);
  std::fprintf(stderr, "Error: %s\n", figures.status().message().c_str());
  return figures.status().code() == StatusCode::kUnavailable ? kExitUnreachable : kExitError;
}

}  // namespace

int run_bench_command(const std::vector<std::string>& words, const BuildInfo& build) {
  CLI::App app("Measures a node with a native load generator", "worldline bench");
  app.require_subcommand(1);
  KeynoteOptions options;
  Destination to{{}, build};
  CLI::App* keynote = app.add_subcommand("keynote", "Accounts that pay each other");
  add_load_options(*keynote, options, to.json_file);
  add_choices(*keynote, options);
  add_node_options(*keynote, options);
  CLI::App* calibrate = app.add_subcommand("calibrate", "The generator against nothing");
  add_load_options(*calibrate, options, to.json_file);
  try {
    // CLI11 takes the words in reverse order.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kExitUsage;
  }
  if (calibrate->parsed()) options.is_null_only = true;
  return run(options, to);
}

}  // namespace worldline::bench
