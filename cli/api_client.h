// cli/api_client.h
//
// ApiClient: the requests of the HTTP interface [S 02/3] as a command needs them, against one
// server with one token.
//
// Invariants: an answer that must be JSON is refused unless its content type says exactly
// application/json [S 07/6.3]. Thread: the command's one thread; calls block.
// Errors: those of HttpTransport; kNotFound for an unknown database; kUnavailable with the answer's
// body and status for every other refusal.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cli/http_client.h"
#include "cli/json_tree.h"

namespace worldline::cli {

class ApiClient {
 public:
  ApiClient(HttpTransport& transport, ServerUrl server, std::string token)
      : transport_(transport), server_(std::move(server)), token_(std::move(token)) {}

  const ServerUrl& server() const { return server_; }

  // Any request; adds the token and the user agent.
  Result<HttpResponse> send(HttpRequest request) const;
  Result<HttpResponse> get(const std::string& target) const;
  Result<HttpResponse> post(const std::string& target, std::string_view body) const;

  // POST /v1/identity: a fresh identity's token.
  Result<std::string> mint_token() const;
  // The identity behind a database name; an identity is returned as it is, without `0x`.
  Result<std::string> resolve(std::string_view database) const;
  // Raw module definition, version 10 or, if the server does not have that, 9.
  Result<JsonTree> schema(const std::string& identity) const;

 private:
  HttpTransport& transport_;  // Borrowed; outlives this.
  ServerUrl server_;
  std::string token_;  // Empty: anonymous.
};

// The failure an answer stands for: its body, with the status as the cause.
Status refusal(const HttpResponse& answer);

// Body of a 2xx JSON answer.
Result<JsonTree> json_answer(const HttpResponse& answer);

// 64 hex digits, optionally after `0x`: the digits in lower case; else empty.
std::string parse_identity(std::string_view text);

}  // namespace worldline::cli
