// replication/transport/transport_types.h
//
// The vocabulary of the transport: traffic classes, who a node is, how a stream ended.
//
// Thread: values. Sources: [S 08/0.1], [S 08/3.1], [S 08/3.12].
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"

namespace worldline::replication {

// Numbers are on the wire: never renumbered, never reused.
enum class TrafficClass : uint8_t {
  kControl = 1,  // Heartbeats, votes, read index: never behind bulk or disk.
  kLog = 2,      // Append and what answers it, in one order.
  kBulk = 3,     // Snapshot transfer.
  kCalls = 4,    // Forwarded client calls.
};
inline constexpr std::array<TrafficClass, 4> kTrafficClasses = {
    TrafficClass::kControl, TrafficClass::kLog, TrafficClass::kBulk, TrafficClass::kCalls};
constexpr size_t slot_of(TrafficClass cls) {
  return static_cast<size_t>(cls) - 1;
}
const char* traffic_class_name(TrafficClass cls);

// What is lost without harm is dropped when there is no room; the rest is refused to the caller.
constexpr bool tolerates_loss(TrafficClass cls) {
  return cls == TrafficClass::kControl || cls == TrafficClass::kLog;
}

using ClusterId = std::array<Byte, 16>;  // Random; all zero = none.
using NodeUuid = std::array<Byte, 16>;   // Random, stored with the data; all zero = none.

// One life of a node: its id, and the number of that process start.
struct NodeLife {
  NodeId node;
  uint64_t incarnation = 0;
  friend bool operator==(const NodeLife&, const NodeLife&) = default;
};

// Who this process is. Constant over its life.
struct NodeIdentity {
  ClusterId cluster{};
  NodeUuid uuid{};
  NodeId node;
  uint64_t incarnation = 0;    // Durable before the transport starts [S 08/0.1].
  uint32_t feature_level = 0;  // The highest this program knows [S 08/3.9].
};

// A node to talk with, as the catalog knows it.
struct PeerInfo {
  NodeId node;
  NodeUuid uuid{};
  std::string name;                    // Its node.name, for the identity of its certificate.
  std::vector<std::string> addresses;  // host:port, tried in turn; resolved at each attempt.
  friend bool operator==(const PeerInfo&, const PeerInfo&) = default;
};

// Numbers are on the wire.
enum class GoodbyeReason : uint8_t {
  kShutdown = 1,
  kStorage = 2,  // The log cannot be written [S 08/3.12].
  kFenced = 3,   // A newer incarnation of the node lives.
  kFatal = 4,    // A broken invariant ends the process.
};

// Why a stream ended or could not be opened.
enum class EndReason : uint8_t {
  kClosed,       // By the peer or the network, after it was up.
  kSilent,       // Keepalive was not answered, or an attempt took too long.
  kRefused,      // ECONNREFUSED: the machine lives, nobody listens.
  kUnreachable,  // Any other failed attempt: name, route, TLS.
  kRejected,     // One side refused the other in the handshake.
  kProtocol,     // Bytes that are no valid frame, or a message that no node sends.
  kRemoved,      // The peer was taken out of the set, or its entry changed.
  kStopped,      // This transport was stopped.
};
const char* end_reason_name(EndReason reason);

struct StreamEnd {
  EndReason reason = EndReason::kClosed;
  std::string text;
};

// For the log of whoever owns the transport; rate limits are its business.
enum class TransportNoteKind : uint8_t {
  kHandshakeRefused,  // An incoming stream: wrong cluster, node, certificate, incarnation.
  kBadFrame,          // The stream was ended.
  kMessageRefused,    // One message was dropped, its frame was sound.
  kUnknownMessage,    // From a newer program; dropped.
  kStreamRejected,    // An incoming stream was ended for a message that no node sends.
};
const char* transport_note_name(TransportNoteKind kind);
struct TransportNote {
  TransportNoteKind kind;
  NodeId peer;  // 0 = not known.
  TrafficClass cls = TrafficClass::kControl;
  std::string text;
};

// Sums since the start, for metrics.
struct ClassCounters {
  uint64_t frames_sent = 0;
  uint64_t messages_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t frames_received = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_received = 0;
  uint64_t refused_full = 0;        // Batches: no room in the queue.
  uint64_t refused_down = 0;        // Batches: no stream.
  uint64_t dropped_messages = 0;    // Queued, then lost with their stream.
  uint64_t invalid_messages = 0;    // Received and refused.
  uint64_t unknown_messages = 0;    // Received from a newer program.
  uint64_t invalid_frames = 0;      // Received; each ended its stream.
  uint64_t streams_rejected = 0;    // Incoming; for a message that no node sends.
  uint64_t streams_up = 0;          // Times.
  uint64_t streams_ended = 0;       // Times, attempts included.
  uint64_t handshakes_refused = 0;  // Incoming.
  uint64_t receive_pauses = 0;      // Times reading waited for the receiver.
};
using TransportCounters = std::array<ClassCounters, kTrafficClasses.size()>;

}  // namespace worldline::replication
