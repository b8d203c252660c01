// storage/log/prefix_truncation.h
//
// PrefixTruncation decides when the log of one group is worth cutting at its front: removals are
// cheap to write but dear to read over, so they are few and large [S 08/3.6]. Pure.
//
// Invariants: the bound never goes back; at most one truncation is under way; without pressure none
//   takes less than `bytes_min` of log and less than `entries_min` entries.
// Ownership and thread: one value per group, one thread. Units: bytes of stored entries.
// Order of calls: on_appended as the log grows, allow when a prefix is not needed any more; take()
//   gives the bound for LogStore::truncate_prefix, on_done when that was carried out.
#pragma once

#include <deque>
#include <optional>

#include "base/ids.h"
#include "base/limits.h"

namespace worldline::storage {

struct TruncationPolicy {
  size_t bytes_min = 4 * limits::MiB;
  uint64_t entries_min = 4096;
};

enum class TruncationNeed : uint8_t {
  kCoarse,  // Only if enough has come together.
  kNow,     // The disk is short: whatever is allowed.
};

// A stored log as it stands; as declared here that of a group at birth, which is empty.
struct LogExtent {
  LogIndex first{2};
  LogIndex last{1};
  size_t bytes = 0;
};

class PrefixTruncation {
 public:
  PrefixTruncation(const TruncationPolicy& policy, const LogExtent& log);

  void on_appended(LogIndex last, size_t bytes);  // Entries up to `last` were written.
  void on_truncated_suffix(LogIndex last);        // Entries behind `last` are gone.
  void on_replaced(LogIndex last);                // All entries are gone; the log ends at `last`.
  // Entries below `first` are needed by nobody. Lower than before: ignored.
  void allow(LogIndex first);

  // The new first index, if a truncation should begin; it is then under way.
  std::optional<LogIndex> take(TruncationNeed need);
  void on_done();  // REQUIRES: one is under way.

  LogIndex first() const { return first_; }  // Of what is kept, a truncation under way included.
  size_t bytes_below(LogIndex index) const;  // Of entries in [first(), index), roughly.

 private:
  // How many bytes the log had had in all up to an index, for about every sixteenth of bytes_min.
  struct Mark {
    LogIndex last;
    size_t total_bytes;
  };

  const TruncationPolicy policy_;
  LogIndex first_;
  LogIndex allowed_;
  std::deque<Mark> marks_;  // INVARIANT: ascending; front() is at or below first_ - 1.
  Mark end_;
  bool under_way_ = false;
};

}  // namespace worldline::storage
