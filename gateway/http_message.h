// gateway/http_message.h
//
// HTTP requests and responses as plain values, between the connection (which knows Beast) and the
// routes (which know the specification). Routes are tested with these alone.
//
// Ownership: values. Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/cancel_flag.h"
#include "base/status.h"
#include "gateway/gateway_config.h"
#include "schema/identity.h"

namespace worldline::gateway {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kOther };

// Fields of a WebSocket upgrade, empty if absent.
struct UpgradeFields {
  std::string connection;
  std::string upgrade;
  std::string version;
  std::string key;
  std::string protocols;  // All Sec-WebSocket-Protocol fields, joined by commas.
};

struct HttpRequest {
  Method method = Method::kGet;
  std::string path;   // As sent, not decoded, without query.
  std::string query;  // Behind the question mark.
  std::optional<std::string> authorization;
  std::optional<std::string> content_type;
  UpgradeFields upgrade;
  SharedBytes body;  // Never null.
  bool from_loopback = false;
  CancelFlagPtr abandoned = nullptr;  // Set when the client leaves before the answer.
};

struct HttpResponse {
  uint16_t status = 200;
  std::string content_type;  // Empty: no such header.
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

inline constexpr char kTextPlain[] = "text/plain; charset=utf-8";
inline constexpr char kJson[] = "application/json";  // The CLI compares it literally [S 02/1.2].

HttpResponse text_response(uint16_t status, std::string text);
HttpResponse json_response(uint16_t status, std::string json);
HttpResponse empty_response(uint16_t status);

// Percent-decoding of one path segment or query component; nullopt: malformed or not UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Query parameters, decoded. Where a name occurs twice, find() gives the first.
class QueryParameters {
 public:
  static Result<QueryParameters> parse(std::string_view query);

  const std::string* find(std::string_view name) const;
  // Absent: `fallback`. Errors are the reasons of [S 02/1.3].
  Result<bool> boolean(std::string_view name, bool fallback) const;
  Result<std::optional<uint64_t>> number(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

// What the upgrade route decided: everything the WebSocket session needs.
enum class WebSocketProtocol : uint8_t { kV2, kV3 };
struct UpgradePlan {
  WebSocketProtocol protocol = WebSocketProtocol::kV3;
  Compression compression = Compression::kNone;
  schema::Identity database;
  schema::Identity identity;
  schema::ConnectionId connection_id;
  std::string token;                                         // Echoed in InitialConnection.
  std::string jwt_payload;                                   // For client_connected.
  std::vector<std::pair<std::string, std::string>> headers;  // Of the 101 response.
};

const char* protocol_name(WebSocketProtocol protocol);  // The subprotocol's text.

}  // namespace worldline::gateway
