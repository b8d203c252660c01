#include "gateway/router.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"

namespace worldline::gateway {
namespace {

enum class Auth : uint8_t {
  kNone,      // No credentials are looked at.
  kIfGiven,   // A bad token is 401; nothing is minted.
  kRequired,  // 401 without a token.
  kDatabase,  // [S 02/1.5]: minted if absent; identity headers on every answer.
};
enum class Lookup : uint8_t {
  kLater,  // The handler looks the database up, if there is one.
  kFirst,  // 404 before anything else is judged, a wrong method included.
};
enum class Body : uint8_t { kCommon, kProgram };

struct Route {
  Method method;  // kOther: any.
  std::string_view pattern;
  Auth auth;
  Handler handler;
  Lookup lookup = Lookup::kLater;
  Body body = Body::kCommon;
};

// Rows of [S 02/2]; where several paths fit, the first wins.
constexpr std::array kRoutes{
    Route{Method::kGet, "/v1/ping", Auth::kIfGiven, handle_ping},
    Route{Method::kGet, "/v1/health", Auth::kNone, handle_health},
    Route{Method::kGet, "/v1/metrics", Auth::kNone, handle_metrics},
    Route{Method::kGet, "/v1/prometheus/sd_config", Auth::kNone, handle_scrape_targets},
    Route{Method::kPost, "/v1/identity", Auth::kNone, handle_new_identity},
    Route{Method::kGet, "/v1/identity/public-key", Auth::kNone, handle_public_key},
    Route{Method::kPost, "/v1/identity/websocket-token", Auth::kRequired, handle_websocket_token},
    Route{Method::kGet, "/v1/identity/:identity/verify", Auth::kRequired, handle_verify},
    Route{Method::kGet, "/v1/identity/:identity/databases", Auth::kNone, handle_databases_of},
    Route{Method::kGet, "/v1/energy/:identity", Auth::kNone, handle_energy_get},
    Route{Method::kPost, "/v1/energy/:identity", Auth::kRequired, handle_energy_add},
    Route{Method::kPut, "/v1/energy/:identity", Auth::kRequired, handle_energy_set},
    Route{Method::kPost, "/v1/database", Auth::kDatabase, handle_publish_new, Lookup::kLater,
          Body::kProgram},
    Route{Method::kPut, "/v1/database/:db", Auth::kDatabase, handle_publish, Lookup::kLater,
          Body::kProgram},
    Route{Method::kDelete, "/v1/database/:db", Auth::kDatabase, handle_delete},
    Route{Method::kGet, "/v1/database/:db", Auth::kDatabase, handle_info, Lookup::kFirst},
    Route{Method::kPost, "/v1/database/:db/pre_publish", Auth::kDatabase, handle_pre_publish,
          Lookup::kFirst, Body::kProgram},
    Route{Method::kPost, "/v1/database/:db/pre-publish", Auth::kDatabase, handle_pre_publish,
          Lookup::kFirst, Body::kProgram},
    Route{Method::kPut, "/v1/database/:db/reset", Auth::kDatabase, handle_reset, Lookup::kFirst,
          Body::kProgram},
    Route{Method::kPost, "/v1/database/:db/lock", Auth::kDatabase, handle_lock, Lookup::kFirst},
    Route{Method::kPost, "/v1/database/:db/unlock", Auth::kDatabase, handle_unlock, Lookup::kFirst},
    Route{Method::kGet, "/v1/database/:db/identity", Auth::kDatabase, handle_identity_of},
    Route{Method::kGet, "/v1/database/:db/names", Auth::kDatabase, handle_names_get,
          Lookup::kFirst},
    Route{Method::kPost, "/v1/database/:db/names", Auth::kDatabase, handle_names_add,
          Lookup::kFirst},
    Route{Method::kPut, "/v1/database/:db/names", Auth::kDatabase, handle_names_replace,
          Lookup::kFirst},
    Route{Method::kGet, "/v1/database/:db/schema", Auth::kDatabase, handle_schema, Lookup::kFirst},
    Route{Method::kPost, "/v1/database/:db/call/:function", Auth::kDatabase, handle_call,
          Lookup::kFirst},
    Route{Method::kPost, "/v1/database/:db/sql", Auth::kDatabase, handle_sql, Lookup::kFirst},
    Route{Method::kGet, "/v1/database/:db/logs", Auth::kDatabase, handle_logs, Lookup::kFirst},
    Route{Method::kGet, "/v1/database/:db/unstable/timestamp", Auth::kDatabase, handle_timestamp,
          Lookup::kFirst},
    Route{Method::kGet, "/v1/database/:db/subscribe", Auth::kDatabase, handle_subscribe},
    Route{Method::kOther, "/v1/database/:db/route", Auth::kNone, handle_module_route},
    Route{Method::kOther, "/v1/database/:db/route/*", Auth::kNone, handle_module_route},
    Route{Method::kPost, "/v1/mcp", Auth::kDatabase, handle_mcp},
    Route{Method::kPost, "/v1/database/:db/mcp", Auth::kDatabase, handle_mcp, Lookup::kFirst},
};

// Does the path fit? Fills the raw parameters. `*` at the end takes the rest, the empty one too.
bool matches(std::string_view pattern, std::string_view path,
             std::vector<std::string_view>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    pattern.remove_prefix(1);  // Both begin with a slash here.
    if (path.front() != '/') return false;
    path.remove_prefix(1);
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    if (wanted == "*") return true;
    const std::string_view segment = path.substr(0, path.find('/'));
    if (wanted.front() == ':') {
      if (segment.empty()) return false;
      parameters.push_back(segment);
    } else if (wanted != segment) {
      return false;
    }
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(segment.size());
  }
  return pattern.empty() && path.empty();
}

const char* method_name(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET,HEAD";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kOptions:
      return "OPTIONS";
    case Method::kOther:
      return "";
  }
  return "";
}

struct Match {
  const Route* route = nullptr;       // Path and method fit.
  const Route* first = nullptr;       // The path fits.
  std::string allow;                  // Methods of all routes whose path fits.
  std::vector<std::string_view> raw;  // Parameters.
  // Path or query cannot be decoded: told behind authentication, with the identity [S 02/17].
  std::optional<HttpResponse> malformed;
};

Match find_route(Method method, std::string_view path) {
  if (method == Method::kHead) method = Method::kGet;
  Match match;
  std::vector<std::string_view> raw;
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, path, raw)) continue;
    if (match.first == nullptr) match.first = &route;
    if (match.route == nullptr && (route.method == method || route.method == Method::kOther))
      match.route = &route;
    match.allow += (match.allow.empty() ? "" : ",") + std::string(method_name(route.method));
    match.raw = raw;
  }
  return match;
}

const std::vector<std::pair<std::string, std::string>>& cors_headers() {
  static const std::vector<std::pair<std::string, std::string>> kHeaders{
      {"access-control-allow-origin", "*"},
      {"vary", "origin, access-control-request-method, access-control-request-headers"}};
  return kHeaders;
}

// [S 02/1.2]: every OPTIONS below /v1, module routes included (QUIRK).
HttpResponse preflight_response() {
  HttpResponse response = empty_response(200);
  response.headers.emplace_back("access-control-allow-methods", "*");
  response.headers.emplace_back("access-control-allow-headers",
                                "authorization,accept,content-type");
  return response;
}

// The token of a request: header first, then the query. nullopt: none.
Result<std::optional<std::string>> token_of(const HttpRequest& request,
                                            const QueryParameters& query, bool from_query) {
  if (!request.authorization) {
    const std::string* token = from_query ? query.find("token") : nullptr;
    return token == nullptr ? std::optional<std::string>() : std::optional<std::string>(*token);
  }
  const std::string& value = *request.authorization;
  constexpr std::string_view kScheme = "bearer ";
  bool is_bearer = value.size() > kScheme.size();
  for (size_t i = 0; is_bearer && i < kScheme.size(); ++i)
    is_bearer = static_cast<char>(value[i] | (value[i] == ' ' ? 0 : 0x20)) == kScheme[i];
  if (!is_bearer) return Status::invalid_argument("Authorization is invalid: malformed token");
  return std::optional<std::string>(value.substr(kScheme.size()));
}

// The identity headers of every answer of such a route.
void tell_identity(const RouteCall& call) {
  call.responder->decorate({{"spacetime-identity", call.credentials->claims.identity.to_hex()},
                            {"spacetime-identity-token", call.credentials->token}});
}

// Without a token: an identity of its own where the route has that, else what the route demands.
Status admit_unknown(const Route& route, RouteCall& call) {
  if (route.auth == Auth::kIfGiven) return {};
  if (route.auth != Auth::kDatabase || !call.core->config.auth.allow_anonymous)
    return Status::unauthenticated("Authorization required");
  WL_ASSIGN_OR_RETURN(IssuedToken minted, call.core->tokens->mint(call.core->now_seconds()));
  call.credentials = Credentials{std::move(minted.claims), std::move(minted.token)};
  tell_identity(call);
  return {};
}

// Sets the credentials. `done` runs before this returns, unless the keys of another issuer must be
// fetched.
void authenticate(const Route& route, const std::shared_ptr<RouteCall>& call,
                  std::function<void(const Status&)> done) {
  if (route.auth == Auth::kNone) return done({});
  const auto token = token_of(call->request, call->query, route.auth == Auth::kDatabase);
  if (!token.ok()) return done(token.status());
  if (!*token) return done(admit_unknown(route, *call));
  call->core->verifier.verify(
      **token, call->core->now_seconds(),
      [&route, call, token = **token, done = std::move(done)](Result<TokenClaims> claims) {
        if (!claims.ok()) return done(claims.status());
        call->credentials = Credentials{std::move(*claims), token};
        if (route.auth == Auth::kDatabase) tell_identity(*call);
        done({});
      });
}

// Behind authentication and look-up: the handler, or why it does not run.
void finish(const Match& match, RouteCall call, const std::optional<HttpResponse>& refusal) {
  if (match.route == nullptr) {
    HttpResponse response = empty_response(405);
    response.headers.emplace_back("allow", match.allow);
    call.responder->respond(std::move(response));
  } else if (refusal) {
    call.responder->respond(*refusal);
  } else {
    match.route->handler(std::move(call));
  }
}

void look_up(const Match& match, const Route& route, const std::shared_ptr<RouteCall>& call,
             const std::optional<HttpResponse>& refusal) {
  if (route.lookup == Lookup::kLater) {
    finish(match, std::move(*call), refusal);
    return;
  }
  const auto responder = call->responder;
  auto database = parse_database(call->parameters[0]);
  if (!database.ok()) {
    responder->respond(error_response(database.status()));
    return;
  }
  call->database = std::move(*database);
  call->core->node.resolve_database(call->database, [match, responder, refusal, call](auto found) {
    if (found.ok()) {
      responder->count_for(call->core->metrics->database(*found));
      finish(match, std::move(*call), refusal);
    } else {
      responder->respond(error_response(found.status()));
    }
  });
}

void dispatch(const Match& match, RouteCall call, const std::optional<HttpResponse>& refusal) {
  // A wrong method below /v1/database is authenticated all the same [S 02/1.2].
  const Route& route = match.route != nullptr ? *match.route : *match.first;
  const auto shared = std::make_shared<RouteCall>(std::move(call));
  authenticate(route, shared, [match, &route, shared, refusal](const Status& status) {
    if (status.ok() && match.malformed) {
      shared->responder->respond(*match.malformed);
      return;
    }
    if (status.ok()) {
      look_up(match, route, shared, refusal);
      return;
    }
    if (route.handler == handle_subscribe)
      count_rejection(*shared, RejectCause::kAuthorizationFailed);
    shared->responder->respond(error_response(status));
  });
}

void route(GatewayCore& core, HttpRequest request, std::shared_ptr<Responder> responder,
           const std::optional<HttpResponse>& refusal) {
  const bool is_api = request.path.rfind("/v1/", 0) == 0 || request.path == "/v1";
  if (is_api) responder->decorate(cors_headers());
  if (is_api && request.method == Method::kOptions) {
    responder->respond(preflight_response());
    return;
  }
  const std::string path = request.path;
  Match match = find_route(request.method, path);
  if (match.first == nullptr) {
    responder->respond(empty_response(404));
    return;
  }
  auto query = QueryParameters::parse(request.query);
  if (!query.ok()) match.malformed = error_response(query.status());
  std::vector<std::string> parameters;
  for (const std::string_view raw : std::exchange(match.raw, {})) {
    auto decoded = percent_decode(raw, false);
    if (!decoded) match.malformed = text_response(400, "Invalid URL: malformed escape in path");
    parameters.push_back(decoded.value_or(""));
  }
  dispatch(match,
           RouteCall{core.shared_from_this(),
                     std::move(request),
                     query.ok() ? std::move(*query) : QueryParameters(),
                     std::move(parameters),
                     std::nullopt,
                     {},
                     std::move(responder)},
           refusal);
}

}  // namespace

void route_request(GatewayCore& core, HttpRequest request, std::shared_ptr<Responder> responder) {
  route(core, std::move(request), std::move(responder), std::nullopt);
}

void refuse_request(GatewayCore& core, HttpRequest request, HttpResponse refusal,
                    std::shared_ptr<Responder> responder) {
  route(core, std::move(request), std::move(responder), std::move(refusal));
}

size_t body_limit_of(Method method, std::string_view path, const HttpConfig& config) {
  const Match match = find_route(method, path);
  return match.route != nullptr && match.route->body == Body::kProgram ? config.program_bytes_max
                                                                       : config.body_bytes_max;
}

}  // namespace worldline::gateway
