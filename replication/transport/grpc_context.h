// replication/transport/grpc_context.h
//
// What all streams of a traffic class share, and how frames meet the library's buffers.
//
// Ownership: one per lane, owned by the transport; everything in it outlives the lane.
// Thread: the lane's, but for the counters, which any thread may read.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status_code_enum.h>

#include "replication/transport/grpc_credentials.h"
#include "replication/transport/grpc_lane.h"
#include "replication/transport/peer_directory.h"
#include "replication/transport/transport.h"
#include "replication/transport/transport_config.h"

namespace worldline::replication {

// ClassCounters, written by the lane and read by anyone.
struct LaneCounters {
  using Counter = std::atomic<uint64_t>;
  Counter frames_sent, messages_sent, bytes_sent;
  Counter frames_received, messages_received, bytes_received;
  Counter refused_full, refused_down, dropped_messages;
  Counter invalid_messages, unknown_messages, invalid_frames, streams_rejected;
  Counter streams_up, streams_ended, handshakes_refused, receive_pauses;

  ClassCounters snapshot() const;
};
inline void add(LaneCounters::Counter& counter, uint64_t count = 1) {
  counter.fetch_add(count, std::memory_order_relaxed);
}

struct GrpcContext {
  const TransportConfig& config;
  TransportListener& listener;
  PeerDirectory& directory;
  GrpcCredentials& credentials;
  GrpcLane& lane;
  LaneCounters& counters;

  TrafficClass cls() const { return lane.cls(); }
  const ClassLimits& limits() const { return config.classes[slot_of(cls())]; }
};

// What the other side is told of a refusal.
grpc::StatusCode grpc_code_of(const Status& status);

// Shares the frame's bytes with the library; they live until it has let them go.
grpc::ByteBuffer to_buffer(const EncodedFrame& frame);

// The segments of a received buffer, which they borrow.
class ReceivedFrame {
 public:
  // The buffer is emptied. False: it cannot be read.
  bool assign(grpc::ByteBuffer& buffer);
  std::span<const Bytes> segments() const { return segments_; }
  size_t bytes() const { return bytes_; }

 private:
  std::vector<grpc::Slice> slices_;
  std::vector<Bytes> segments_;
  size_t bytes_ = 0;
};

}  // namespace worldline::replication
