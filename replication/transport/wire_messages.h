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

#include "replication/raft_messages.h"
#include "replication/transport/transport_types.h"

namespace worldline::replication {

// ---- Heartbeats of a node [S 08/3.2] ------------------------------------------------------------

struct NodeHeader {
  uint64_t incarnation = 0;  // Of the sender.
  uint64_t lead_epoch = 0;   // Raised when replicas here stop leading quiesced groups [S 08/3.3].
  Timestamp wall_clock;
  uint64_t monotonic_ns = 0;  // When it was sent, on the sender's clock.
  uint8_t disk_pressure_percent = 0;
  uint8_t cpu_pressure_percent = 0;
  std::vector<NodeId> hears;  // Ascending.
};

// A group led by the sender with a member at the receiver.
struct HeartbeatItem {
  GroupId group;
  ReplicaId from;
  ReplicaId to;
  Term term;
  LogIndex config_index;
  LogIndex commit;
  uint64_t read_ctx = 0;
  bool quiesce = false;
};

// A change of item number `place` of the base batch.
struct HeartbeatDelta {
  uint32_t place = 0;
  uint64_t commit_advance = 0;
  uint64_t read_ctx = 0;
};

// Item number i of a batch is the i-th of full, changed and light items merged by group.
struct HeartbeatBatch {
  uint64_t seq = 0;       // From 1, per pair of lives.
  uint64_t base_seq = 0;  // The confirmed batch whose items `changed` and `light` name; 0 = none.
  NodeHeader header;
  std::vector<HeartbeatItem> full;      // Ascending by group.
  std::vector<HeartbeatDelta> changed;  // Ascending by place.
  ByteBuffer light;                     // Bit i % 8 of byte i / 8: item i is unchanged.
};

struct HeartbeatAnswer {
  uint32_t place = 0;
  HeartbeatStatus status = HeartbeatStatus::kOk;
  Term term;  // Of the answering replica; 0 if it has none.
  LogIndex config_index;
  uint64_t read_ctx = 0;
  LogIndex applied;
  LogIndex last_index;
};

struct HeartbeatReply {
  uint64_t seq_echo = 0;
  uint64_t monotonic_ns_echo = 0;
  NodeHeader header;
  uint32_t item_count = 0;  // Of the batch this answers.
  ByteBuffer ok;            // Bit: status ok, same term, read_ctx echoed, applied = last = commit.
  std::vector<HeartbeatAnswer> answers;  // All others, ascending by place.
};

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
