// cli/exit_codes.h
//
// The exit codes of `worldline start` [S 09/1.10]. Other commands end with 0, 1 (failed) or 2 (bad
// usage) [S 07/1].
#pragma once

namespace worldline::cli {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitConfiguration = 3;     // Also of `config check`.
inline constexpr int kExitAddress = 4;           // In use, or cannot be bound.
inline constexpr int kExitDirectory = 5;         // The data directory is locked or not writable.
inline constexpr int kExitForeignDirectory = 6;  // Of another cluster or a newer format.
inline constexpr int kExitCorruption = 7;        // Needs a decision.
inline constexpr int kExitBrokenInvariant = 11;  // A report is in DATA/cores.
inline constexpr int kExitForcedStop = 12;

}  // namespace worldline::cli
