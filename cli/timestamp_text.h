// cli/timestamp_text.h
//
// Points in time and durations as people read them. Units: microseconds, since the Unix epoch for
// points in time.
#pragma once

#include <cstdint>
#include <string>

namespace worldline::cli {

enum class TimestampStyle {
  kOffset,  // 1970-01-01T00:00:00+00:00, as `sql` shows it.
  kZulu,    // 1970-01-01T00:00:00Z, as `logs` shows it.
};

// RFC 3339 in UTC with as many fraction digits as needed: none, 3 or 6.
std::string timestamp_text(int64_t micros, TimestampStyle style);

// Sign, seconds, dot, six digits: +0.000000.
std::string duration_text(int64_t micros);

// Two decimals and a fitting unit: 1.00ms.
std::string elapsed_text(int64_t micros);

}  // namespace worldline::cli
