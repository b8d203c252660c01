#include "cli/last_resort.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <pthread.h>

#include "cli/exit_codes.h"
#include "cli/stop_sequence.h"

namespace worldline::cli {
namespace {

timespec to_timespec(std::chrono::nanoseconds left) {
  const auto positive = std::max(left, std::chrono::nanoseconds(0));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(positive);
  timespec result{};
  result.tv_sec = static_cast<time_t>(seconds.count());
  result.tv_nsec = static_cast<long>((positive - seconds).count());
  return result;
}

}  // namespace

// The deadline counts from here: on a starved machine the thread may begin late.
LastResort::LastResort(const sigset_t& signals, std::chrono::milliseconds limit)
    : signals_(signals),
      deadline_(std::chrono::steady_clock::now() + limit),
      exit_code_(kExitForcedStop),
      thread_([this] { run(); }) {}

LastResort::~LastResort() {
  is_over_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);  // Blocked: ends the wait below, nothing else.
  thread_.join();
}

void LastResort::run() {
  for (;;) {
    const timespec left = to_timespec(deadline_ - std::chrono::steady_clock::now());
    const int received = sigtimedwait(&signals_, nullptr, &left);
    if (is_over_) return;
    if (received > 0) end_process("a second signal");
    if (errno == EAGAIN) end_process("stopping took too long");
  }
}

void LastResort::end_process(const char* why) const {
  const int code = exit_code_;
  if (code != 0) std::fprintf(stderr, "worldline: %s, the process ends here\n", why);
  std::_Exit(code);
}

}  // namespace worldline::cli
