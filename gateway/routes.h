// gateway/routes.h
//
// The handlers of the route table, one per row of [S 02/2]; each answers through call.responder.
// Thread: the connection's I/O thread; callbacks of the node run on its threads and only build the
// answer.
#pragma once

#include "gateway/router.h"

namespace worldline::gateway {

using Handler = void (*)(RouteCall call);

// routes_monitoring.cc
// Takes the series of databases that are gone from the metrics page. Cost: a look-up for each.
void forget_deleted_databases(GatewayCore& core);
void handle_ping(RouteCall call);
void handle_health(RouteCall call);
void handle_metrics(RouteCall call);
void handle_scrape_targets(RouteCall call);
void handle_energy_get(RouteCall call);
void handle_energy_add(RouteCall call);
void handle_energy_set(RouteCall call);
void handle_mcp(RouteCall call);

// routes_identity.cc
void handle_new_identity(RouteCall call);
void handle_public_key(RouteCall call);
void handle_websocket_token(RouteCall call);
void handle_verify(RouteCall call);
void handle_databases_of(RouteCall call);

// routes_publish.cc
void handle_publish_new(RouteCall call);
void handle_publish(RouteCall call);
void handle_pre_publish(RouteCall call);
void handle_reset(RouteCall call);

// routes_database.cc
void handle_delete(RouteCall call);
void handle_lock(RouteCall call);
void handle_unlock(RouteCall call);
void handle_info(RouteCall call);
void handle_identity_of(RouteCall call);
void handle_names_get(RouteCall call);
void handle_names_add(RouteCall call);
void handle_names_replace(RouteCall call);
void handle_schema(RouteCall call);
void handle_timestamp(RouteCall call);
void handle_module_route(RouteCall call);

// routes_call.cc
void handle_call(RouteCall call);
void handle_sql(RouteCall call);
void handle_logs(RouteCall call);

// routes_subscribe.cc
void handle_subscribe(RouteCall call);
// Of an attempt to subscribe that ends before its database is looked up. REQUIRES: the parameters
// of that route.
void count_rejection(const RouteCall& call, RejectCause cause);

}  // namespace worldline::gateway
