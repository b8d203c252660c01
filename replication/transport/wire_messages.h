// replication/transport/wire_messages.h
//
// What travels between nodes: envelopes of the Raft core, heartbeats of whole nodes, messages
// of snapshot transfer, forwarded calls. A batch of them is what crosses threads: frozen and
// shared.
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

// ---- Snapshot transfer [S 08/3.8] ---------------------------------------------------------------

// What the snapshot service of one node says to that of another; snapshot_codec.h reads it.
struct SnapBytes {
  SharedBytes payload;  // Opaque here.
};

// ---- Forwarded calls ----------------------------------------------------------------------------

struct CallBytes {
  SharedBytes payload;  // Opaque here.
};

// ---- A message, a batch -------------------------------------------------------------------------

using WireMessage = std::variant<Envelope, HeartbeatBatch, HeartbeatReply, SnapBytes, CallBytes>;

// The class a message belongs to. Hello and what follows Append share the log's order; what must
// arrive while the log is blocked is control.
TrafficClass traffic_class_of(const WireMessage& message);

using MessageBatch = std::shared_ptr<const std::vector<WireMessage>>;

inline MessageBatch make_batch(std::vector<WireMessage> messages) {
  return std::make_shared<const std::vector<WireMessage>>(std::move(messages));
}

}  // namespace worldline::replication
