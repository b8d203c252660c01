// base/limits.h
//
// Limits shared by rooms: each with unit and reason. Reaching one gives kOverloaded or kTooLarge
// with the limit's name and value; zero never means unlimited.
#pragma once

#include <cstddef>
#include <cstdint>

namespace worldline::limits {

inline constexpr size_t KiB = 1024;
inline constexpr size_t MiB = 1024 * KiB;
inline constexpr size_t GiB = 1024 * MiB;

inline constexpr size_t kPageBytes = 64 * KiB;              // One page of rows.
inline constexpr size_t kClientMessageBytesMax = 32 * MiB;  // One WebSocket message or HTTP body.
inline constexpr size_t kLogEntryBytesMax =
    64 * MiB;  // One bundle; a larger one is split or refused.
inline constexpr size_t kBundleBytesTarget = 1 * MiB;     // A drain closes its bundle beyond this.
inline constexpr size_t kBundleCallsMax = 4096;           // Transactions of one bundle.
inline constexpr size_t kUncommittedBytesMax = 64 * MiB;  // Speculative suffix of one database.
inline constexpr size_t kRowBytesMax = 32 * MiB;          // One row as BSATN.
inline constexpr size_t kValueDepthMax = 256;             // Nesting of values and types we decode.
inline constexpr size_t kProgramBytesMax = 128 * MiB;     // One published program.
inline constexpr size_t kIsolateHeapBytes = 1 * GiB;      // V8 heap of one module.
inline constexpr int64_t kCallBudgetMsDefault = 30'000;   // Watchdog of one call [S 03/2.9].

static_assert(kRowBytesMax <= kLogEntryBytesMax, "every legal row fits a log entry");
static_assert(kBundleBytesTarget < kLogEntryBytesMax);

}  // namespace worldline::limits
