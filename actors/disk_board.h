// actors/disk_board.h
//
// DiskBoard is what is known of the node's disk, for everybody who must decide by it or shows it.
//
// Thread: any; relaxed atomics, no figure depends on another. Written by the DiskDesk. Units are in
// the names. Sources: [S 08/3.12], [S 09/1.8].
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "storage/log/disk_state.h"

namespace worldline::actors {

struct DiskBoard {
  std::atomic<bool> accepts_writes{true};
  std::atomic<storage::SpaceLevel> space{storage::SpaceLevel::kPlenty};
  std::atomic<storage::StallLevel> stall{storage::StallLevel::kNone};
  std::atomic<uint64_t> free_bytes{0};
  std::atomic<uint64_t> total_bytes{0};
  std::atomic<uint64_t> ballast_bytes{0};
  std::atomic<uint64_t> stalls{0};  // Since the start.

  // kOverloaded, which the gateway answers with 503: come again later.
  Status check_write() const {
    if (accepts_writes.load(std::memory_order_relaxed)) return {};
    return refusal();
  }
  static Status refusal() { return Status::overloaded("disk full"); }
};

}  // namespace worldline::actors
