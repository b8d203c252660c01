// base/secure_random.h
//
// Unpredictable bytes from the kernel: ids of databases, connections, clusters and nodes. Tests
// that need repeatable values pass them in instead. Thread: any. Blocks only before the kernel's
// pool is first filled; a failing kernel ends the process.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "base/bytes.h"

namespace worldline {

void fill_random(MutableBytes out);

template <size_t N>
std::array<Byte, N> random_bytes() {
  std::array<Byte, N> bytes{};
  fill_random(bytes);
  return bytes;
}

// A version 4 UUID in hyphenated lower-case text.
std::string random_uuid();

}  // namespace worldline
