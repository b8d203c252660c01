// gateway/gateway_core.h
//
// GatewayCore is what all connections of a gateway share: configuration, node, tokens, metrics and
// the counters behind its limits. It decides nothing.
//
// Ownership: the Gateway, and each request until the node has answered it, which may be when the
// gateway is gone; so it outlives every connection. The node outlives it.
// Thread: any (members are frozen, atomic, or have a mutex).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "actors/messages.h"
#include "base/clock.h"
#include "gateway/auth/issuer_directory.h"
#include "gateway/auth/token_service.h"
#include "gateway/auth/token_verifier.h"
#include "gateway/auth/url_fetcher.h"
#include "gateway/gateway_config.h"
#include "gateway/metrics.h"
#include "gateway/rate_limit.h"

namespace worldline::gateway {

struct GatewayCore : std::enable_shared_from_this<GatewayCore> {
  GatewayCore(const GatewayConfig& gateway_config, actors::NodeApi& node_api,
              std::unique_ptr<TokenService> token_service,
              std::unique_ptr<NetworkFetcher> network_fetcher);

  const GatewayConfig config;
  actors::NodeApi& node;
  const SystemClock system_clock;
  const Clock& clock;  // The configuration's, else the one above.
  const std::unique_ptr<TokenService> tokens;
  const std::unique_ptr<NetworkFetcher> fetcher;
  IssuerDirectory issuers;
  const TokenVerifier verifier;
  const std::shared_ptr<GatewayMetrics> metrics;
  RateLimit upgrades;

  std::atomic<size_t> body_bytes = 0;     // Of requests being received.
  std::atomic<uint32_t> connections = 0;  // HTTP and WebSocket.

  int64_t now_seconds() const { return clock.now().micros / 1'000'000; }
};

}  // namespace worldline::gateway
