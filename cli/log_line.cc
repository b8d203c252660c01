#include "cli/log_line.h"

#include <array>
#include <cctype>

#include "cli/timestamp_text.h"

namespace worldline::cli {
namespace {

constexpr std::string_view kMadeByTheNode = "__spacetimedb__";  // Never shown.

struct LevelText {
  LogLevel level;
  std::string_view name;
  std::string_view colour;  // ANSI.
};
constexpr std::array<LevelText, 6> kLevels = {{{LogLevel::kTrace, "TRACE", "\x1b[2m"},
                                               {LogLevel::kDebug, "DEBUG", "\x1b[36m"},
                                               {LogLevel::kInfo, "INFO", "\x1b[34m"},
                                               {LogLevel::kWarn, "WARN", "\x1b[33m"},
                                               {LogLevel::kError, "ERROR", "\x1b[31m"},
                                               {LogLevel::kPanic, "PANIC", "\x1b[31;1m"}}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// `[function] [file:line]`, or empty.
std::string location_text(const JsonTree& record) {
  std::string out;
  const std::string function = record.text_of("function");
  if (!function.empty() && function != kMadeByTheNode) out = function;
  const std::string file = record.text_of("filename");
  if (!file.empty() && file != kMadeByTheNode) {
    out += (out.empty() ? "" : " ") + file;
    if (const int64_t line = record.int_of("line_number", -1); line >= 0)
      out += ":" + std::to_string(line);
  }
  return out;
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const LevelText& level : kLevels)
    if (level.name == upper(text)) return level.level;
  return std::nullopt;
}

bool passes_level(const JsonTree& record, const LogsOptions& options) {
  if (!options.level) return true;
  const auto level = parse_log_level(record.text_of("level"));
  if (!level) return true;
  return options.level_exact ? *level == *options.level : *level >= *options.level;
}

std::string log_record_text(const JsonTree& record, Colour colour) {
  const std::string level = upper(record.text_of("level"));
  std::string shown = fmt::format("{:>5}", level);
  if (colour == Colour::kOn)
    for (const LevelText& known : kLevels)
      if (known.name == level) shown = std::string(known.colour) + shown + "\x1b[0m";
  std::string out =
      timestamp_text(record.int_of("ts", 0), TimestampStyle::kZulu) + " " + shown + ": ";
  const std::string location = location_text(record);
  if (!location.empty()) out += location + ": ";
  out += record.text_of("message") + "\n";
  const JsonTree* trace = record.find("trace");
  if (trace == nullptr) return out;
  for (const JsonTree& frame : trace->items) {
    const std::string module = frame.text_of("module_name");
    const std::string function = frame.text_of("func_name");
    out += "    in " + (module.empty() ? "<unknown>" : module) +
           " :: " + (function.empty() ? "<unknown>" : function) + "\n";
  }
  return out;
}

}  // namespace worldline::cli
