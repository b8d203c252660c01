// The `worldline` command: reads the command line, runs one command, and turns its outcome into an
// exit code [S 07/1, 12].
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/recover_group.h"

namespace worldline::cli {
namespace {

std::string config_path(const GlobalOptions& global, const Environment& environment) {
  if (!global.config_path.empty()) return global.config_path;
  return config_dir(environment, global.root_dir) + "/cli.toml";
}

class Runner {
 public:
  explicit Runner(GlobalOptions global)
      : global_(std::move(global)), environment_(process_environment()) {}

  int operator()(const EarlyExit& exit) {
    console_.out(exit.out);
    console_.err(exit.err);
    return exit.code;
  }

  int operator()(const StartArguments& arguments) {
    const ResolvedStart resolved = resolve(arguments);
    return resolved.errors.empty() ? run_start(resolved.options) : kExitConfiguration;
  }

  int operator()(const ConfigArguments& arguments) {
    if (arguments.action == ConfigAction::kDocument) {
      console_.out(configuration_document());
      return 0;
    }
    if (!resolve(arguments.start).errors.empty()) return kExitConfiguration;
    console_.out("The configuration is good.\n");
    return 0;
  }

  int operator()(const RecoverGroupOptions& options) {
    return run_recover_group(options, console_);
  }
  int operator()(const BenchArguments& arguments) { return run_bench(arguments.words); }

  int operator()(const PublishOptions& options) { return talk(run_publish, options); }
  int operator()(const CallOptions& options) { return talk(run_call, options); }
  int operator()(const SqlOptions& options) { return talk(run_sql, options); }
  int operator()(const LogsOptions& options) { return talk(run_logs, options); }
  int operator()(const DescribeOptions& options) { return talk(run_describe, options); }
  int operator()(const DeleteOptions& options) { return talk(run_delete, options); }
  int operator()(const LockOptions& options) { return talk(run_lock, options); }
  int operator()(const ListOptions& options) { return talk(run_list, options); }
  int operator()(const IdentityOptions& options) { return talk(run_identity, options); }
  int operator()(const VersionOptions& options) { return talk(run_version, options); }

 private:
  ResolvedStart resolve(const StartArguments& arguments) {
    ResolvedStart resolved = resolve_start_options(
        arguments, environment_, default_data_dir(environment_, global_.root_dir), listen_addr());
    for (const std::string& warning : resolved.warnings) console_.err(warning + "\n");
    for (const std::string& error : resolved.errors) console_.err(error + "\n");
    return resolved;
  }

  // `listen_addr` of cli.toml, if there is such a file; `start` does not make one.
  std::string listen_addr() {
    const Result<CliConfig> config = CliConfig::open_existing(config_path(global_, environment_));
    return config.ok() ? config->listen_addr() : "";
  }

  template <typename Options>
  int talk(Result<int> (*command)(const Options&, CommandContext&), const Options& options) {
    Result<CliConfig> config = CliConfig::open(config_path(global_, environment_), console_);
    if (!config.ok()) return fail(config.status());
    CommandContext context{console_, transport_, environment_, *config};
    const Result<int> outcome = command(options, context);
    return outcome.ok() ? *outcome : fail(outcome.status());
  }

  int fail(const Status& status) {
    console_.err("Error: " + status.message() + "\n");
    return kExitFailure;
  }

  GlobalOptions global_;
  Environment environment_;
  ProcessConsole console_;
  BeastTransport transport_;
};

}  // namespace
}  // namespace worldline::cli

int main(int argc, char** argv) {
  using namespace worldline::cli;  // NOLINT(google-build-using-namespace): main only.
  std::signal(SIGPIPE, SIG_IGN);   // A reader that went away ends a write, not the process.
  const CommandLine line = parse_command_line({argv + 1, argv + argc});
  return std::visit(Runner(line.global), line.command);
}
