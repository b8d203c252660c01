// base/prng.h
//
// Deterministic random numbers: SplitMix64 seeding xoshiro256** (Blackman and Vigna, 2018). The
// same seed gives the same sequence with every compiler, unlike the distributions of <random>.
// Not for secrets. Ownership: a value of its user; not thread-safe.
#pragma once

#include <array>
#include <cstdint>

namespace worldline {

class Prng {
 public:
  explicit Prng(uint64_t seed);

  uint64_t next();
  uint64_t below(uint64_t bound);  // Uniform in [0, bound). REQUIRES: bound > 0.
  double unit();                   // Uniform in [0, 1).
  bool chance(uint64_t one_in) { return below(one_in) == 0; }

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace worldline
