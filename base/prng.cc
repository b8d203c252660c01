#include "base/prng.h"

#include <bit>

#include "base/check.h"
#include "base/wide_int.h"

namespace worldline {

Prng::Prng(uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t Prng::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Prng::below(uint64_t bound) {
  WL_CHECK(bound > 0);
  // Multiply-shift: the bias is below 2^-64 * bound, irrelevant for tests and loads.
  return static_cast<uint64_t>((static_cast<UInt128>(next()) * bound) >> 64);
}

double Prng::unit() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

}  // namespace worldline
