// replication/transport/grpc_transport.h
//
// GrpcTransport carries batches over gRPC streams with mutual TLS.
//
// Each node dials each other node once per traffic class, and sends only on the streams it dialled:
// one stream per ordered pair and class. So a sender alone decides when to reconnect, two nodes
// that dial each other at once need no tie-break, and a sender learns by its own attempt whether
// the other's process is gone (connection refused) or its machine [S 08/3.4]. It costs twice the
// connections, which is nothing for the tens of nodes a cluster has.
//
// Each class has a connection and a thread of its own, so a frame of one never waits behind a frame
// of another, be it on the wire, in flow control or in a callback.
//
// A stream begins with a handshake: cluster, node, uuid, incarnation and class are compared with
// what the directory says, and the certificate must name the node. Either side refuses with a
// sentence that says what does not fit.
//
// Life: start(), set_peers(), stop(). Errors: start() kInvalidArgument (configuration), kIoError
//   (the address), and those of check_tls_material().
// Ownership, thread: see transport.h.
// Sources: [S 08/3.1], [S 09/1.6].
#pragma once

#include <memory>

#include "replication/transport/birth_listener.h"
#include "replication/transport/transport.h"
#include "replication/transport/transport_config.h"

namespace worldline::replication {

class GrpcTransport final : public Transport {
 public:
  // Listens when this returns. `listener` is borrowed. `now` is for the certificate's validity.
  // `birth`, borrowed too, hears seeds that have no cluster yet; null: they are told that nobody
  // here does.
  static Result<std::unique_ptr<GrpcTransport>> start(TransportConfig config,
                                                      TransportListener& listener, Timestamp now,
                                                      BirthListener* birth = nullptr);
  ~GrpcTransport() override;

  uint16_t port() const;  // The one it listens on.

  // New connections use the new material; present ones to peers are opened anew, one by one and
  // without loss. The old material stays if the new one does not pass [S 09/1.6]. REQUIRES: not
  // insecure. kUnavailable: stopped. Returns what to log and to watch.
  Result<TlsLeaf> reload_tls(TlsMaterial material, Timestamp now);

  Status set_peers(std::vector<PeerInfo> peers) override;
  Status send(NodeId to, TrafficClass cls, MessageBatch batch) override;
  void reject(const NodeLife& peer, TrafficClass cls, const std::string& why) override;
  void say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within) override;
  TransportCounters counters() const override;
  void stop() override;

 private:
  class Impl;
  explicit GrpcTransport(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::replication
