#include "gateway/gateway_core.h"

#include <utility>

namespace worldline::gateway {

GatewayCore::GatewayCore(const GatewayConfig& gateway_config, actors::NodeApi& node_api,
                         std::unique_ptr<TokenService> token_service,
                         std::unique_ptr<NetworkFetcher> network_fetcher)
    : config(gateway_config),
      node(node_api),
      clock(config.clock != nullptr ? *config.clock : system_clock),
      tokens(std::move(token_service)),
      fetcher(std::move(network_fetcher)),
      issuers(config.auth.external_issuers, *fetcher, clock),
      verifier(*tokens, issuers),
      metrics(std::make_shared<GatewayMetrics>(config.metric_databases_max)),
      upgrades(config.connect_rate_max) {}

}  // namespace worldline::gateway
