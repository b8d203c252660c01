// replication/progress.h
//
// Progress is what a leader knows of one replica's log, and how fast it may send [S 08/1.9].
//
// Invariants (I-11): match < next <= last + 1; the window is sorted and within its limits but for
//   one message that may cross the byte limit. Ownership: the Leader role of one core.
// Units: bytes, messages. Sources: [S 08/1.8], [S 08/1.9], Ongaro [T 10.2.1].
#pragma once

#include <deque>

#include "replication/raft_types.h"

namespace worldline::replication {

// Appends that were sent and not answered.
class InflightWindow {
 public:
  InflightWindow(size_t messages_max, size_t bytes_max)
      : messages_max_(messages_max), bytes_max_(bytes_max) {}

  // REQUIRES: last grows, not full().
  void add(LogIndex last, size_t bytes);
  void free_to(LogIndex match);  // Everything up to `match` arrived.
  void reset();
  bool full() const { return sent_.size() >= messages_max_ || bytes_ >= bytes_max_; }
  size_t messages() const { return sent_.size(); }
  size_t bytes() const { return bytes_; }
  bool is_sorted() const;
  // What is under way lies behind `match`, before `next`, and within the limits (I-11). O(1).
  bool is_within(LogIndex match, LogIndex next) const;

 private:
  struct Sent {
    LogIndex last;
    size_t bytes;
  };
  size_t messages_max_;
  size_t bytes_max_;
  std::deque<Sent> sent_;
  size_t bytes_ = 0;
};

inline constexpr uint32_t kSilentChecksMax = 2;  // 2 E.

enum class ProgressState : uint8_t { kProbe = 1, kReplicate = 2, kSnapshot = 3 };
const char* progress_name(ProgressState state);

struct Progress {
  explicit Progress(const RaftLimits& limits)
      : window(limits.inflight_messages_max, limits.inflight_bytes_max) {}

  ProgressState state = ProgressState::kProbe;
  LogIndex match;  // Highest index known to be stable there.
  LogIndex next{1};
  LogIndex applied;
  LogIndex sent_commit;            // Highest commit told to it.
  LogIndex pinned;                 // kSnapshot: log from here must stay.
  uint64_t seq = 0;                // Of the last message to it.
  uint64_t match_seq = 0;          // seq_echo of the answer that set match,
  uint64_t match_incarnation = 0;  // and the life that gave it.
  uint64_t read_ctx = 0;           // Highest echoed.
  bool paused = false;             // kProbe: an Append is out and unanswered.
  bool window_probe = false;       // One empty Append may go in spite of a full window.
  bool is_recent = false;          // Heard from since the last check of the quorum.
  bool was_heard = false;          // Heard from at all in this term.
  uint32_t silent_checks = 0;      // Checks of the quorum in a row that found it silent.
  bool is_lost = false;            // It lost acknowledged data (I-12): counts and gets nothing.
  bool fetching = false;           // Entries for it are being read from disk.
  InflightWindow window;

  // Each empties the window and takes back every pause.
  void become_probe(LogIndex next_index);  // Never to match or below.
  void become_replicate();                 // From match on: what is behind it may be lost.
  void become_snapshot(LogIndex pin);
  // An answer confirmed `index`: the window is freed up to it. True: match grew.
  bool raise_match(LogIndex index, uint64_t seq_echo, uint64_t incarnation);
  // No Append may go. A full window with a window probe is not paused, but takes an empty one only.
  // Answered lately. The dead keep nobody awake and no log alive.
  bool is_alive() const { return was_heard && silent_checks < kSilentChecksMax; }
  bool is_paused() const;
};

}  // namespace worldline::replication
