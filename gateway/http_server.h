// gateway/http_server.h
//
// Gateway is the node's door for clients: HTTP, WebSocket v2 and v3, authentication, metrics. It
// listens, spreads connections over its I/O threads, and stops gracefully.
//
// Invariants: after open() the port accepts; after stop() no callback of ours is running and the
// node is not called any more. stop() before the node stops: accepted requests are answered.
// Ownership: borrows the NodeApi, which must outlive it. Thread: open(), stop() and the destructor
// from one thread; port() from any. Errors: kInvalidArgument (configuration, keys),
// kUnavailable (the address is in use or cannot be bound).
//
//   auto gateway = Gateway::open(config, node); ... gateway->stop(); node.stop();
#pragma once

#include <cstdint>
#include <memory>

#include "actors/messages.h"
#include "base/status.h"
#include "gateway/gateway_config.h"

namespace worldline::gateway {

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> open(const GatewayConfig& config, actors::NodeApi& node);
  ~Gateway();

  uint16_t port() const;  // The one that is bound, also where 0 was asked for.
  // Stops accepting, answers what was accepted, closes sessions with 1001, and waits for them up to
  // config.stop_grace. Idempotent.
  void stop();

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::gateway
