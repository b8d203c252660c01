// gateway/router.h
//
// The route table [S 02/2] and what happens before a handler: CORS, method check, authentication,
// query parsing. Handlers answer through the Responder, now or later.
//
// Invariants: every request gets exactly one answer; answers below /v1 carry the CORS headers and
// those of /v1/database the identity headers, errors included [S 02/1.2, 1.5].
// Thread: the connection's I/O thread; a handler runs elsewhere if keys of another issuer had to be
// fetched or the database looked up first, and only reads what is frozen. Errors: HTTP statuses and
// texts of [S 02/1.3].
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway_core.h"
#include "gateway/http_message.h"
#include "gateway/responder.h"

namespace worldline::gateway {

// Who asks: claims and the very token, given or minted for this request.
struct Credentials {
  TokenClaims claims;
  std::string token;
};

// One request on its way through a handler. Handlers may move from it.
struct RouteCall {
  std::shared_ptr<GatewayCore> core;  // The node may answer when the gateway is gone.
  HttpRequest request;
  QueryParameters query;
  std::vector<std::string> parameters;     // Of the path, decoded, in order.
  std::optional<Credentials> credentials;  // Set unless the route looks at none.
  actors::DatabaseRef database;            // Set if the route needs one that exists.
  std::shared_ptr<Responder> responder;

  actors::Caller caller() const {
    return {credentials->claims.identity, credentials->claims.payload};
  }
};

void route_request(GatewayCore& core, HttpRequest request, std::shared_ptr<Responder> responder);

// A request whose body is not read: it is answered with `refusal` where its handler would run, so
// that everything before the handler is as ever.
void refuse_request(GatewayCore& core, HttpRequest request, HttpResponse refusal,
                    std::shared_ptr<Responder> responder);

// How much body the route reads; unknown paths get the common limit.
size_t body_limit_of(Method method, std::string_view path, const HttpConfig& config);

}  // namespace worldline::gateway
