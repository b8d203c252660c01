// tests/gateway/metrics_test.cc: which databases have series on the metrics page [S 05/6, 09/1.3].
#include "gateway/metrics.h"

#include <gtest/gtest.h>

#include "tests/gateway/fake_node.h"

namespace worldline::gateway::testing {
namespace {

bool shows(const GatewayMetrics& metrics, const std::string& series) {
  return metrics.render({}).find(series) != std::string::npos;
}
std::string connected(const std::string& database) {
  return "spacetime_worker_connected_clients{database_identity=\"" + database + "\"}";
}

TEST(GatewayMetricsTest, BeyondTheLimitDatabasesAreSummedUntilOthersAreForgotten) {
  GatewayMetrics metrics(2);
  metrics.database(identity_of("a"))->on_connected();
  metrics.database(identity_of("b"))->on_connected();
  EXPECT_FALSE(shows(metrics, "_other"));
  metrics.database(identity_of("c"))->on_connected();
  metrics.database(identity_of("d"))->on_connected();
  EXPECT_TRUE(shows(metrics, connected("_other") + " 2\n"));
  metrics.forget(identity_of("a"));
  EXPECT_FALSE(shows(metrics, connected(identity_of("a").to_hex())));
  metrics.database(identity_of("e"))->on_connected();
  EXPECT_TRUE(shows(metrics, connected(identity_of("e").to_hex()) + " 1\n"));
  EXPECT_TRUE(shows(metrics, connected("_other") + " 2\n")) << "counters do not go back";
}

TEST(GatewayMetricsTest, ManyDatabasesThatComeAndGoNeverFillTheTable) {
  GatewayMetrics metrics(200);
  for (int i = 0; i < 1000; ++i) {
    const auto identity = identity_of(std::to_string(i).c_str());
    metrics.database(identity)->on_connected();
    EXPECT_TRUE(shows(metrics, connected(identity.to_hex()))) << i;
    metrics.forget(identity);
  }
  EXPECT_TRUE(metrics.known_databases().empty());
  EXPECT_FALSE(shows(metrics, "_other"));
}

TEST(GatewayMetricsTest, ASessionMayOutliveTheSeriesOfItsDatabase) {
  GatewayMetrics metrics(2);
  const auto held = metrics.database(identity_of("a"));
  held->on_connected();
  metrics.forget(identity_of("a"));
  held->on_disconnected(DisconnectCause::kModuleExited);
  EXPECT_FALSE(shows(metrics, identity_of("a").to_hex()));
  const auto again = metrics.database(identity_of("a"));
  again->on_connected();
  EXPECT_TRUE(shows(metrics, connected(identity_of("a").to_hex()) + " 1\n"));
}

}  // namespace
}  // namespace worldline::gateway::testing
