// base/entry_kind.h
//
// What a log entry carries [S 08/4.1]. The Raft core reads kNoop and kConfig and passes the rest
// on; the storage rooms know their payloads. Numbers are on disk and wire: never renumbered, never
// reused.
#pragma once

#include <cstdint>

namespace worldline {

enum class EntryKind : uint8_t {
  kNoop = 1,    // Barrier of a new term.
  kConfig = 2,  // Members of the group.
  kBundle = 3,
  kPart = 4,  // Piece of an oversized bundle.
  kViewSync = 5,
  kProgramPrepare = 6,
  kProgramAbort = 7,
  kDigestMark = 8,
  kDedupGc = 9,
};
inline constexpr uint8_t kEntryKindMax = 9;

}  // namespace worldline
