// runtime/duration_text.h
//
// Durations as module logs show them: `1.234567ms`, `2s`, `15ns` [S 03/2.10]. Pure; any thread.
#pragma once

#include <chrono>
#include <string>

namespace worldline::runtime {

// The largest of s, ms, us (written with the micro sign), ns that keeps a whole part; the fraction
// without trailing zeros. Negative durations print as 0ns.
std::string duration_text(std::chrono::nanoseconds duration);

}  // namespace worldline::runtime
