#include "bench/load/transfer_pairs.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace worldline::bench {

ZipfIds::ZipfIds(uint32_t count, double alpha) {
  WL_CHECK(count >= 2);
  cumulative_.reserve(count);
  double sum = 0;
  for (uint32_t k = 0; k < count; ++k) {
    sum += 1.0 / std::pow(static_cast<double>(k) + 1.0, alpha);
    cumulative_.push_back(sum);
  }
  for (double& share : cumulative_) share /= sum;
  cumulative_.back() = 1.0;
}

uint32_t ZipfIds::at(double unit) const {
  const auto found = std::lower_bound(cumulative_.begin(), cumulative_.end(), unit);
  if (found == cumulative_.end()) return static_cast<uint32_t>(cumulative_.size() - 1);
  return static_cast<uint32_t>(found - cumulative_.begin());
}

double ZipfIds::probability(uint32_t id) const {
  return id == 0 ? cumulative_[0] : cumulative_[id] - cumulative_[id - 1];
}

std::vector<TransferPair> draw_pairs(const PairOptions& options) {
  const ZipfIds ids(options.accounts, options.alpha);
  Prng rng(options.seed);
  std::vector<TransferPair> pairs;
  pairs.reserve(options.pairs);
  for (size_t i = 0; i < options.pairs; ++i)
    pairs.push_back(draw_pair(ids, options.accounts, [&rng] { return rng.unit(); }));
  return pairs;
}

}  // namespace worldline::bench
