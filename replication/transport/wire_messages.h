// replication/transport/wire_messages.h
//
// What travels between nodes: envelopes of the Raft core, heartbeats of whole nodes, snapshot
// chunks, forwarded calls. A batch of them is what crosses threads: frozen and shared.
//
// Invariants: each kind of message belongs to one traffic class (traffic_class_of).
// Thread: values; payloads are frozen. Units: bytes, log indexes, terms; times say their unit.
// Sources: [S 08/1.4], [S 08/3.2], [S 08/3.8].
#pragma once

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "replication/node/heartbeat_messages.h"
#include "replication/raft_messages.h"
#include "replication/transport/transport_types.h"

namespace worldline::replication {

// ---- Snapshot transfer: the receiver pulls [S 08/3.8] -------------------------------------------

struct SnapTransfer {
  GroupId group;
  ReplicaId from;
  ReplicaId to;
  uint64_t snap_id = 0;
  friend bool operator==(const SnapTransfer&, const SnapTransfer&) = default;
};

// Content (the manifest or a chunk it lists) is named by its hash; what is larger than one message
// is fetched in parts.
struct SnapPart {
  ByteBuffer hash;
  uint64_t offset = 0;
  friend bool operator==(const SnapPart&, const SnapPart&) = default;
};

struct SnapWant {
  SnapTransfer transfer;
  std::vector<SnapPart> parts;
};
struct SnapChunk {
  SnapTransfer transfer;
  SnapPart part;
  uint64_t total_bytes = 0;  // Of the content.
  SharedBytes data;
};
struct SnapAck {  // The part is written; its place in the window is free.
  SnapTransfer transfer;
  SnapPart part;
};
enum class SnapAbortReason : uint8_t {
  kBusy = 1,  // No failure: try again later.
  kNotFound = 2,
  kSuperseded = 3,
  kFailed = 4,
  kTimeout = 5,
};
struct SnapAbort {
  SnapTransfer transfer;
  SnapAbortReason reason = SnapAbortReason::kFailed;
  std::string text;
};

// ---- Forwarded calls ----------------------------------------------------------------------------

struct CallBytes {
  SharedBytes payload;  // Opaque here.
};

// ---- A message, a batch -------------------------------------------------------------------------

using WireMessage = std::variant<Envelope, HeartbeatBatch, HeartbeatReply, SnapWant, SnapChunk,
                                 SnapAck, SnapAbort, CallBytes>;

// The class a message belongs to. Hello and what follows Append share the log's order; what must
// arrive while the log is blocked is control.
TrafficClass traffic_class_of(const WireMessage& message);

using MessageBatch = std::shared_ptr<const std::vector<WireMessage>>;

inline MessageBatch make_batch(std::vector<WireMessage> messages) {
  return std::make_shared<const std::vector<WireMessage>>(std::move(messages));
}

}  // namespace worldline::replication
