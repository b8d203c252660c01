#include "bench/load/bench_command.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>

#include "bench/load/bench_report.h"
#include "bench/load/keynote_scenario.h"

namespace worldline::bench {
namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;
constexpr int kExitVerification = 21;
constexpr int kExitUnreachable = 22;

void add_load_options(CLI::App& command, KeynoteOptions& options, std::string& json_file) {
  command.add_option("--seconds,--duration", options.seconds, "measured time, after 10 % warm-up")
      ->check(CLI::Range(0.1, 86'400.0));
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

int finish(const KeynoteOptions& options, const KeynoteFigures& figures,
           const std::string& json_file) {
  std::fputs(report_text(options, figures).c_str(), stdout);
  if (!json_file.empty()) {
    std::ofstream file(json_file);
    file << report_json(options, figures);
    if (!file.flush()) {
      std::fprintf(stderr, "Error: cannot write %s\n", json_file.c_str());
      return kExitError;
    }
  }
  if (figures.verification && !figures.verification->passed()) return kExitVerification;
  return 0;
}

int run(KeynoteOptions& options, const std::string& json_file) {
  options.threads = std::min(options.threads, options.connections);
  const Result<KeynoteFigures> figures = run_keynote(options);
  if (figures.ok()) return finish(options, *figures, json_file);
  std::fprintf(stderr, "Error: %s\n", figures.status().message().c_str());
  return figures.status().code() == StatusCode::kUnavailable ? kExitUnreachable : kExitError;
}

}  // namespace

int run_bench_command(const std::vector<std::string>& words) {
  CLI::App app("Measures a node with a native load generator", "worldline bench");
  app.require_subcommand(1);
  KeynoteOptions options;
  std::string json_file;
  CLI::App* keynote = app.add_subcommand("keynote", "Accounts that pay each other");
  add_load_options(*keynote, options, json_file);
  add_node_options(*keynote, options);
  CLI::App* calibrate = app.add_subcommand("calibrate", "The generator against nothing");
  add_load_options(*calibrate, options, json_file);
  try {
    // CLI11 takes the words in reverse order.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kExitUsage;
  }
  if (calibrate->parsed()) options.is_null_only = true;
  return run(options, json_file);
}

}  // namespace worldline::bench
