// tests/base/random_seeds.h
//
// The seeds of a random test: 1 to `count`, or only the one that WL_SEED in the environment names,
// to repeat a failure. Say `SCOPED_TRACE("WL_SEED=...")` in the loop.
//
// Under a sanitizer it is the first quarter of them: each takes thirty times as long there, and
// every run of the tests has all of them without one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace worldline {

#ifdef WL_SANITIZED
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

inline std::vector<uint64_t> random_seeds(uint64_t count) {
  if (const char* only = std::getenv("WL_SEED")) return {std::strtoull(only, nullptr, 10)};
  std::vector<uint64_t> seeds(kIsSanitized ? (count + 3) / 4 : count);
  std::iota(seeds.begin(), seeds.end(), uint64_t{1});
  return seeds;
}

}  // namespace worldline
