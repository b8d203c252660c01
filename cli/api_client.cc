#include "cli/api_client.h"

#include <cctype>

#include "cli/version.h"
#include "schema/identity.h"

namespace worldline::cli {

Result<HttpResponse> ApiClient::send(HttpRequest request) const {
  request.headers.emplace_back("User-Agent", std::string("worldline-cli/") + kVersion);
  if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
  return transport_.send(server_, request);
}

Result<HttpResponse> ApiClient::get(const std::string& target) const {
  HttpRequest request;
  request.method = "GET";
  request.target = target;
  return send(std::move(request));
}

Result<HttpResponse> ApiClient::post(const std::string& target, std::string_view body) const {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.body = body;
  return send(std::move(request));
}

Result<std::string> ApiClient::mint_token() const {
  WL_ASSIGN_OR_RETURN(const HttpResponse answer, post("/v1/identity", ""));
  WL_ASSIGN_OR_RETURN(const JsonTree body, json_answer(answer));
  std::string token = body.text_of("token");
  if (token.empty())
    return Status::internal("{} answered POST /v1/identity without a token", server_.text);
  return token;
}

Result<std::string> ApiClient::resolve(std::string_view database) const {
  if (std::string identity = parse_identity(database); !identity.empty()) return identity;
  WL_ASSIGN_OR_RETURN(const HttpResponse answer,
                      get("/v1/database/" + percent_encode(database) + "/identity"));
  if (answer.status == 404)
    return Status::not_found("failed to find database `{}` at {}", database, server_.text);
  if (!answer.ok()) return refusal(answer);
  std::string identity = parse_identity(answer.body);
  if (identity.empty())
    return Status::internal("{} answered with something that is no identity: {}", server_.text,
                            answer.body.substr(0, 200));
  return identity;
}

Result<JsonTree> ApiClient::schema(const std::string& identity) const {
  const std::string path = "/v1/database/" + identity + "/schema?version=";
  WL_ASSIGN_OR_RETURN(HttpResponse answer, get(path + "10"));
  if (answer.status >= 400 && answer.status < 500) {
    WL_ASSIGN_OR_RETURN(answer, get(path + "9"));
  }
  return json_answer(answer);
}

Status refusal(const HttpResponse& answer) {
  const std::string status = fmt::format("HTTP status {}{}{}", answer.status,
                                         answer.reason.empty() ? "" : " ", answer.reason);
  std::string body = answer.body;
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.back())) != 0)
    body.pop_back();
  std::string text = body.empty() ? status : body + "\n\nCaused by:\n    " + status;
  if (answer.status == 401 && body.starts_with("Invalid token"))
    text +=
        "\n\nThe stored token was made by another server, or by this one with other keys. "
        "`worldline identity --new` makes a new identity here.";
  switch (answer.status) {
    case 401:
      return Status::unauthenticated("{}", text);
    case 403:
      return Status::permission_denied("{}", text);
    case 404:
      return Status::not_found("{}", text);
    default:
      return Status::unavailable("{}", text);
  }
}

Result<JsonTree> json_answer(const HttpResponse& answer) {
  if (!answer.ok()) return refusal(answer);
  if (answer.header("content-type") != "application/json")
    return Status::internal("expected JSON, got `{}`: {}", answer.header("content-type"),
                            answer.body.substr(0, 2000));
  return JsonTree::parse(answer.body);
}

std::string parse_identity(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  schema::Identity identity;
  return schema::looks_like_identity(text, identity) ? identity.to_hex() : std::string();
}

}  // namespace worldline::cli
