#include "gateway/websocket_handshake.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "gateway/auth/crypto.h"

namespace worldline::gateway {
namespace {

constexpr char kKeySuffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3.

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

template <typename Equal>
bool list_contains(std::string_view list, std::string_view wanted, Equal equal) {
  while (true) {
    const size_t comma = list.find(',');
    if (equal(trim(list.substr(0, comma)), wanted)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<HttpResponse> check_upgrade(const HttpRequest& request) {
  const UpgradeFields& fields = request.upgrade;
  if (request.method != Method::kGet) return text_response(405, "Request method must be `GET`");
  if (!list_contains(fields.connection, "upgrade", equal_ignoring_case) ||
      !list_contains(fields.upgrade, "websocket", equal_ignoring_case)) {
    HttpResponse response =
        text_response(426, "This service requires use of the websocket protocol");
    response.headers.emplace_back("connection", "upgrade");
    response.headers.emplace_back("upgrade", "websocket");
    return response;
  }
  if (fields.version != "13")
    return text_response(400, "`Sec-WebSocket-Version` header did not include '13'");
  if (fields.key.empty()) return text_response(400, "`Sec-WebSocket-Key` header missing");
  return std::nullopt;
}

std::optional<WebSocketProtocol> select_protocol(const std::string& offered) {
  constexpr std::array kByPreference{WebSocketProtocol::kV3, WebSocketProtocol::kV2};
  for (const WebSocketProtocol protocol : kByPreference)
    if (list_contains(offered, protocol_name(protocol),
                      [](std::string_view a, std::string_view b) { return a == b; }))
      return protocol;
  return std::nullopt;
}

HttpResponse no_valid_protocol(const std::string& offered) {
  std::string text = "no valid protocol selected";
  for (const char* old : {"v1.bsatn.spacetimedb", "v1.json.spacetimedb"})
    if (list_contains(offered, old, [](std::string_view a, std::string_view b) { return a == b; }))
      return text_response(400, text + ": protocol v1 is not supported, v2 and v3 are");
  return text_response(400, std::move(text));
}

std::vector<std::pair<std::string, std::string>> accept_headers(const std::string& key,
                                                                WebSocketProtocol protocol) {
  return {{"sec-websocket-accept", base64_encode(sha1(key + kKeySuffix))},
          {"sec-websocket-protocol", protocol_name(protocol)}};
}

}  // namespace worldline::gateway
