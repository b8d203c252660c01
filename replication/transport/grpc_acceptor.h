// replication/transport/grpc_acceptor.h
//
// GrpcAcceptor holds the streams that others opened in one class. There is one per peer that
// counts: when a peer comes again, the stream it left behind is closed first.
//
// Invariants: exactly one stream waits for a call until stop(); at most incoming_streams_max exist.
// Ownership: owns its streams. Thread: the lane's.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "replication/transport/grpc_accepted_stream.h"

namespace worldline::replication {

class GrpcAcceptor final : private AcceptedStream::Owner {
 public:
  // Runs on the lane when a peer has said who it is; must not end its stream.
  using OnPeer = std::function<void(const NodeLife& peer)>;

  // Borrowed; they outlive this.
  GrpcAcceptor(const GrpcContext& context, GrpcService& service, OnPeer on_peer);

  void start();
  void close_peer(NodeId node);
  void reject(const NodeLife& peer, const std::string& why);
  // Closes all; `on_empty` runs when the last is over, also the one that waits for a call, which
  // the server's shutdown ends.
  void stop(std::function<void()> on_empty);

 private:
  void on_arrived(AcceptedStream& stream) override;
  void on_identified(AcceptedStream& stream) override;
  void on_over(AcceptedStream& stream) override;
  void offer_next();

  const GrpcContext& context_;                                                // Borrowed.
  GrpcService& service_;                                                      // Borrowed.
  std::map<const AcceptedStream*, std::unique_ptr<AcceptedStream>> streams_;  // Never iterated
                                                                              // for order.
  std::map<NodeId, AcceptedStream*> current_;  // Identified, newest per node.
  const OnPeer on_peer_;
  bool is_stopping_ = false;
  std::function<void()> on_empty_;
};

}  // namespace worldline::replication
