#include "base/check.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/check_failure.h"

namespace worldline {
namespace {

std::array<char, 512> failure{};  // Written once, by the thread that ends the process.

}  // namespace

void check_failed(const char* file, int line, const char* condition) {
  std::snprintf(failure.data(), failure.size(), "%s:%d: check failed: %s", file, line, condition);
  std::fprintf(stderr, "%s\n", failure.data());
  std::fflush(stderr);
  std::abort();
}

const char* last_check_failure() {
  return failure.data();
}

}  // namespace worldline
