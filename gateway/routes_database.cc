// gateway/routes_database.cc: information, names, lock and deletion of databases [S 02/3.6-3.8,
// 3.12, 3.13].
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/sats_json.h"
#include "schema/utf8.h"

namespace worldline::gateway {
namespace {

std::string json_text(std::string_view text) {
  std::string json;
  schema::append_json_string(text, json);
  return json;
}

// SATS form: a number, so without leading zeros [S 02/4].
std::string sats_identity(const schema::Identity& identity) {
  const std::string hex = identity.to_hex();
  const size_t first = std::min(hex.find_first_not_of('0'), hex.size() - 1);
  return fmt::format(R"({{"__identity__":"0x{}"}})", hex.substr(first));
}

// Looks the database of the route up and hands it on; answers errors itself.
void with_database(const RouteCall& call,
                   std::function<void(const actors::DatabaseInfo&, Responder&)> use) {
  call.core->node.find_database(call.database,
                                [responder = call.responder, use = std::move(use)](auto info) {
                                  if (info.ok())
                                    use(*info, *responder);
                                  else
                                    responder->respond(error_response(info.status()));
                                });
}

actors::Callback<Status> answer_empty(std::shared_ptr<Responder> responder) {
  return [responder = std::move(responder)](const Status& status) {
    responder->respond(status.ok() ? empty_response(200) : error_response(status));
  };
}

void set_locked(const RouteCall& call, bool locked) {
  call.core->node.set_locked(call.database, call.caller(), locked, answer_empty(call.responder));
}

std::string host_type_json(actors::HostType type) {
  return type == actors::HostType::kJs ? R"({"Js":[]})" : R"({"Wasm":[]})";
}

HttpResponse name_in_use(const std::string& name) {
  return json_response(
      400, fmt::format(
               R"({{"OtherError":{}}})",
               json_text(fmt::format("Cannot rename to {} because it already is in use.", name))));
}

// The body of PUT names. Errors: 400, 415 and 422 of [S 02/1.3].
std::optional<HttpResponse> read_names(const HttpRequest& request,
                                       std::vector<std::string>& names) {
  if (!is_json(request.content_type))
    return text_response(415, "Expected request with `Content-Type: application/json`");
  const auto json =
      nlohmann::json::parse(request.body->begin(), request.body->end(), nullptr, false);
  if (json.is_discarded())
    return text_response(400, "Failed to parse the request body as JSON: syntax error");
  bool strings = json.is_array();
  if (strings)
    for (const auto& name : json) strings = strings && name.is_string();
  if (!strings)
    return text_response(422,
                         "Failed to deserialize the JSON body into the target type: "
                         "expected a sequence of strings");
  for (const auto& element : json) {
    const auto name = element.get<std::string>();
    if (const Status status = check_database_name(name); !status.ok())
      return text_response(400, fmt::format("Error parsing `{}`: {}", name, status.message()));
    if (std::find(names.begin(), names.end(), name) != names.end()) return name_in_use(name);
    names.push_back(name);
  }
  return std::nullopt;
}

HttpResponse replaced_response(const Status& status, const schema::Identity& database) {
  if (status.ok()) return json_response(200, R"("Success")");
  if (status.code() == StatusCode::kPermissionDenied)
    return json_response(
        401, fmt::format(R"({{"NotYourDatabase":{{"database":"{}"}}}})", database.to_hex()));
  if (status.code() == StatusCode::kAlreadyExists)  // Its message is the name.
    return name_in_use(status.message());
  return json_response(500, fmt::format(R"({{"OtherError":{}}})", json_text(status.message())));
}

}  // namespace

void handle_delete(RouteCall call) {
  const auto database = parse_database(call.parameters[0]);
  if (!database.ok()) {
    call.responder->respond(error_response(database.status()));
    return;
  }
  const bool by_identity = database->identity.has_value();
  call.core->node.remove(
      *database, call.caller(),
      [core = call.core, responder = call.responder, by_identity](const Status& status) {
        if (status.ok()) forget_deleted_databases(*core);
        const bool gone = status.ok() || (by_identity && status.code() == StatusCode::kNotFound);
        responder->respond(gone ? empty_response(200) : error_response(status));
      });
}

void handle_lock(RouteCall call) {
  set_locked(call, true);
}
void handle_unlock(RouteCall call) {
  set_locked(call, false);
}

void handle_info(RouteCall call) {
  with_database(call, [](const actors::DatabaseInfo& info, Responder& responder) {
    responder.respond(json_response(
        200, fmt::format(R"({{"database_identity":{},"owner_identity":{},"host_type":{},)"
                         R"("initial_program":"{}"}})",
                         sats_identity(info.database), sats_identity(info.owner),
                         host_type_json(info.host_type), info.initial_program.to_json_text())));
  });
}

void handle_identity_of(RouteCall call) {
  const auto database = parse_database(call.parameters[0]);
  if (!database.ok()) {
    call.responder->respond(error_response(database.status()));
    return;
  }
  if (database->identity) {  // Echoed, whether or not there is a database.
    call.responder->respond(text_response(200, database->identity->to_hex()));
    return;
  }
  call.core->node.resolve_database(*database, [responder = call.responder](auto identity) {
    responder->respond(identity.ok() ? text_response(200, identity->to_hex())
                                     : error_response(identity.status()));
  });
}

void handle_names_get(RouteCall call) {
  with_database(call, [](const actors::DatabaseInfo& info, Responder& responder) {
    std::string json = R"({"names":[)";
    for (size_t i = 0; i < info.names.size(); ++i)
      json += (i == 0 ? "" : ",") + json_text(info.names[i]);
    responder.respond(json_response(200, json + "]}"));
  });
}

void handle_names_add(RouteCall call) {
  if (!schema::is_valid_utf8(*call.request.body)) {
    call.responder->respond(
        text_response(400, "Request body didn't contain valid UTF-8: invalid utf-8 sequence"));
    return;
  }
  const std::string name(as_text(*call.request.body));
  if (const Status status = check_database_name(name); !status.ok()) {
    call.responder->respond(error_response(status));
    return;
  }
  call.core->node.add_name(
      call.database, call.caller(), name, [responder = call.responder, name](auto identity) {
        if (identity.ok()) {
          responder->respond(json_response(
              200, fmt::format(R"({{"Success":{{"domain":"{}","database_identity":"{}"}}}})", name,
                               identity->to_hex())));
        } else if (identity.status().code() == StatusCode::kPermissionDenied) {
          responder->respond(
              json_response(401, fmt::format(R"({{"PermissionDenied":{{"domain":"{}"}}}})", name)));
        } else if (identity.status().code() == StatusCode::kAlreadyExists) {
          responder->respond(
              text_response(500, fmt::format("record with the name {} already exists", name)));
        } else {
          responder->respond(error_response(identity.status()));
        }
      });
}

void handle_names_replace(RouteCall call) {
  std::vector<std::string> names;
  if (auto refusal = read_names(call.request, names)) {
    call.responder->respond(std::move(*refusal));
    return;
  }
  actors::NodeApi& node = call.core->node;
  node.resolve_database(
      call.database, [&node, database = call.database, caller = call.caller(),
                      names = std::move(names), responder = call.responder](auto identity) {
        if (!identity.ok()) {
          responder->respond(error_response(identity.status()));
          return;
        }
        node.replace_names(database, caller, names,
                           [responder, identity = *identity](const Status& status) {
                             responder->respond(replaced_response(status, identity));
                           });
      });
}

void handle_schema(RouteCall call) {
  const std::string* version = call.query.find("version");
  if (version == nullptr || (*version != "9" && *version != "10")) {
    call.responder->respond(text_response(
        400, "Failed to deserialize query string: " +
                 (version == nullptr
                      ? std::string("missing field `version`")
                      : fmt::format("unknown variant `{}`, expected `9` or `10`", *version))));
    return;
  }
  call.core->node.schema_json(call.database, *version == "9" ? 9 : 10,
                              [responder = call.responder](auto json) {
                                responder->respond(json.ok() ? json_response(200, std::move(*json))
                                                             : error_response(json.status()));
                              });
}

void handle_timestamp(RouteCall call) {
  call.responder->respond(
      json_response(200, fmt::format(R"({{"__timestamp_micros_since_unix_epoch__":{}}})",
                                     call.core->clock.now().micros)));
}

// Modules with HTTP handlers cannot be published, so no database has a route.
void handle_module_route(RouteCall call) {
  const auto database = parse_database(call.parameters[0]);
  if (!database.ok()) {
    call.responder->respond(error_response(database.status()));
    return;
  }
  call.core->node.resolve_database(*database, [responder = call.responder](auto identity) {
    responder->respond(
        identity.ok() ? text_response(404, "Database has not registered a handler for this route")
                      : error_response(identity.status()));
  });
}

}  // namespace worldline::gateway
