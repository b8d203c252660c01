// gateway/gateway_core.h
//
// GatewayCore is what all connections of a gateway share: configuration, node, tokens, metrics and
// the counters behind its limits. It decides nothing.
//
// Ownership: the Gateway; outlives every connection. Thread: any (members are frozen or atomic).
#pragma once

#include <atomic>
#include <cstdint>

#include "actors/messages.h"
#include "base/clock.h"
#include "gateway/auth/token_service.h"
#include "gateway/auth/token_verifier.h"
#include "gateway/gateway_config.h"
#include "gateway/metrics.h"
#include "gateway/rate_limit.h"

namespace worldline::gateway {

struct GatewayCore {
  const GatewayConfig& config;
  actors::NodeApi& node;
  const TokenService& tokens;
  const TokenVerifier& verifier;
  const Clock& clock;
  GatewayMetrics& metrics;
  RateLimit& upgrades;

  std::atomic<size_t> body_bytes = 0;     // Of requests being received.
  std::atomic<uint32_t> connections = 0;  // HTTP and WebSocket.

  int64_t now_seconds() const { return clock.now().micros / 1'000'000; }
};

}  // namespace worldline::gateway
