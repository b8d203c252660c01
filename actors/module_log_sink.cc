#include "actors/module_log_sink.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"

namespace worldline::actors {
namespace {

constexpr uint64_t kFollowedLinesMax = 2500;  // Lines a follower may start with [S 02/3.11].
constexpr uint64_t kReadBytesMax = 64 * limits::MiB;  // Of one request; the newest lines win.

}  // namespace

ModuleLogSink::~ModuleLogSink() {
  flush();
  for (const auto& follower : followers_) follower->finish();
}

void ModuleLogSink::append(const runtime::LogRecord& record) {
  const std::string line = runtime::print_log_record(record);
  file_.append(line, clock_.now());
  if (followers_.empty()) return;
  fresh_.append(line);
  fresh_.push_back('\n');
}

void ModuleLogSink::flush() {
  file_.flush();
  if (fresh_.empty()) return;
  std::erase_if(followers_, [this](const auto& follower) { return !follower->push(fresh_); });
  fresh_.clear();
}

Status ModuleLogSink::read(const LogsRequest& request, const std::shared_ptr<LogReader>& reader) {
  flush();
  uint64_t lines =
      request.line_count.value_or(request.follow ? 0 : std::numeric_limits<uint32_t>::max());
  if (request.follow) lines = std::min(lines, kFollowedLinesMax);
  WL_ASSIGN_OR_RETURN(const std::string text,
                      storage::read_last_lines(file_.path_of(clock_.now()), lines, kReadBytesMax));
  const bool reading = text.empty() || reader->push(text);
  if (request.follow && reading)
    followers_.push_back(reader);
  else
    reader->finish();
  return {};
}

}  // namespace worldline::actors
