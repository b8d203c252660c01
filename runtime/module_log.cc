#include "runtime/module_log.h"

#include <fmt/core.h>

namespace worldline::runtime {
namespace {

// Appends `text` as a JSON string. Bytes from 0x80 on are passed through: all texts are UTF-8.
void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else
          out += c;
    }
  }
  out += '"';
}

void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += key;
  out += "\":";
}

void append_field(std::string& out, std::string_view key, std::optional<std::string_view> text) {
  if (!text) return;
  append_key(out, key);
  append_json_string(out, *text);
}

void append_trace(std::string& out, std::span<const LogFrame> trace) {
  append_key(out, "trace");
  out += '[';
  for (const LogFrame& frame : trace) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_field(out, "module_name", frame.module_name);
    append_field(out, "func_name", frame.func_name);
    out += '}';
  }
  out += ']';
}

}  // namespace

LogLevel log_level_from_abi(uint8_t level) {
  switch (level) {
    case 0:
      return LogLevel::kError;
    case 1:
      return LogLevel::kWarn;
    case 2:
      return LogLevel::kInfo;
    case 4:
      return LogLevel::kTrace;
    case 101:
      return LogLevel::kPanic;
    default:
      return LogLevel::kDebug;
  }
}

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "Error";
    case LogLevel::kWarn:
      return "Warn";
    case LogLevel::kInfo:
      return "Info";
    case LogLevel::kDebug:
      return "Debug";
    case LogLevel::kTrace:
      return "Trace";
    case LogLevel::kPanic:
      return "Panic";
  }
  return "Debug";
}

LogRecord host_log_record(LogLevel level, Timestamp ts, std::string_view message) {
  return {.level = level,
          .ts = ts,
          .target = kHostLogTarget,
          .filename = kHostLogTarget,
          .line_number = std::nullopt,
          .function = kHostLogTarget,
          .message = message,
          .trace = {}};
}

std::string print_log_record(const LogRecord& record) {
  std::string out = "{";
  append_field(out, "level", log_level_name(record.level));
  append_key(out, "ts");
  out += fmt::format("{}", record.ts.micros);
  append_field(out, "target", record.target);
  append_field(out, "filename", record.filename);
  if (record.line_number) {
    append_key(out, "line_number");
    out += fmt::format("{}", *record.line_number);
  }
  append_field(out, "function", record.function);
  append_field(out, "message", record.message);
  if (record.level == LogLevel::kPanic) append_trace(out, record.trace);
  out += '}';
  return out;
}

}  // namespace worldline::runtime
