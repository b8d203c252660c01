#include "cli/server_log.h"

#include <filesystem>
#include <memory>
#include <vector>

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace worldline::cli {
namespace {

constexpr size_t kLogFileBytes = 64 * 1024 * 1024;  // Then the next file begins,
constexpr size_t kLogFiles = 8;                     // and the oldest of so many goes.

}  // namespace

Status open_server_log(const ServerLogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks{std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  if (!options.directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.directory, error);
    if (error) return Status::io_error("{}: {}", options.directory, error.message());
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
          options.directory + "/worldline.log", kLogFileBytes, kLogFiles));
    } catch (const spdlog::spdlog_ex& failure) {
      return Status::io_error("server log: {}", failure.what());
    }
  }
  auto logger = std::make_shared<spdlog::logger>("worldline", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::from_str(options.level == "warn" ? "warning" : options.level));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

void log_info(std::string_view line) {
  spdlog::info("{}", line);
}
void log_warning(std::string_view line) {
  spdlog::warn("{}", line);
}
void log_error(std::string_view line) {
  spdlog::error("{}", line);
}
void flush_server_log() {
  spdlog::default_logger()->flush();
}

}  // namespace worldline::cli
