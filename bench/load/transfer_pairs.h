// bench/load/transfer_pairs.h
//
// Who pays whom: pairs of different accounts, each drawn with probability proportional to
// 1 / (k + 1)^alpha over the ids 0 ... n - 1, by the inverse of the distribution function. Drawn
// before the run, so that the hot path only reads them [S 09/5.2].
//
// Thread: pure. Errors: none; alpha 0 is uniform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/prng.h"

namespace worldline::bench {

struct TransferPair {
  uint32_t from = 0;
  uint32_t to = 0;
};

class ZipfIds {
 public:
  ZipfIds(uint32_t count, double alpha);  // REQUIRES: count >= 2.

  uint32_t at(double unit) const;  // The id whose share of [0, 1) holds `unit`.
  double probability(uint32_t id) const;

 private:
  std::vector<double> cumulative_;  // Share of the ids up to and with i; the last is 1.
};

// `next_unit()` gives numbers in [0, 1). The second draw is repeated, at most 32 times, until it
// differs; then the neighbour is taken.
template <typename NextUnit>
TransferPair draw_pair(const ZipfIds& ids, uint32_t count, NextUnit next_unit) {
  TransferPair pair;
  pair.from = ids.at(next_unit());
  for (int attempt = 0; attempt < 32; ++attempt) {
    pair.to = ids.at(next_unit());
    if (pair.to != pair.from) return pair;
  }
  pair.to = (pair.from + 1) % count;
  return pair;
}

struct PairOptions {
  uint32_t accounts = 100'000;
  double alpha = 0;
  uint64_t seed = 1;
  size_t pairs = 1'000'000;
};
std::vector<TransferPair> draw_pairs(const PairOptions& options);

}  // namespace worldline::bench
