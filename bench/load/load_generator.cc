#include "bench/load/load_generator.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

namespace worldline::bench {
namespace {

constexpr int kEventsMax = 128;
constexpr int kWaitMs = 20;
constexpr uint64_t kGiveUpIntervalUs = 100'000;  // How often calls are looked at for their age.

using Sessions = std::vector<std::unique_ptr<CallSession>>;

uint64_t clock_us(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// One thread's event loop over its sessions.
class LoadThread {
 public:
  LoadThread(Sessions sessions, const MeasureWindow& window, const LoadOptions& options,
             std::atomic<bool>& stop)
      : sessions_(std::move(sessions)),
        window_(window),
        timeout_us_(static_cast<uint64_t>(std::chrono::microseconds(options.call_timeout).count())),
        stop_(stop),
        tally_(window) {}

  void run() {
    status_ = run_loop();
    if (!status_.ok()) stop_.store(true);
  }

  const Status& status() const { return status_; }
  const CallTally& tally() const { return tally_; }
  double cpu_seconds() const { return static_cast<double>(cpu_end_us_ - cpu_begin_us_) / 1e6; }

 private:
  Status run_loop() {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return Status::io_error("epoll_create1: {}", std::strerror(errno));
    Status status = open_all(epoll);
    while (status.ok() && !stop_.load(std::memory_order_relaxed) && !is_done())
      status = turn(epoll);
    ::close(epoll);
    return status;
  }

  Status open_all(int epoll) {
    for (size_t i = 0; i < sessions_.size(); ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (::epoll_ctl(epoll, EPOLL_CTL_ADD, sessions_[i]->fd(), &event) != 0)
        return Status::io_error("epoll_ctl: {}", std::strerror(errno));
      WL_RETURN_IF_ERROR(sessions_[i]->start(monotonic_us()));
    }
    waits_for_write_.resize(sessions_.size());
    return Status::ok_status();
  }

  Status turn(int epoll) {
    epoll_event events[kEventsMax];
    const int count = ::epoll_wait(epoll, events, kEventsMax, kWaitMs);
    if (count < 0 && errno != EINTR)
      return Status::io_error("epoll_wait: {}", std::strerror(errno));
    uint64_t now = monotonic_us();
    note_phase(now);
    for (int i = 0; i < count; ++i) {
      const size_t which = events[i].data.u64;
      CallSession& session = *sessions_[which];
      if ((events[i].events & EPOLLOUT) != 0) WL_RETURN_IF_ERROR(session.on_writable());
      if ((events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) {
        now = monotonic_us();
        WL_RETURN_IF_ERROR(session.on_readable(now, tally_));
      }
      if (session.wants_write() != waits_for_write_[which]) WL_RETURN_IF_ERROR(watch(epoll, which));
    }
    give_up_old_calls(now);
    return Status::ok_status();
  }

  Status watch(int epoll, size_t which) {
    waits_for_write_[which] = sessions_[which]->wants_write();
    epoll_event event{};
    event.events = EPOLLIN | (waits_for_write_[which] ? uint32_t{EPOLLOUT} : 0);
    event.data.u64 = which;
    if (::epoll_ctl(epoll, EPOLL_CTL_MOD, sessions_[which]->fd(), &event) != 0)
      return Status::io_error("epoll_ctl: {}", std::strerror(errno));
    return Status::ok_status();
  }

  void note_phase(uint64_t now) {
    if (cpu_begin_us_ == 0 && now >= window_.begin_us)
      cpu_begin_us_ = clock_us(CLOCK_THREAD_CPUTIME_ID);
    if (cpu_end_us_ != 0 || now < window_.end_us) return;
    cpu_end_us_ = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (const auto& session : sessions_) session->stop_issuing();
  }

  bool is_done() const {
    if (cpu_end_us_ == 0) return false;
    // At the latest when the last call issued has been given up.
    return std::all_of(sessions_.begin(), sessions_.end(),
                       [](const auto& session) { return session->in_flight() == 0; });
  }

  void give_up_old_calls(uint64_t now) {
    if (now < looked_at_us_ + kGiveUpIntervalUs || now < timeout_us_) return;
    looked_at_us_ = now;
    for (const auto& session : sessions_) session->give_up(now - timeout_us_, now, tally_);
  }

  Sessions sessions_;
  const MeasureWindow window_;
  const uint64_t timeout_us_;
  std::atomic<bool>& stop_;  // Borrowed; outlives this.
  std::vector<bool> waits_for_write_;
  CallTally tally_;
  Status status_;
  uint64_t cpu_begin_us_ = 0;
  uint64_t cpu_end_us_ = 0;
  uint64_t looked_at_us_ = 0;  // By give_up_old_calls().
};

Result<std::vector<Sessions>> open_sessions(const LoadOptions& options) {
  std::vector<Sessions> groups(options.threads);
  const size_t share = options.session.pairs.size() / options.connections;
  for (uint32_t i = 0; i < options.connections; ++i) {
    SessionOptions session = options.session;
    session.first_pair = i * share;
    WL_ASSIGN_OR_RETURN(auto opened, CallSession::open(session));
    groups[i % options.threads].push_back(std::move(opened));
  }
  return groups;
}

void sleep_until(uint64_t when_us, const std::atomic<bool>& stop) {
  for (uint64_t now = monotonic_us(); now < when_us && !stop.load(); now = monotonic_us())
    ::usleep(static_cast<useconds_t>(std::min<uint64_t>(when_us - now, 50'000)));
}

}  // namespace

uint64_t monotonic_us() {
  return clock_us(CLOCK_MONOTONIC);
}

Result<LoadResult> run_load(const LoadOptions& options) {
  const uint64_t opened_from = monotonic_us();
  WL_ASSIGN_OR_RETURN(std::vector<Sessions> groups, open_sessions(options));
  const uint64_t begin = monotonic_us();
  MeasureWindow window;
  window.begin_us =
      begin + static_cast<uint64_t>(std::chrono::microseconds(options.warmup).count());
  window.end_us =
      window.begin_us + static_cast<uint64_t>(std::chrono::microseconds(options.duration).count());

  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<LoadThread>> loads;
  std::vector<std::thread> threads;
  for (Sessions& sessions : groups) {
    loads.push_back(std::make_unique<LoadThread>(std::move(sessions), window, options, stop));
    threads.emplace_back([load = loads.back().get()] { load->run(); });
  }
  sleep_until(window.begin_us, stop);
  if (options.on_window_begin) options.on_window_begin();
  sleep_until(window.end_us, stop);
  if (options.on_window_end) options.on_window_end();
  for (std::thread& thread : threads) thread.join();

  LoadResult result{CallTally(window)};
  result.connect_seconds = static_cast<double>(begin - opened_from) / 1e6;
  for (const auto& load : loads) {
    WL_RETURN_IF_ERROR(load->status());
    result.tally.merge(load->tally());
    result.generator_cpu_seconds += load->cpu_seconds();
  }
  return result;
}

}  // namespace worldline::bench
