// bench/load/call_tally.h
//
// What one generator thread counts. Calls answered within the window make the throughput; answers
// before it are warm-up, answers after it are late. Failures are never dropped silently: a call
// that is never answered is in the histogram with the time it was waited for.
//
// Ownership: one per thread, merged after the run. Units: microseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/latency_histogram.h"

namespace worldline::bench {

struct MeasureWindow {
  uint64_t begin_us = 0;
  uint64_t end_us = 0;
};

class CallTally {
 public:
  explicit CallTally(const MeasureWindow& window) : window_(window) {
    per_second_.resize((window.end_us - window.begin_us) / 1'000'000 + 1);
  }

  // `count` calls begun at `begun_us` each were answered at `now_us`.
  void add_ok(uint64_t begun_us, uint64_t now_us) {
    if (now_us < window_.begin_us) return;
    if (now_us >= window_.end_us) {
      ++late_;
      return;
    }
    latency_.add(now_us - begun_us);
    ++ok_;
    ++per_second_[(now_us - window_.begin_us) / 1'000'000];
  }
  // A call begun at `begun_us` has no answer and is waited for no longer: an error, and so long a
  // latency [S 09/5.1].
  void add_timeout(uint64_t begun_us, uint64_t now_us) {
    ++timeouts_;
    if (now_us >= window_.begin_us) latency_.add(now_us - begun_us);
    add_error("no answer within the time limit");
  }
  void add_error(std::string_view text) {
    ++errors_;
    if (first_error_.empty()) first_error_ = text;
  }
  void merge(const CallTally& other);

  uint64_t ok() const { return ok_; }
  uint64_t errors() const { return errors_; }
  uint64_t timeouts() const { return timeouts_; }  // Of the errors.
  uint64_t late() const { return late_; }
  const std::string& first_error() const { return first_error_; }
  const LatencyHistogram& latency() const { return latency_; }
  double seconds() const { return static_cast<double>(window_.end_us - window_.begin_us) / 1e6; }
  double per_second() const { return static_cast<double>(ok_) / seconds(); }
  // Standard deviation over mean of the whole seconds' rates; 0 with fewer than two.
  double variation() const;

 private:
  MeasureWindow window_;
  LatencyHistogram latency_;
  std::vector<uint64_t> per_second_;
  uint64_t ok_ = 0;
  uint64_t errors_ = 0;
  uint64_t timeouts_ = 0;
  uint64_t late_ = 0;
  std::string first_error_;
};

}  // namespace worldline::bench
