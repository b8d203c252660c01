// cli/log_line.h
//
// One record of a module log as `logs` shows it [S 07/7.4].
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/command_options.h"
#include "cli/json_tree.h"

namespace worldline::cli {

// `Info`, `info` and so on; nullopt if it is no level.
std::optional<LogLevel> parse_log_level(std::string_view text);

// Does the record pass --level and --level-exact? A record of unknown level always does.
bool passes_level(const JsonTree& record, const LogsOptions& options);

enum class Colour { kOff, kOn };

// `<timestamp> <LEVEL>: [function] [file[:line]]: <message>` and the trace, with final newlines.
std::string log_record_text(const JsonTree& record, Colour colour);

}  // namespace worldline::cli
