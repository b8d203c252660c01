// replication/transport/grpc_birth.h
//
// GrpcBirth carries the messages of a cluster's birth between seeds, which know each other by
// address only: there is no cluster id, no node id, and nobody's uuid yet.
//
// Each seed dials each other and says one message per call; nothing comes back but that it was
// taken. Before the birth this object listens on the node's address. Then GrpcTransport takes the
// address over and hears late seeds for the same listener; this object goes on sending to them.
//
// Limits: one call and kSeedQueueMax waiting messages per seed, the oldest is dropped for a newer
//   one; kSeedsMax seeds. Messages may be lost, never damaged; per seed they keep their order.
// Life: start(), stop_listening(), stop(). Errors: start() as GrpcTransport::start(); later ones
//   are told to the listener.
// Ownership: borrows its listener. Thread: send() and stop() from any; callbacks come from the
//   library's threads, none after stop().
// Sources: [S 08/3.9], [S 09/1.6].
#pragma once

#include <memory>
#include <string>

#include "replication/transport/birth_listener.h"
#include "replication/transport/transport_config.h"

namespace worldline::replication {

inline constexpr size_t kSeedQueueMax = 16;

class GrpcBirth {
 public:
  // `config`: the one the transport will be started with; its identity and classes are not used.
  // `address`: ours, as the others know it.
  static Result<std::unique_ptr<GrpcBirth>> start(TransportConfig config, std::string address,
                                                  BirthListener& listener, Timestamp now);
  ~GrpcBirth();  // Stops.

  uint16_t port() const;  // The one it listens on.
  // No effect after stop(). REQUIRES: at most kSeedsMax different addresses.
  void send(const std::string& to, const BirthMessage& message);
  // Gives the address back. Returns when it is free.
  void stop_listening();
  void stop();  // Idempotent; not from a callback.

 private:
  class Impl;
  explicit GrpcBirth(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::replication
