// tests/simulation/chance.h
//
// Chance: one seed, and a generator of its own for every purpose, node and link. Taking one purpose
// away shifts none of the others, which is what makes shrinking possible [S 08/6.2].
//
// Ownership: values. Units: microseconds, probabilities in [0, 1].
#pragma once

#include <cmath>

#include "base/prng.h"
#include "tests/simulation/event_queue.h"

namespace worldline::simulation {

enum class Purpose : uint64_t {
  kScenario = 1,
  kLimits,
  kCore,
  kTicks,
  kDelay,
  kLoss,
  kDuplicate,
  kReorder,
  kMisdelivery,
  kDisk,
  kCrashImage,
  kMachine,
  kSnapshot,
  kClient,
  kNemesis,  // One per fault class.
  kOperator,
  kLiveness,
  kTear,
  kBandwidth,   // One per link.
  kLaterClass,  // One per fault class that came later, and one for their swarm.
};

inline uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}
inline uint64_t mix(uint64_t a, uint64_t b) {
  return mix(a + 0x9e3779b97f4a7c15 + mix(b));
}

class Chance : public Prng {
 public:
  Chance(uint64_t seed, Purpose purpose, uint64_t a = 0, uint64_t b = 0)
      : Prng(mix(mix(mix(seed, static_cast<uint64_t>(purpose)), a), b)) {}

  bool with(double probability) { return unit() < probability; }
  // Uniform in [low, high].
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  // Exponential; at most about 37 means. Plain arithmetic only: the same on every machine.
  Micros exponential(Micros mean) {
    return static_cast<Micros>(-natural_log(1.0 - unit()) * static_cast<double>(mean));
  }
  // Every order of magnitude of [low, high] is about as likely. REQUIRES: 0 < low <= high.
  uint64_t log_uniform(uint64_t low, uint64_t high) {
    uint64_t octaves = 0;
    while (low << (octaves + 1) <= high) ++octaves;
    const uint64_t from = low << below(octaves + 1);
    return between(from, 2 * from - 1 < high ? 2 * from - 1 : high);
  }
  template <typename T, size_t n>
  T pick(const T (&choices)[n]) {
    return choices[below(n)];
  }

 private:
  // Of 2 atanh((m - 1) / (m + 1)) + e ln 2 with x = m 2^e; m in [1/2, 1), so the series is short.
  static double natural_log(double x) {
    int exponent = 0;
    const double m = std::frexp(x, &exponent);
    const double y = (m - 1.0) / (m + 1.0);
    double power = y;
    double sum = 0.0;
    for (int k = 1; k < 30; k += 2, power *= y * y) sum += power / k;
    return 2.0 * sum + exponent * 0.6931471805599453;
  }
};

}  // namespace worldline::simulation
