// cli/commands.h
//
// The commands that talk to a server [S 07/6, 7, 12]: one run_ function each, one file each.
//
// Invariants: results on console.out(), all else on console.err().
// Thread: one; calls block. Errors: a Status is printed by the caller as `Error: ...`, exit 1; a
// value is the exit code itself.
#pragma once

#include <string>

#include "base/status.h"
#include "cli/api_client.h"
#include "cli/cli_config.h"
#include "cli/command_options.h"
#include "cli/console.h"
#include "cli/environment.h"
#include "cli/project_file.h"

namespace worldline::cli {

// What a command works with. All references are borrowed and outlive it.
struct CommandContext {
  Console& console;
  HttpTransport& transport;
  const Environment& environment;
  CliConfig& config;
};

Result<int> run_publish(const PublishOptions& options, CommandContext& context);
Result<int> run_call(const CallOptions& options, CommandContext& context);
Result<int> run_sql(const SqlOptions& options, CommandContext& context);
Result<int> run_logs(const LogsOptions& options, CommandContext& context);
Result<int> run_describe(const DescribeOptions& options, CommandContext& context);
Result<int> run_delete(const DeleteOptions& options, CommandContext& context);
Result<int> run_lock(const LockOptions& options, CommandContext& context);
Result<int> run_list(const ListOptions& options, CommandContext& context);
Result<int> run_identity(const IdentityOptions& options, CommandContext& context);
Result<int> run_version(const VersionOptions& options, CommandContext& context);

// ---- Shared by the files above ----------------------------------------------------------------

// Every command whose form may still change begins with this [S 07/1].
void warn_unstable(Console& console);

// Project file of the working directory, or an empty one with --no-config.
Result<ProjectFile> load_project(const TargetOptions& target, const CommandContext& context);

// A client for --server, else `project_server`, else the default server; with the stored token,
// made at that server if there is none, unless anonymous.
Result<ApiClient> connect(const TargetOptions& target, const std::string& project_server,
                          CommandContext& context);

// What choose_database() chose, resolved at its server.
struct ConnectedDatabase {
  ApiClient client;
  std::string identity;  // 64 hex digits.
  DatabaseChoice choice;
};
Result<ConnectedDatabase> connect_database(const TargetOptions& target,
                                           const std::vector<std::string>& words, FirstWord rule,
                                           CommandContext& context);

}  // namespace worldline::cli
