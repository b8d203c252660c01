// runtime/module_log.h
//
// Where the log lines of one database's module go: console output, user errors, panics and the
// host's own lines [S 03/4.12]. Records are delivered at once, not at commit: a rolled back
// reducer keeps its lines.
//
// Thread: append() is called on the thread that runs the module. The strings of a LogRecord are
// borrowed for the call. print_log_record() gives the stored form: one JSON object, no newline,
// keys in the specified order, absent ones left out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace worldline::runtime {

enum class LogLevel : uint8_t { kError, kWarn, kInfo, kDebug, kTrace, kPanic };

// The level byte of `console_log`: 0 to 4, 101 = panic, anything else = debug [S 03/2.10].
LogLevel log_level_from_abi(uint8_t level);
std::string_view log_level_name(LogLevel level);

inline constexpr std::string_view kHostLogTarget = "__spacetimedb__";

struct LogFrame {
  std::optional<std::string> module_name;  // JavaScript: `script:line:col`.
  std::optional<std::string> func_name;
};

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  Timestamp ts;
  std::optional<std::string_view> target = std::nullopt;
  std::optional<std::string_view> filename = std::nullopt;
  std::optional<uint32_t> line_number = std::nullopt;
  std::optional<std::string_view> function = std::nullopt;
  std::string_view message = {};
  std::span<const LogFrame> trace = {};  // Only with kPanic, and then always written.
};

class ModuleLog {
 public:
  virtual ~ModuleLog() = default;
  virtual void append(const LogRecord& record) = 0;
};

// Drops everything. For validation runs whose output nobody should see.
class NullModuleLog final : public ModuleLog {
 public:
  void append(const LogRecord&) override {}
};

// A line of the host itself: target, filename and function are `__spacetimedb__` [S 03/4.3].
LogRecord host_log_record(LogLevel level, Timestamp ts, std::string_view message);

std::string print_log_record(const LogRecord& record);

}  // namespace worldline::runtime
