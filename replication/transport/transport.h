// replication/transport/transport.h
//
// Transport carries batches of messages between nodes, as the rest of the room sees it: who is
// behind it (gRPC, memory) does not show. Per peer and traffic class messages keep their order;
// they may be lost with their stream, but are never damaged, never delivered to another node than
// the one they name, and never doubled by the transport.
//
// Invariants: what send() accepts is delivered, reported by on_dropped(), or lost with its stream
//   (on_stream_down() follows). Queues are bounded per peer and class; nothing is sent twice.
// Ownership: the transport borrows its listener, which outlives it. Batches are frozen and shared.
// Thread: send() and set_peers() from any. A class has one thread that makes all its callbacks;
//   they must not block and may call send(). No callback runs after stop() has returned.
// Units: bytes. Errors: at send().
// Sources: [S 08/3.1], [S 08/3.4], [S 08/3.12].
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "replication/transport/receive_window.h"
#include "replication/transport/wire_messages.h"

namespace worldline::replication {

// Messages that came in one frame. Room for more is made when the last reference goes: a receiver
// that is behind slows its peer down instead of piling batches up.
struct ReceivedBatch {
  NodeLife from;
  TrafficClass cls = TrafficClass::kControl;
  std::vector<WireMessage> messages;  // Valid; never empty.
  ReceiveCredit credit;
};
using ReceivedBatchPtr = std::shared_ptr<const ReceivedBatch>;

// A stream to a peer that can carry messages.
struct StreamUp {
  NodeLife peer;
  uint32_t feature_level = 0;
  TrafficClass cls = TrafficClass::kControl;
};

class TransportListener {
 public:
  virtual ~TransportListener() = default;

  virtual void on_messages(ReceivedBatchPtr batch) = 0;
  // Our stream to the peer is up: what is sent from here on is newer than anything lost.
  virtual void on_stream_up(const StreamUp& stream) = 0;
  // Our stream ended, or an attempt to open one failed; the latter is repeated after a pause.
  // kClosed followed by kRefused is the certain death of the peer's process [S 08/3.4].
  virtual void on_stream_down(NodeId peer, TrafficClass cls, const StreamEnd& end) = 0;
  // Accepted by send() and not written. The first batch may have left in part.
  virtual void on_dropped(NodeId peer, TrafficClass cls, std::vector<MessageBatch> batches) = 0;
  virtual void on_goodbye(const NodeLife& peer, GoodbyeReason reason) = 0;
  virtual void on_note(const TransportNote& note) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;  // Stops.

  // Replaces the set of peers; the local node in it is ignored. Streams of those that went, or
  // whose entry changed in more than addresses, end with kRemoved; new addresses count from the
  // next attempt. Takes effect soon, not at once. kInvalidArgument: an entry nobody could reach.
  virtual Status set_peers(std::vector<PeerInfo> peers) = 0;

  // Queues the batch for the peer. REQUIRES: not empty, all of class `cls`.
  // Not OK: nothing was queued, and on_dropped() is not called for it.
  //   kOverloaded      no room; Raft's messages count as lost, bulk and calls wait and repeat
  //   kUnavailable     no stream, and none is being opened; or stopped
  //   kNotFound        no such peer
  //   kInvalidArgument, kTooLarge   a message nobody would accept
  virtual Status send(NodeId to, TrafficClass cls, MessageBatch batch) = 0;

  // Ends the stream on which the peer sent what no node sends, though its frame was sound: the core
  // or the node found it impossible [S 08/1.7 A9]. The peer's side ends with kProtocol and `why`,
  // and it comes again after a pause that grows each time. What came on the stream before and was
  // handed out is the caller's to drop. No effect if that life has no stream here, or a newer one.
  virtual void reject(const NodeLife& peer, TrafficClass cls, const std::string& why) = 0;

  // Tells all peers that this process ends, ahead of what is queued. Returns when that is written
  // or after `within`, whichever comes first [S 08/3.12].
  virtual void say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within) = 0;

  virtual TransportCounters counters() const = 0;

  // Ends all streams and threads. Idempotent; not from a callback.
  virtual void stop() = 0;
};

}  // namespace worldline::replication
