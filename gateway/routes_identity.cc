// gateway/routes_identity.cc: identities and tokens [S 02/3.2].
#include <fmt/format.h>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/sats_json.h"

namespace worldline::gateway {

void handle_new_identity(RouteCall call) {
  const auto issued = call.core->tokens->mint(call.core->now_seconds());
  if (!issued.ok()) {
    call.responder->respond(error_response(issued.status()));
    return;
  }
  // Hex and base64url need no escapes.
  call.responder->respond(
      json_response(200, fmt::format(R"({{"identity":"{}","token":"{}"}})",
                                     issued->claims.identity.to_hex(), issued->token)));
}

void handle_public_key(RouteCall call) {
  HttpResponse response = text_response(200, call.core->tokens->public_key_pem());
  response.content_type = "application/pem-certificate-chain";
  call.responder->respond(std::move(response));
}

void handle_websocket_token(RouteCall call) {
  const auto token =
      call.core->tokens->mint_websocket_token(call.credentials->claims, call.core->now_seconds());
  call.responder->respond(token.ok()
                              ? json_response(200, fmt::format(R"({{"token":"{}"}})", *token))
                              : error_response(token.status()));
}

void handle_verify(RouteCall call) {
  const auto identity = parse_identity(call.parameters[0]);
  if (!identity.ok())
    call.responder->respond(error_response(identity.status()));
  else
    call.responder->respond(
        empty_response(*identity == call.credentials->claims.identity ? 204 : 400));
}

void handle_databases_of(RouteCall call) {
  const auto identity = parse_identity(call.parameters[0]);
  if (!identity.ok()) {
    call.responder->respond(error_response(identity.status()));
    return;
  }
  call.core->node.databases_of(*identity, [responder = call.responder](auto databases) {
    if (!databases.ok()) {
      responder->respond(error_response(databases.status()));
      return;
    }
    std::string json = R"({"identities":[)";
    for (size_t i = 0; i < databases->size(); ++i)
      json += fmt::format(R"({}"{}")", i == 0 ? "" : ",", (*databases)[i].to_hex());
    responder->respond(json_response(200, json + "]}"));
  });
}

}  // namespace worldline::gateway
