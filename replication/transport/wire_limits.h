// replication/transport/wire_limits.h
//
// What a peer may send at most, and what a sender keeps to. Counts are limited as well as bytes:
// a field of two bytes can cost a few hundred once decoded, so a frame of the maximum size could
// otherwise take gigabytes.
//
// Sources: [S 08/5.1], [S 08/3.8], base/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "replication/node/heartbeat_messages.h"
#include "replication/transport/transport_types.h"

namespace worldline::replication {

inline constexpr uint32_t kWireVersion = 1;

// Fields around payloads. A run of messages is cut at the target; one message alone may be larger.
inline constexpr size_t kFrameOverheadBytesMax = 1 * limits::MiB;
inline constexpr size_t kFrameBytesTarget = 1 * limits::MiB;  // 10 ms of a 1 Gbit/s link.

constexpr size_t frame_bytes_max(TrafficClass cls) {
  switch (cls) {
    case TrafficClass::kControl:
      return 4 * limits::MiB;  // Heartbeat items of every group at 64 B.
    case TrafficClass::kLog:
      return limits::kLogEntryBytesMax + kFrameOverheadBytesMax;
    case TrafficClass::kBulk:
      return 2 * limits::MiB;  // One piece of a page.
    case TrafficClass::kCalls:
      return limits::kClientMessageBytesMax + kFrameOverheadBytesMax;
  }
  return 0;
}
inline constexpr size_t kAnyFrameBytesMax = frame_bytes_max(TrafficClass::kLog);
// Before its handshake a peer is nobody: identity, class and room to grow.
inline constexpr size_t kHandshakeBytesMax = 4 * limits::KiB;

// A message of a cluster's birth, with who says it.
inline constexpr size_t kSeedCallBytesMax = 8 * limits::KiB;
inline constexpr int kSeedCallsPerConnectionMax = 4;  // One is used.

// 16 Ki envelopes of about 350 B decoded: 6 MiB. 64 Ki entries of about 130 B: 9 MiB.
inline constexpr size_t kFrameMessagesMax = 16 * limits::KiB;
inline constexpr size_t kFrameEntriesMax = 64 * limits::KiB;
inline constexpr size_t kHeardNodesMax = 1024;
// A piece of a page, and what is around it.
inline constexpr size_t kSnapMessageBytesMax = 1 * limits::MiB + 1 * limits::KiB;
inline constexpr size_t kContentHashBytesMax = 64;
inline constexpr size_t kConfigBytesMax = 16 * limits::KiB;  // 30 members of at most 274 B.

// Log indexes, terms and ids: half the range, so that adding to one never wraps.
inline constexpr uint64_t kWireNumberMax = INT64_MAX;

static_assert(kSnapMessageBytesMax + 64 <= frame_bytes_max(TrafficClass::kBulk));
static_assert(kHeartbeatItemsMax * 64 <= frame_bytes_max(TrafficClass::kControl));
static_assert(kAnyFrameBytesMax >= frame_bytes_max(TrafficClass::kCalls));
static_assert(kAnyFrameBytesMax < UINT32_MAX, "sizes inside a frame are kept in 32 bits");

}  // namespace worldline::replication
