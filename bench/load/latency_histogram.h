// bench/load/latency_histogram.h
//
// LatencyHistogram counts durations in log-linear buckets: exact below 2048 us, then 1024 buckets
// per power of two, so every value is kept to three significant digits from 1 us to over an hour.
//
// Ownership: one per thread, merged after the run. Not thread-safe. Units: microseconds.
#pragma once

#include <cstdint>
#include <vector>

namespace worldline::bench {

class LatencyHistogram {
 public:
  LatencyHistogram();

  void add(uint64_t micros) {  // No allocation; values beyond the range count as its end.
    ++counts_[bucket_of(micros)];
    ++count_;
    if (micros > max_) max_ = micros;
  }
  void merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // The smallest value that at least `share` of all are not above (its bucket's upper end, at most
  // max()); 0 if empty. REQUIRES: 0 < share <= 1.
  uint64_t percentile(double share) const;
  double mean() const;

 private:
  static constexpr uint64_t kExact = 2048;        // Values below have a bucket of their own.
  static constexpr uint64_t kPerDoubling = 1024;  // kExact / 2: buckets of each power of two.
  static constexpr int kExactBits = 11;
  static constexpr int kValueBits = 42;  // 2^42 us are 50 days.

  static uint64_t bucket_of(uint64_t micros);
  static uint64_t upper_end(uint64_t bucket);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace worldline::bench
