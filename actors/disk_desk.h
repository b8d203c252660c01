// actors/disk_desk.h
//
// DiskDesk decides what the state of its disk means for a node whose groups have no other member:
// on a full disk calls that would write are refused, reads, checkpoints and truncation go on; a
// stalled disk is told, and given up by the watchdog at its last limit [S 08/3.12].
//
// Stepping down from a stall serves nobody here: RaftNode keeps the leadership of an only voter, no
// call is acknowledged before the disk has it, and what waits is bounded by inbox and gate.
//
// Invariants: one order of a reading is out at a time; a line is noted once per change, and once
//   per row of failed readings; writes are refused from kFull on and taken again below it.
// Ownership: the disk actor; not thread-safe. Units: bytes. Errors: a reading that fails changes
//   nothing; a ballast that cannot be made is not tried again before the next start.
// Sources: [S 08/3.12], [S 09/1.8].
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "actors/disk_board.h"
#include "base/status.h"
#include "replication/node/raft_node_types.h"
#include "storage/log/disk_state.h"

namespace worldline::actors {

// What the LogWatchdog tells.
struct LogHealth {
  storage::StallLevel stall = storage::StallLevel::kNone;
  bool is_slow = false;
  std::chrono::milliseconds in_flight{0};  // The write that caused the change.
};

struct DiskDeskParts {
  storage::SpacePolicy policy;
  uint64_t ballast_bytes = 0;            // Of this disk; 0: none is kept.
  DiskBoard* board = nullptr;            // Borrowed; outlives the desk.
  std::function<void()> order_reading;   // Answered by on_space().
  std::function<void()> order_ballast;   // Answered by on_ballast().
  std::function<void()> writes_resumed;  // What waits for space may go on.
  std::function<void(const replication::DiskVerdict&)> tell;
  std::function<void(const std::string&)> on_note;
};

class DiskDesk {
 public:
  explicit DiskDesk(DiskDeskParts parts);  // REQUIRES: parts.policy is valid.

  void on_time();  // Orders a reading.
  void on_space(const Result<storage::SpaceReading>& reading);
  void on_log(const LogHealth& health);
  // Whether checkpoints fail: then the node leads nothing that another can lead [S 08/3.12].
  void on_checkpoints(bool fail);
  // How many bytes the ballast has now.
  void on_ballast(const Result<uint64_t>& bytes);

  const storage::DiskState& state() const { return state_; }

 private:
  void note_space(const storage::SpaceChange& change) const;
  void note_log(const LogHealth& health) const;
  void restore_ballast(const storage::SpaceReading& reading);
  void apply();

  const DiskDeskParts parts_;
  storage::DiskSpaceMonitor space_;
  storage::DiskState state_;
  bool is_reading_ = false;
  bool reading_failed_ = false;
  enum class Ballast : uint8_t { kAbsent, kOrdered, kThere, kGivenUp };
  Ballast ballast_ = Ballast::kAbsent;
};

}  // namespace worldline::actors
