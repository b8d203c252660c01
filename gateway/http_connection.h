// gateway/http_connection.h
//
// HttpConnection serves HTTP/1.1 on one socket: it reads a request, hands it to the routes as a
// plain value, writes the answer, and begins anew; an upgrade turns it into a WebSocketSession
// under the same id.
//
// Invariants: one request at a time; a body is only received within its route's limit and the
// gateway's budget; headers, bodies and answers have deadlines.
// Ownership: a Peer of one IoThread, touched by that thread alone. Errors: broken HTTP is answered
// with 400 or 431 and closed. Sources: [S 02/1], RFC 9112.
#pragma once

#include <memory>

#include "gateway/gateway_core.h"
#include "gateway/io_thread.h"
#include "gateway/socket.h"

namespace worldline::gateway {

// Takes the socket over; the connection lives in the thread's table from here on.
void start_http_connection(GatewayCore& core, IoThread& thread, Socket socket);

}  // namespace worldline::gateway
