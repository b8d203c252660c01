// cli/server_log.h
//
// The server's own log: life cycle and faults of the process, for operators; module console lines
// go elsewhere. To standard error, and to DATA/logs/ if asked. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace worldline::cli {

struct ServerLogOptions {
  std::string level = "info";  // trace, debug, info, warn, error.
  std::string directory;       // Empty: standard error only.
};

Status open_server_log(const ServerLogOptions& options);

void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);
void flush_server_log();

}  // namespace worldline::cli
