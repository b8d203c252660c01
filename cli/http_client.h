// cli/http_client.h
//
// HttpTransport sends one HTTP/1.1 request and reads its answer; BeastTransport does it over TCP,
// one connection per request. Plain http only: for https, put the server behind a local proxy.
//
// Invariants: an HTTP error status is an answer, not a failure. A body sink sees the body of 2xx
// answers as it arrives; other bodies are always collected.
// Thread: the command's one thread; calls block. Units: seconds, bytes.
// Errors: kNotSupported (https), kUnavailable (cannot connect), kIoError (broken off),
// kTimeout, kTooLarge (answer beyond kAnswerBytesMax).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace worldline::cli {

inline constexpr size_t kAnswerBytesMax = size_t{1} << 30;  // One collected answer.

// Where a server is: `protocol://host[:port][/base/path]`.
struct ServerUrl {
  std::string protocol;   // "http" or "https".
  std::string host;       // Without brackets.
  std::string port;       // Decimal; never empty.
  std::string base_path;  // Empty or "/x/y" without a trailing slash.
  std::string text;       // As given, without trailing slashes.

  // `http://h`, `https://h:1/x`, `http://[::1]:3000`.
  static Result<ServerUrl> parse(std::string_view text);
  bool is_local() const { return host == "localhost" || host == "127.0.0.1"; }
  std::string authority() const;  // For the Host header.
};

struct HttpRequest {
  std::string method;
  std::string target;  // Path and query below base_path, e.g. "/v1/ping".
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;                     // Borrowed for the call.
  std::chrono::seconds answer_timeout{600};  // Until the answer's header; zero = no limit.
  // Called with each piece of a 2xx body; returning false ends the request without an error.
  std::function<bool(std::string_view)> sink;
};

struct HttpResponse {
  int status = 0;
  std::string reason;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;                            // Empty if a sink took it.

  bool ok() const { return status >= 200 && status < 300; }
  std::string header(const std::string& lower_name) const;
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse> send(const ServerUrl& server, const HttpRequest& request) = 0;
};

class BeastTransport final : public HttpTransport {
 public:
  Result<HttpResponse> send(const ServerUrl& server, const HttpRequest& request) override;
};

// Percent-encodes everything but letters, digits, `-` and `_`.
std::string percent_encode(std::string_view text);

}  // namespace worldline::cli
