// actors/module_log_sink.h
//
// ModuleLogSink takes the log records of one database's module: it writes them to the day's file
// and hands them to the readers that follow.
//
// Invariants: a follower sees every line after the ones it started with, without gap or repeat,
// until it lags; then it is dropped. Lines leave with flush(), once per drain.
// Ownership and thread: the module host. Sources: [S 02/3.11], [S 03/4.12].
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "base/clock.h"
#include "runtime/module_log.h"
#include "storage/module_log/module_log_file.h"

namespace worldline::actors {

class ModuleLogSink final : public runtime::ModuleLog {
 public:
  // `clock` is borrowed; it outlives this.
  ModuleLogSink(storage::ModuleLogFile file, const Clock& clock)
      : file_(std::move(file)), clock_(clock) {}
  ~ModuleLogSink() override;

  void append(const runtime::LogRecord& record) override;
  void flush();
  uint64_t file_bytes() const { return file_.file_bytes(clock_.now()); }  // Of today's file.

  // Answers a logs request [S 02/3.11]; a follower stays until it is gone or lags.
  Status read(const LogsRequest& request, const std::shared_ptr<LogReader>& reader);

 private:
  storage::ModuleLogFile file_;
  const Clock& clock_;
  std::string fresh_;  // Lines since the last flush, for the followers.
  std::vector<std::shared_ptr<LogReader>> followers_;
};

}  // namespace worldline::actors
