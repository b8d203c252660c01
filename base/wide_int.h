// base/wide_int.h
//
// The integers beyond 64 bits that SATS has: 128-bit as the compiler's own type, 256-bit as four
// little-endian words. Both are bit patterns: signedness is a matter of how one reads them.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace worldline {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

// words[0] is least significant. Two's complement when read as signed.
struct UInt256 {
  std::array<uint64_t, 4> words{};

  friend bool operator==(const UInt256&, const UInt256&) = default;
  // Unsigned numeric order.
  friend std::strong_ordering operator<=>(const UInt256& a, const UInt256& b) {
    for (int i = 3; i > 0; --i)
      if (a.words[static_cast<size_t>(i)] != b.words[static_cast<size_t>(i)])
        return a.words[static_cast<size_t>(i)] <=> b.words[static_cast<size_t>(i)];
    return a.words[0] <=> b.words[0];
  }
  bool is_negative() const { return (words[3] >> 63) != 0; }  // Read as signed.
};

// Two's complement negation.
constexpr UInt256 negated(UInt256 value) {
  uint64_t carry = 1;
  for (auto& word : value.words) {
    word = ~word + carry;
    carry = (carry != 0 && word == 0) ? 1 : 0;
  }
  return value;
}

static_assert(sizeof(UInt256) == 32, "copied to and from BSATN by memcpy");
static_assert(sizeof(UInt128) == 16);

}  // namespace worldline
