#include "actors/log_watchdog.h"

#include <utility>

namespace worldline::actors {

using std::chrono::milliseconds;

namespace {

// A fifth of the shortest limit: a healthy write is over before anybody looks.
constexpr milliseconds kBetweenLooks{100};

}  // namespace

LogWatch::LogWatch(LogWatchParts parts) : parts_(std::move(parts)), stalls_(parts_.policy) {}

void LogWatch::look() {
  const auto since = parts_.log->in_flight_since();
  const storage::SteadyTime now = parts_.clock->steady();
  for (const auto took : parts_.log->take_write_times()) {
    stalls_.on_written(took, now);
    slowness_.on_written(took, now);
  }
  const auto change = stalls_.observe(since, now);
  const bool was_slow = std::exchange(is_slow_, slowness_.is_slow(now));
  if (stalls_.level() == storage::StallLevel::kAbort) return parts_.hopeless();
  if (change || was_slow != is_slow_)
    parts_.changed({stalls_.level(), is_slow_, change ? change->in_flight : milliseconds{0}});
}

LogWatchdog::LogWatchdog(LogWatchParts parts)
    : log_(*parts.log), watch_(std::move(parts)), thread_([this] { run(); }) {}

LogWatchdog::~LogWatchdog() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  stopping_changed_.notify_one();
  thread_.join();
}

void LogWatchdog::run() {
  for (;;) {
    if (watch_.is_well() && !log_.wait_until_in_flight()) return;
    if (is_stopped_after_pause()) return;
    watch_.look();
  }
}

bool LogWatchdog::is_stopped_after_pause() {
  std::unique_lock<std::mutex> lock(mutex_);
  return stopping_changed_.wait_for(lock, kBetweenLooks, [this] { return is_stopping_; });
}

}  // namespace worldline::actors
