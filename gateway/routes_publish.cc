// gateway/routes_publish.cc: publish, pre-publish and reset [S 02/3.4-3.6, 04/1.1].
#include <algorithm>

#include <fmt/format.h>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/sats_json.h"

namespace worldline::gateway {
namespace {

constexpr uint64_t kReplicasMax = 255;
constexpr std::chrono::minutes kConfirmationTimeoutMax{5};
constexpr char kCreateRefused[] =
    "To create a database, you must be logged in with a SpacetimeDB account.";

std::string publish_json(const actors::PublishReply& reply) {
  std::string json = R"({"Success":{"domain":)";
  if (reply.domain)
    schema::append_json_string(*reply.domain, json);
  else
    json += "null";
  return json + fmt::format(R"(,"database_identity":"{}","op":"{}"}}}})", reply.database.to_hex(),
                            reply.op == actors::PublishOp::kCreated ? "created" : "updated");
}

HttpResponse publish_response(const Result<actors::PublishReply>& reply) {
  if (reply.ok()) return json_response(200, publish_json(*reply));
  const Status status = reply.status();
  if (status.code() != StatusCode::kAlreadyExists) return error_response(status);
  std::string name;  // The name belongs to somebody else; the message is the name.
  schema::append_json_string(status.message(), name);
  return json_response(401, fmt::format(R"({{"PermissionDenied":{{"name":{}}}}})", name));
}

actors::Callback<Result<actors::PublishReply>> answer(std::shared_ptr<Responder> responder) {
  return [responder = std::move(responder)](const Result<actors::PublishReply>& reply) {
    responder->respond(publish_response(reply));
  };
}

// The query parameters of [S 02/3.4], in the order of decisions given there.
Result<actors::PublishRequest> read_publish(const RouteCall& call) {
  actors::PublishRequest request;
  WL_ASSIGN_OR_RETURN(request.clear, call.query.boolean("clear", false));
  WL_ASSIGN_OR_RETURN(const auto replicas, call.query.number("num_replicas"));
  if (replicas && *replicas > kReplicasMax)
    return Status::invalid_argument("Replication factor {} out of bounds", *replicas);
  for (const char* name : {"parent", "organization", "org"})
    if (call.query.find(name) != nullptr)
      return Status::not_supported("the publish parameter `{}` is not supported", name);
  WL_ASSIGN_OR_RETURN(request.host_type, parse_host_type(call.query));
  WL_ASSIGN_OR_RETURN(request.policy, parse_policy(call.query));
  if (const std::string* token = call.query.find("token")) {
    WL_ASSIGN_OR_RETURN(request.token, parse_hash(*token));
  } else if (request.policy == actors::MigrationPolicy::kBreakClients) {
    return Status::invalid_argument(
        "Migration policy is set to `BreakClients`, but no migration token was provided.");
  }
  if (const std::string* timeout = call.query.find("update_confirmation_timeout")) {
    WL_ASSIGN_OR_RETURN(const auto parsed, parse_duration(*timeout));
    request.confirmation_timeout = std::min<milliseconds>(parsed, kConfirmationTimeoutMax);
  }
  request.caller = call.caller();
  request.program = call.request.body;
  return request;
}

bool may_create(const RouteCall& call) {
  const auto& wanted = call.core.config.auth.create_issuer;
  if (!wanted) return true;
  std::string_view issuer = call.credentials->claims.issuer;
  if (!issuer.empty() && issuer.back() == '/') issuer.remove_suffix(1);
  return issuer == *wanted;
}

}  // namespace

void handle_publish_new(RouteCall call) {
  auto request = read_publish(call);
  if (!request.ok()) {
    call.responder->respond(error_response(request.status()));
  } else if (request->clear) {
    call.responder->respond(
        text_response(400, "Clear database requires database name or identity"));
  } else if (!may_create(call)) {
    call.responder->respond(text_response(401, kCreateRefused));
  } else {
    call.core.node.publish(std::move(*request), answer(call.responder));
  }
}

void handle_publish(RouteCall call) {
  auto database = parse_database(call.parameters[0]);
  auto request =
      database.ok() ? read_publish(call) : Result<actors::PublishRequest>(database.status());
  if (!request.ok()) {
    call.responder->respond(error_response(request.status()));
    return;
  }
  request->database = *database;
  actors::NodeApi& node = call.core.node;
  if (may_create(call)) {
    node.publish(std::move(*request), answer(call.responder));
    return;
  }
  // Updating is allowed, creating is not: which of the two would it be?
  node.find_database(*database,
                     [&node, request = std::move(*request), responder = call.responder](auto info) {
                       if (info.ok())
                         node.publish(request, answer(responder));
                       else
                         responder->respond(text_response(401, kCreateRefused));
                     });
}

void handle_pre_publish(RouteCall call) {
  const auto database = parse_database(call.parameters[0]);
  const auto host_type = parse_host_type(call.query);
  if (!database.ok() || !host_type.ok()) {
    call.responder->respond(error_response(database.ok() ? host_type.status() : database.status()));
    return;
  }
  actors::PrePublishRequest request;
  request.database = *database;
  request.caller = call.caller();
  request.host_type = *host_type;
  request.program = call.request.body;
  const std::string* style = call.query.find("style");
  if (style == nullptr) style = call.query.find("pretty_print_style");  // What the CLI sends.
  request.ansi_color = style == nullptr || *style != "NoColor";
  call.core.node.pre_publish(std::move(request), [responder = call.responder](auto reply) {
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
  auto database = parse_database(call.parameters[0]);
  auto request =
      database.ok() ? read_publish(call) : Result<actors::PublishRequest>(database.status());
  if (!request.ok()) {
    call.responder->respond(error_response(request.status()));
    return;
  }
  request->database = *database;
  request->clear = true;
  call.core.node.reset(std::move(*request), answer(call.responder));
}

}  // namespace worldline::gateway
