// gateway/routes_publish.cc: publish, pre-publish and reset [S 02/3.4-3.6, 04/1.1].
#include <algorithm>

#include <fmt/format.h>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/sats_json.h"

namespace worldline::gateway {
namespace {

constexpr std::chrono::minutes kConfirmationTimeoutMax{5};

HttpResponse success_response(const actors::PublishReply& reply, const std::string& domain,
                              const char* op) {
  return json_response(
      200, fmt::format(R"({{"Success":{{"domain":{},"database_identity":"{}","op":"{}"}}}})",
                       domain, reply.database.to_hex(), op));
}

HttpResponse publish_response(const Result<actors::PublishReply>& reply) {
  if (!reply.ok()) return error_response(reply.status());
  std::string domain;
  if (reply->domain)
    schema::append_json_string(*reply->domain, domain);
  else
    domain = "null";
  switch (reply->op) {
    case actors::PublishOp::kCreated:
      return success_response(*reply, domain, "created");
    case actors::PublishOp::kUpdated:
      return success_response(*reply, domain, "updated");
    case actors::PublishOp::kNameDenied:
      return json_response(401, fmt::format(R"({{"PermissionDenied":{{"name":{}}}}})", domain));
  }
  return error_response(Status::internal("unknown outcome of a publish"));
}

actors::Callback<Result<actors::PublishReply>> answer(std::shared_ptr<Responder> responder) {
  return [responder = std::move(responder)](const Result<actors::PublishReply>& reply) {
    responder->respond(publish_response(reply));
  };
}

bool may_create(const RouteCall& call) {
  const auto& wanted = call.core->config.auth.create_issuer;
  if (!wanted) return true;
  std::string_view issuer = call.credentials->claims.issuer;
  if (!issuer.empty() && issuer.back() == '/') issuer.remove_suffix(1);
  return issuer == *wanted;
}

// What publish and reset have in common.
Result<actors::PublishRequest> read_program(const RouteCall& call) {
  actors::PublishRequest request;
  WL_ASSIGN_OR_RETURN(const auto replicas, call.query.number("num_replicas"));
  request.replica_count = replicas.value_or(0);
  WL_ASSIGN_OR_RETURN(request.host_type, parse_host_type(call.query));
  request.caller = call.caller();
  request.program = call.request.body;
  return request;
}

// The query parameters of [S 02/3.4], each well formed; what they say is judged by the node.
Result<actors::PublishRequest> read_publish(const RouteCall& call) {
  WL_ASSIGN_OR_RETURN(actors::PublishRequest request, read_program(call));
  WL_ASSIGN_OR_RETURN(request.clear, call.query.boolean("clear", false));
  WL_ASSIGN_OR_RETURN(request.parent, parse_related(call.query, "parent"));
  WL_ASSIGN_OR_RETURN(request.organization, parse_related(call.query, "organization"));
  if (!request.organization) {
    WL_ASSIGN_OR_RETURN(request.organization, parse_related(call.query, "org"));
  }
  WL_ASSIGN_OR_RETURN(request.policy, parse_policy(call.query));
  if (const std::string* token = call.query.find("token")) {
    WL_ASSIGN_OR_RETURN(request.token, parse_hash(*token));
  }
  if (const std::string* timeout = call.query.find("update_confirmation_timeout")) {
    WL_ASSIGN_OR_RETURN(const auto parsed, parse_duration(*timeout));
    request.confirmation_timeout = std::min<milliseconds>(parsed, kConfirmationTimeoutMax);
  }
  request.may_create = may_create(call);
  return request;
}

}  // namespace

void handle_publish_new(RouteCall call) {
  auto request = read_publish(call);
  if (request.ok())
    call.core->node.publish(std::move(*request), answer(call.responder));
  else
    call.responder->respond(error_response(request.status()));
}

void handle_publish(RouteCall call) {
  auto database = parse_database(call.parameters[0]);
  auto request =
      database.ok() ? read_publish(call) : Result<actors::PublishRequest>(database.status());
  if (!request.ok()) {
    call.responder->respond(error_response(request.status()));
    return;
  }
  request->database = std::move(*database);
  call.core->node.publish(std::move(*request), answer(call.responder));
}

void handle_pre_publish(RouteCall call) {
  const auto host_type = parse_host_type(call.query);
  const auto ansi_color = parse_plan_style(call.query);
  for (const Status& status : {host_type.status(), ansi_color.status()}) {
    if (status.ok()) continue;
    call.responder->respond(error_response(status));
    return;
  }
  actors::PrePublishRequest request;
  request.database = std::move(call.database);
  request.caller = call.caller();
  request.host_type = *host_type;
  request.program = call.request.body;
  request.ansi_color = *ansi_color;
  call.core->node.pre_publish(std::move(request), [responder = call.responder](auto reply) {
    if (!reply.ok()) {
      responder->respond(error_response(reply.status()));
      return;
    }
    std::string text;
    schema::append_json_string(reply->text, text);
    responder->respond(json_response(
        200, reply->auto_migrate
                 ? fmt::format(R"({{"AutoMigrate":{{"migrate_plan":{},"break_clients":{},)"
                               R"("token":"{}","major_version_upgrade":{}}}}})",
                               text, reply->break_clients, reply->token.to_json_text(),
                               reply->major_version_upgrade)
                 : fmt::format(R"({{"ManualMigrate":{{"reason":{},"major_version_upgrade":{}}}}})",
                               text, reply->major_version_upgrade)));
  });
}

void handle_reset(RouteCall call) {
  auto request = read_program(call);
  if (!request.ok()) {
    call.responder->respond(error_response(request.status()));
    return;
  }
  request->database = std::move(call.database);
  call.core->node.reset(std::move(*request), answer(call.responder));
}

}  // namespace worldline::gateway
