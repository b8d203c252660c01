// gateway/websocket_handshake.h
//
// The opening handshake as a pure function: which requests may become a WebSocket, with which
// subprotocol, and the headers of the 101 answer [S 02/5.2, 5.3; RFC 6455 4.2].
//
// Thread: any. Errors: the HttpResponse to send instead.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/http_message.h"

namespace worldline::gateway {

// Step 2 of [S 02/5.3]: the upgrade headers. nullopt: all is well.
std::optional<HttpResponse> check_upgrade(const HttpRequest& request);

// The best protocol we share, by our preference; nullopt: none.
std::optional<WebSocketProtocol> select_protocol(const std::string& offered);
HttpResponse no_valid_protocol(const std::string& offered);  // 400; says so if v1 was wanted.

// Sec-WebSocket-Accept and Sec-WebSocket-Protocol.
std::vector<std::pair<std::string, std::string>> accept_headers(const std::string& key,
                                                                WebSocketProtocol protocol);

}  // namespace worldline::gateway
