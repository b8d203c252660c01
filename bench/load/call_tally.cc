#include "bench/load/call_tally.h"

#include <cmath>

namespace worldline::bench {

void CallTally::merge(const CallTally& other) {
  latency_.merge(other.latency_);
  for (size_t i = 0; i < per_second_.size(); ++i) per_second_[i] += other.per_second_[i];
  ok_ += other.ok_;
  errors_ += other.errors_;
  timeouts_ += other.timeouts_;
  late_ += other.late_;
  if (first_error_.empty()) first_error_ = other.first_error_;
}

double CallTally::variation() const {
  const size_t whole = (window_.end_us - window_.begin_us) / 1'000'000;
  if (whole < 2) return 0;
  double sum = 0;
  for (size_t i = 0; i < whole; ++i) sum += static_cast<double>(per_second_[i]);
  const double mean = sum / static_cast<double>(whole);
  double squares = 0;
  for (size_t i = 0; i < whole; ++i) {
    const double off = static_cast<double>(per_second_[i]) - mean;
    squares += off * off;
  }
  return mean == 0 ? 0 : std::sqrt(squares / static_cast<double>(whole)) / mean;
}

}  // namespace worldline::bench
