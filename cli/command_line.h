// cli/command_line.h
//
// From the words of the command line to one command with its options, or to a text that ends the
// process (help, bad usage). Pure: nothing is run and nothing is read; `--version` names the path
// of this executable.
//
// Thread: any. Errors: bad usage is an outcome with exit code 2 [S 07/1].
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/command_options.h"
#include "cli/recover_group.h"
#include "cli/start_config.h"

namespace worldline::cli {

struct BenchArguments {
  std::vector<std::string> words;  // Everything after `bench`, unread.
};

enum class ConfigAction { kCheck, kDocument };
struct ConfigArguments {
  ConfigAction action = ConfigAction::kCheck;
  StartArguments start;
};

// The process ends with this text and code.
struct EarlyExit {
  int code = 0;
  std::string out;
  std::string err;
};

using Command =
    std::variant<EarlyExit, StartArguments, ConfigArguments, BenchArguments, PublishOptions,
                 CallOptions, SqlOptions, LogsOptions, DescribeOptions, DeleteOptions, LockOptions,
                 ListOptions, IdentityOptions, VersionOptions, RecoverGroupOptions>;

struct CommandLine {
  GlobalOptions global;
  Command command;
};

// `words` without the program's name.
CommandLine parse_command_line(const std::vector<std::string>& words);

}  // namespace worldline::cli
