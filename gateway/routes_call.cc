// gateway/routes_call.cc: reducer calls, SQL and logs over HTTP [S 02/3.9-3.11].
#include <limits>

#include <fmt/format.h>

#include "gateway/route_arguments.h"
#include "gateway/routes.h"
#include "gateway/status_to_http.h"
#include "schema/utf8.h"

namespace worldline::gateway {
namespace {

constexpr char kDurationHeader[] = "spacetime-execution-duration-micros";
constexpr char kEnergyHeader[] = "spacetime-energy-used";

HttpResponse call_response(const actors::CallReply& reply) {
  switch (reply.outcome) {
    case actors::CallStatus::kCommitted:
      return empty_response(200);
    case actors::CallStatus::kReducerFailed:
      return text_response(530, reply.text);
    case actors::CallStatus::kOutOfBudget:
      return text_response(402, "Module energy budget exhausted.");
    case actors::CallStatus::kNoSuchFunction:
      return text_response(404, "No such procedure");
    case actors::CallStatus::kLifecycle:
    case actors::CallStatus::kBadArguments:
      return text_response(400, reply.text);
    case actors::CallStatus::kConnectRefused:
      return text_response(403, reply.text);
    case actors::CallStatus::kConnectBudget:
      return text_response(503, reply.text);
    case actors::CallStatus::kFailed:
      break;
  }
  if (reply.status.code() == StatusCode::kUnavailable) return text_response(500, "no such module");
  return error_response(reply.status);
}

// Whatever is wrong with the statement is 400, and client_connected may refuse the caller; the
// node's own troubles keep their status.
HttpResponse sql_response(Result<actors::SqlReply>& reply) {
  if (reply.ok()) {
    HttpResponse response = json_response(200, std::move(reply->json));
    response.headers.emplace_back(kDurationHeader, fmt::to_string(reply->execution_micros));
    return response;
  }
  const Status status = reply.status();
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kPermissionDenied:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kAlreadyExists:
    case StatusCode::kNotSupported:
    case StatusCode::kTooLarge:
      return text_response(400, status.message());
    case StatusCode::kUserError:
      return text_response(403, status.message());
    case StatusCode::kOk:
    case StatusCode::kUnauthenticated:
    case StatusCode::kOverloaded:
    case StatusCode::kUnavailable:
    case StatusCode::kTimeout:
    case StatusCode::kModuleFatal:
    case StatusCode::kIoError:
    case StatusCode::kCorruption:
    case StatusCode::kInternal:
      break;
  }
  return error_response(status);
}

bool was_executed(actors::CallStatus outcome) {
  return outcome == actors::CallStatus::kCommitted ||
         outcome == actors::CallStatus::kReducerFailed ||
         outcome == actors::CallStatus::kOutOfBudget;
}

}  // namespace

void handle_call(RouteCall call) {
  if (!call.request.content_type) {
    call.responder->respond(text_response(400, "Header of type `content-type` was missing"));
    return;
  }
  if (!is_json(call.request.content_type)) {
    call.responder->respond(
        text_response(415, "Expected request with `Content-Type: application/json`"));
    return;
  }
  if (!schema::is_valid_utf8(*call.request.body)) {
    call.responder->respond(text_response(400, "Request body didn't contain valid UTF-8"));
    return;
  }
  actors::CallRequest request;
  request.database = std::move(call.database);
  request.caller = call.caller();
  request.function = call.parameters[1];
  request.args_json = as_text(*call.request.body);
  call.core->node.call(
      std::move(request), [responder = call.responder](const actors::CallReply& reply) {
        HttpResponse response = call_response(reply);
        if (was_executed(reply.outcome)) {
          response.headers.emplace_back(kEnergyHeader, "0");
          response.headers.emplace_back(kDurationHeader, fmt::to_string(reply.execution_micros));
        }
        responder->respond(std::move(response));
      });
}

void handle_sql(RouteCall call) {
  const auto confirmed = call.query.boolean("confirmed", true);  // Changes nothing [S 02/10.11].
  if (!confirmed.ok()) {
    call.responder->respond(error_response(confirmed.status()));
    return;
  }
  if (!schema::is_valid_utf8(*call.request.body)) {
    call.responder->respond(
        text_response(400, "Request body didn't contain valid UTF-8: invalid utf-8 sequence"));
    return;
  }
  actors::SqlRequest request;
  request.database = std::move(call.database);
  request.caller = call.caller();
  request.statement = as_text(*call.request.body);
  request.abandoned = call.request.abandoned;
  call.core->node.sql(std::move(request), [responder = call.responder](auto reply) {
    responder->respond(sql_response(reply));
  });
}

void handle_logs(RouteCall call) {
  const auto lines = call.query.number("num_lines");
  const auto follow = call.query.boolean("follow", false);
  for (const Status& status : {lines.status(), follow.status()}) {
    if (status.ok()) continue;
    call.responder->respond(error_response(status));
    return;
  }
  if (*lines && **lines > std::numeric_limits<uint32_t>::max()) {
    call.responder->respond(text_response(
        400, "Failed to deserialize query string: number too large to fit in target type"));
    return;
  }
  actors::LogsRequest request;
  request.database = std::move(call.database);
  request.caller = call.caller();
  if (*lines) request.line_count = static_cast<uint32_t>(**lines);
  request.follow = *follow;
  const auto stream = call.responder->make_log_stream(call.core->config.http.log_stream_bytes_max);
  call.core->node.logs(std::move(request), stream,
                       [responder = call.responder, stream](const Status& status) {
                         if (!status.ok()) {
                           responder->respond(error_response(status));
                           return;
                         }
                         HttpResponse head;
                         head.content_type = "application/x-ndjson";
                         head.headers.emplace_back("cache-control", "no-cache");
                         responder->stream(std::move(head), stream);
                       });
}

}  // namespace worldline::gateway
