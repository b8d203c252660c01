#include "bench/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace worldline::bench {

LatencyHistogram::LatencyHistogram()
    : counts_(kExact + static_cast<uint64_t>(kValueBits - kExactBits) * kPerDoubling) {}

uint64_t LatencyHistogram::bucket_of(uint64_t micros) {
  if (micros < kExact) return micros;
  const uint64_t value = std::min(micros, (uint64_t{1} << kValueBits) - 1);
  const int shift = static_cast<int>(std::bit_width(value)) - kExactBits;  // From 1.
  return kExact + static_cast<uint64_t>(shift - 1) * kPerDoubling + (value >> shift) - kPerDoubling;
}

uint64_t LatencyHistogram::upper_end(uint64_t bucket) {
  if (bucket < kExact) return bucket;
  const uint64_t shift = (bucket - kExact) / kPerDoubling + 1;
  const uint64_t top = (bucket - kExact) % kPerDoubling + kPerDoubling;
  return ((top + 1) << shift) - 1;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t LatencyHistogram::percentile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (uint64_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(upper_end(i), max_);
  }
  return max_;
}

double LatencyHistogram::mean() const {
  if (count_ == 0) return 0;
  double sum = 0;
  for (uint64_t i = 0; i < counts_.size(); ++i)
    sum += static_cast<double>(counts_[i]) * static_cast<double>(upper_end(i));
  return sum / static_cast<double>(count_);
}

}  // namespace worldline::bench
