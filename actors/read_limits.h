// actors/read_limits.h
//
// What one request that reads may cost, besides the rows of query/read_budget.h. May differ between
// nodes. Units: milliseconds, bytes. Thread: values.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/limits.h"

namespace worldline::actors {

struct ReadLimits {
  std::chrono::milliseconds time_max{10'000};  // [limits.query-budget] Waiting excluded.
  // [limits.answer-bytes] Of one request as BSATN, and again as JSON.
  size_t answer_bytes_max = 256 * limits::MiB;
  // [limits.client-queue-bytes] Built for a session and not sent; then it is closed.
  size_t session_bytes_max = 64 * limits::MiB;
};

}  // namespace worldline::actors
