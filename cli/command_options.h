// cli/command_options.h
//
// What each command was told, as plain values: the output of command_line.h and the input of the
// run_ functions of commands.h.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace worldline::cli {

// Options that stand before the command word.
struct GlobalOptions {
  std::string root_dir;     // Keep config and data under it.
  std::string config_path;  // Instead of the default cli.toml.
};

// What most commands share.
struct TargetOptions {
  std::string server;      // Nickname, host[:port] or URL; empty: project file, then default.
  bool anonymous = false;  // Send no token.
  bool yes = false;
  bool no_config = false;  // Ignore spacetime.json.
  std::string env;         // Extra layer of the project file.
};

enum class DeleteData : uint8_t { kUnset, kAlways, kOnConflict, kNever };

struct PublishOptions {
  TargetOptions target;
  std::string name;  // Name, identity or PARENT/CHILD; empty: nameless.
  std::string path;  // Directory, .js or .wasm; the kind follows from the file.
  std::string module_path, bin_path, js_path;
  std::string build_options;
  std::string parent, organization, num_replicas;
  DeleteData delete_data = DeleteData::kUnset;
  bool break_clients = false;
  std::set<std::string> yes;  // Of: all remote migrate break-clients skip-login delete-data.

  bool says_yes_to(const std::string& what) const { return yes.count("all") + yes.count(what) > 0; }
};

struct CallOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database] function arguments...
};

enum class OutputFormat : uint8_t { kText, kJson };

struct SqlOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database] query...
  bool interactive = false;
  OutputFormat format = OutputFormat::kText;
  std::optional<bool> confirmed;
};

// In the order of severity; panic is the gravest.
enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kPanic };

struct LogsOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database]
  std::optional<uint32_t> num_lines;
  bool follow = false;
  OutputFormat format = OutputFormat::kText;
  std::optional<LogLevel> level;
  bool level_exact = false;
};

struct DescribeOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database] [table|reducer NAME]
};

struct DeleteOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database]
};

enum class LockState : uint8_t { kLocked, kUnlocked };

struct LockOptions {
  TargetOptions target;
  std::vector<std::string> words;  // [database]
  LockState wanted = LockState::kLocked;
};

struct ListOptions {
  TargetOptions target;
};

struct IdentityOptions {
  TargetOptions target;
  bool show_token = false;
  bool make_new = false;  // Forget the stored one.
};

struct VersionOptions {};

}  // namespace worldline::cli
