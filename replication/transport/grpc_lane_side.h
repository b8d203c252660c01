// replication/transport/grpc_lane_side.h
//
// GrpcLaneSide is everything of one traffic class: its lane, the links to all peers, the streams
// that peers opened with us.
//
// Life: start(), then stop in two steps around the server's shutdown: begin_stop() ends all
// streams,
//   finish_stop() lets the lane's thread end once nothing is outstanding, join() waits for it.
// Ownership: by the transport; borrows what all classes share. Thread: any, unless stated. The
//   mutex guards the table of links only.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "replication/transport/grpc_acceptor.h"
#include "replication/transport/grpc_link.h"

namespace worldline::replication {

class GrpcLaneSide {
 public:
  // What all classes share. Borrowed; outlives this.
  struct Shared {
    const TransportConfig& config;
    TransportListener& listener;
    PeerDirectory& directory;
    GrpcCredentials& credentials;
    GrpcService& service;
  };

  GrpcLaneSide(const Shared& shared, TrafficClass cls,
               std::unique_ptr<grpc::ServerCompletionQueue> queue);

  void start();    // After the server has started.
  void abandon();  // Instead: it could not.

  Status push(NodeId to, MessageBatch batch, size_t bytes);
  void apply(const PeerChanges& changes);  // In the order of calls.
  void reject(const NodeLife& peer, const std::string& why);
  // `done` runs on the lane. False: no such link any more, and it does not run.
  bool refresh(NodeId node, GrpcLink::Done done);
  // `done` runs once per link, at once if it has no stream.
  void say_goodbye(GoodbyeReason reason, const GrpcLink::Done& done);
  std::vector<NodeId> peers() const;

  void begin_stop();
  void finish_stop();
  void join() { lane_.join(); }

  ClassCounters counters() const { return counters_.snapshot(); }

 private:
  using LinkPtr = std::shared_ptr<GrpcLink>;

  LinkPtr find(NodeId node) const;
  void add_link(const PeerInfo& peer);
  void remove_link(NodeId node);
  void close_link(const LinkPtr& link, EndReason reason);  // On the lane.
  void stop_streams();                                     // On the lane.
  void close_if_empty();                                   // On the lane.

  LaneCounters counters_;
  GrpcLane lane_;
  const GrpcContext context_;

  mutable std::mutex mutex_;
  std::map<NodeId, LinkPtr> links_;  // Guarded by mutex_.

  // The lane's alone.
  GrpcAcceptor acceptor_;
  size_t closing_links_ = 0;
  bool is_acceptor_empty_ = false;
  bool may_close_ = false;  // The server is down: nothing arrives any more.
};

}  // namespace worldline::replication
