// gateway/routes_monitoring.cc: liveness, metrics and the constants of obsolete or unsupported
// routes [S 02/3.1, 3.3, 3.14].
#include <fmt/format.h>

#include "gateway/process_samples.h"
#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/sats_json.h"

namespace worldline::gateway {

void handle_ping(RouteCall call) {
  call.responder->respond(empty_response(200));
}

void handle_health(RouteCall call) {
  std::string json =
      R"({"nodes":[0],"package_name":"spacetimedb-client-api","schedulable":true,"version":)";
  schema::append_json_string(call.core->config.version, json);
  call.responder->respond(json_response(200, json + "}"));
}

void forget_deleted_databases(GatewayCore& core) {
  for (const schema::Identity& identity : core.metrics->known_databases())
    core.node.resolve_database(
        {identity, {}}, [weak = core.metrics->weak_from_this(), identity](const auto& found) {
          const auto metrics = weak.lock();
          const bool is_gone = !found.ok() && found.status().code() == StatusCode::kNotFound;
          if (metrics != nullptr && is_gone) metrics->forget(identity);
        });
}

void handle_metrics(RouteCall call) {
  const MetricsExposure exposure = call.core->config.http.metrics;
  if (exposure == MetricsExposure::kOff ||
      (exposure == MetricsExposure::kLoopback && !call.request.from_loopback)) {
    call.responder->respond(empty_response(404));
    return;
  }
  forget_deleted_databases(*call.core);  // Those a late answer or another node brought back.
  std::vector<actors::MetricSample> samples = call.core->node.metrics();
  append_process_samples("/proc/self", samples);
  call.responder->respond(text_response(200, call.core->metrics->render(samples)));
}

void handle_scrape_targets(RouteCall call) {
  std::string json = R"([{"targets":[)";
  schema::append_json_string(call.core->config.advertise, json);
  call.responder->respond(json_response(200, json + R"(],"labels":{}}])"));
}

// Energy is obsolete: every balance is 0 and nothing changes it.
void handle_energy_get(RouteCall call) {
  const auto identity = parse_identity(call.parameters[0]);
  call.responder->respond(identity.ok() ? json_response(200, R"({"balance":"0"})")
                                        : error_response(identity.status()));
}

void handle_energy_add(RouteCall call) {
  const auto amount = call.query.number("amount");
  call.responder->respond(amount.ok() ? json_response(200, R"({"balance":"0"})")
                                      : empty_response(400));
}

void handle_energy_set(RouteCall call) {
  call.responder->respond(empty_response(401));
}

void handle_mcp(RouteCall call) {
  call.responder->respond(text_response(501, "MCP is not supported"));
}

}  // namespace worldline::gateway
