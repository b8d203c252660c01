// cli/start_config.h
//
// The settings of `worldline start` [S 09/1]: one table of keys, and how a value is chosen from
// command line, environment, file and default, in this order.
//
// Invariants: every key has a range or a set of choices; all problems are reported together.
// Thread: pure functions; the file is read by resolve_start_options().
// Errors: ConfigProblem texts `error[C0xx]: <key>: <text> (from <source>)` [S 09/1.4].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/environment.h"
#include "cli/start.h"

namespace worldline::cli {

// What was said on the command line, not yet judged.
struct StartArguments {
  std::vector<std::pair<std::string, std::string>> settings;  // Key and value, in order.
  std::string config_file;                                    // --config F.
  bool non_interactive = false;
  std::vector<std::string> without_effect;  // Accepted for compatibility.
};

enum class KeyKind : uint8_t { kText, kChoice, kAddress, kBool, kInteger, kSize, kDuration };

struct ConfigKey {
  using Field = std::variant<std::string StartOptions::*, bool StartOptions::*,
                             int64_t StartOptions::*, std::chrono::milliseconds StartOptions::*>;
  const char* name;  // table.key
  KeyKind kind;
  Field field;
  const char* flag;  // Dedicated flags of `start`, or "".
  int64_t least;     // Of numbers, in bytes, milliseconds or units.
  int64_t most;
  const char* choices;  // kChoice: separated by blanks.
  const char* meaning;  // With unit and reason.
};

// All keys, in the order of docs/configuration.md.
std::span<const ConfigKey> config_keys();

struct ResolvedStart {
  StartOptions options;
  std::vector<std::string> errors;  // Not empty: exit code 3.
  std::vector<std::string> warnings;
};

ResolvedStart resolve_start_options(const StartArguments& arguments, const Environment& environment,
                                    const std::string& default_data_dir,
                                    const std::string& default_listen);

// docs/configuration.md: generated from the table.
std::string configuration_document();

// A configuration file that sets nothing: every key with its default, commented out.
std::string default_config_file();

// `4096`, `64KiB`, `8GiB` in bytes; false if malformed.
bool parse_size(const std::string& text, int64_t& bytes);
// `5%`, `4GiB`, `max(5%, 4GiB)`; false if malformed.
struct SpaceShare {
  int64_t per_cent = 0;
  int64_t bytes = 0;
};
bool parse_space_share(const std::string& text, SpaceShare& limit);
// `250ms`, `15s`, `1h30m` in milliseconds; false if malformed.
bool parse_duration(const std::string& text, int64_t& ms);

}  // namespace worldline::cli
