// bench/load/http_call.h
//
// One blocking HTTP/1.1 request per call, over a connection of its own: enough to publish, seed and
// check. Also where `http://host:port` is taken apart and sockets are opened.
//
// Thread: any. Errors: kUnavailable if the node cannot be reached, kIoError on the way,
// kInvalidArgument for a malformed answer. An HTTP error status is a value, not an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::bench {

struct NodeAddress {
  std::string host;
  uint16_t port = 80;
  std::string authority() const;  // host:port
};
Result<NodeAddress> parse_uri(std::string_view uri);

// A connected TCP socket with Nagle's algorithm off. The caller closes it.
Result<int> connect_tcp(const NodeAddress& address);
Status send_all(int fd, Bytes bytes);

struct HttpRequest {
  std::string_view method;
  std::string_view path;   // With query.
  std::string_view token;  // Bearer; empty = none.
  std::string_view content_type;
  Bytes body;
  std::chrono::seconds timeout{120};
};
struct HttpReply {
  int status = 0;
  std::string body;
};
Result<HttpReply> http_call(const NodeAddress& address, const HttpRequest& request);

// The same, but a status other than 200 is an error that quotes the body.
Result<std::string> http_ok(const NodeAddress& address, const HttpRequest& request);

// The string value of `"key":"..."`, empty if absent. For flat answers of known shape.
std::string json_string(std::string_view json, std::string_view key);

}  // namespace worldline::bench
