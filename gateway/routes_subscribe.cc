// gateway/routes_subscribe.cc: the WebSocket upgrade, in the order of [S 02/5.3].
#include <array>

#include <fmt/format.h>

#include "gateway/auth/crypto.h"
#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "gateway/websocket_handshake.h"

namespace worldline::gateway {
namespace {

schema::ConnectionId random_connection_id() {
  std::array<Byte, 16> bytes{};
  fill_random(bytes);
  return schema::ConnectionId::from_le_bytes(bytes);
}

// Parameters, checked before anything else is looked at.
Status read_parameters(const RouteCall& call, UpgradePlan& plan) {
  WL_ASSIGN_OR_RETURN(plan.compression, parse_compression(call.query));
  // Accepted and without effect: `light` is v1's, every answer is confirmed [S 02/10.11].
  WL_RETURN_IF_ERROR(call.query.boolean("light", false).status());
  WL_RETURN_IF_ERROR(call.query.boolean("confirmed", true).status());
  const std::string* id = call.query.find("connection_id");
  if (id == nullptr) {
    plan.connection_id = random_connection_id();
    return {};
  }
  auto parsed = schema::ConnectionId::parse(*id);
  if (!parsed.ok()) return parsed.status().with_context("Failed to deserialize query string");
  plan.connection_id = *parsed;
  return {};
}

void finish_upgrade(GatewayCore& core, UpgradePlan plan, const UpgradeFields& fields,
                    const actors::DatabaseInfo& info, Responder& responder) {
  plan.database = info.database;
  const auto metrics = core.metrics->database(info.database);
  const auto protocol = select_protocol(fields.protocols);
  if (!protocol) {
    metrics->on_rejected(RejectCause::kInvalidProtocol);
    responder.respond(no_valid_protocol(fields.protocols));
    return;
  }
  if (!info.running) {
    metrics->on_rejected(RejectCause::kUpgradeError);
    responder.respond(info.outage.empty() ? text_response(500, "no such module")
                                          : text_response(503, info.outage));
    return;
  }
  if (!core.upgrades.take(core.clock.steady())) {
    metrics->on_rejected(RejectCause::kUpgradeError);
    HttpResponse busy = text_response(503, "too many new connections per second");
    busy.headers.emplace_back("retry-after", "5");
    responder.respond(std::move(busy));
    return;
  }
  plan.protocol = *protocol;
  plan.headers = accept_headers(fields.key, *protocol);
  responder.upgrade(std::move(plan));
}

}  // namespace

// A database that is not there has no series.
void count_rejection(const RouteCall& call, RejectCause cause) {
  const auto database = parse_database(call.parameters[0]);
  if (!database.ok()) return;
  const auto count = [weak = call.core->metrics->weak_from_this(), cause](const auto& identity) {
    const auto metrics = weak.lock();
    if (metrics != nullptr && identity.ok()) metrics->database(*identity)->on_rejected(cause);
  };
  call.core->node.resolve_database(*database, count);
}

void handle_subscribe(RouteCall call) {
  UpgradePlan plan;
  const auto database = parse_database(call.parameters[0]);
  const Status parameters = database.ok() ? read_parameters(call, plan) : database.status();
  if (!parameters.ok()) {
    count_rejection(call, RejectCause::kUpgradeError);
    call.responder->respond(error_response(parameters));
    return;
  }
  if (auto refusal = check_upgrade(call.request)) {
    count_rejection(call, RejectCause::kUpgradeError);
    call.responder->respond(std::move(*refusal));
    return;
  }
  if (plan.connection_id.is_zero()) {
    count_rejection(call, RejectCause::kUpgradeError);
    call.responder->respond(
        text_response(400, "Invalid connection ID: the all-zeros ConnectionId is reserved."));
    return;
  }
  plan.identity = call.credentials->claims.identity;
  plan.token = call.credentials->token;
  plan.jwt_payload = call.credentials->claims.payload;
  call.core->node.find_database(
      *database, [core = call.core, plan = std::move(plan), fields = call.request.upgrade,
                  responder = call.responder](auto info) {
        if (info.ok())
          finish_upgrade(*core, plan, fields, *info, *responder);
        else
          responder->respond(error_response(info.status()));
      });
}

}  // namespace worldline::gateway
