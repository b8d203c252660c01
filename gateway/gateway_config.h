// gateway/gateway_config.h
//
// Everything about the gateway that can be configured, each value with default, unit and reason.
// Parsed in cli/, immutable afterwards. Names in brackets are the keys of [S 09/1.3].
//
// Invariant: validate() accepted it before Gateway::open(). Thread: frozen, read by any.
// Errors: validate() reports all faults at once, one per line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/status.h"

namespace worldline::gateway {

using std::chrono::milliseconds;

enum class MetricsExposure : uint8_t { kAll, kLoopback, kOff };
enum class Compression : uint8_t { kNone, kGzip, kBrotli };

struct WebSocketConfig {
  milliseconds ping_interval{15'000};            // [websocket.ping-interval]
  milliseconds idle_timeout{30'000};             // [websocket.idle-timeout] > ping_interval.
  milliseconds close_handshake_timeout{250};     // [websocket.close-handshake-timeout]
  uint32_t incoming_messages_max = 16'384;       // [websocket.incoming-queue-length] Then 1013.
  uint32_t outgoing_messages_max = 16'384;       // [websocket.outgoing-queue-length] Then dropped.
  size_t incoming_bytes_max = 4 * limits::MiB;   // Posted and not yet consumed; then reading stops.
  size_t outgoing_bytes_max = 64 * limits::MiB;  // [limits.client-queue-bytes] Then dropped.
  size_t message_bytes_max = limits::kClientMessageBytesMax;  // [websocket.max-message]
  size_t coalesce_bytes = 512 * limits::KiB;    // v3: messages share a frame up to here [S 02/8].
  size_t compress_above_bytes = 1024;           // Longer bodies are compressed [S 02/5.4].
  bool compress_gzip_clients = false;           // [websocket.compress-gzip-clients] npm reorders.
  size_t read_buffer_bytes = 64 * limits::KiB;  // One read; its calls form one batch.
};

struct HttpConfig {
  size_t header_bytes_max = 64 * limits::KiB;  // Request line and fields; tokens live in both.
  size_t body_bytes_max = 2 * limits::MiB;     // [limits.max-body]
  size_t program_bytes_max = limits::kProgramBytesMax;  // [limits.max-program]
  size_t bodies_bytes_max = limits::GiB;  // All bodies being received together; then 503.
  milliseconds header_timeout{30'000};    // From the first wait for a request, keep-alive included.
  milliseconds body_timeout{300'000};     // A program over a slow line.
  milliseconds write_timeout{60'000};     // One answer to a reader that stalls.
  size_t log_stream_bytes_max = 64 * limits::MiB;   // Unsent lines of one reader; then cut off.
  MetricsExposure metrics = MetricsExposure::kAll;  // [http.metrics-on-client-port]
};

struct AuthConfig {
  std::string key_dir;           // [certificate-authority, --jwt-key-dir]; id_ecdsa, id_ecdsa.pub.
  std::string private_key_path;  // Both or neither; they win over key_dir.
  std::string public_key_path;
  std::string issuer = "localhost";               // [auth.issuer] Changing it changes identities.
  bool allow_anonymous = true;                    // [auth.anonymous] false: 401 without a token.
  std::optional<std::string> create_issuer;       // [auth.create-issuer] Who may create databases.
  std::chrono::seconds websocket_token_life{60};  // [S 02/11.6]
  std::chrono::seconds expiry_leeway{60};         // [S 02/11.4]
  size_t token_bytes_max = 16 * limits::KiB;      // A longer token is not looked at.
  // Whose tokens are accepted besides ours: exact `iss`, or `*` for all. [auth.external-issuers]
  std::vector<std::string> external_issuers{"*"};
  bool block_private_issuers = true;       // [auth.block-private-issuers] Not even by name.
  milliseconds key_set_timeout{5'000};     // [auth.jwks-timeout] One request to an issuer.
  size_t key_set_bytes_max = limits::MiB;  // [auth.jwks-max-bytes] One answer of an issuer.
};

struct GatewayConfig {
  std::string listen_address = "0.0.0.0";  // [listen.client]
  uint16_t listen_port = 3000;             // 0: any free one; see Gateway::port().
  uint32_t io_threads = 1;                 // [limits.io-threads] One io_context each.
  uint32_t connections_max = 50'000;       // [limits.max-clients] HTTP and WebSocket; then 503.
  uint32_t connect_rate_max = 2'000;       // [limits.connect-rate] Upgrades per second; then 503.
  uint32_t metric_databases_max = 200;     // [metrics.max-databases] The rest is `_other`.
  milliseconds tick{250};                  // How often timeouts of sessions are looked at.
  milliseconds stop_grace{10'000};         // For answers and close handshakes in stop().
  std::string advertise = "node:80";       // [listen.advertise-client] In prometheus/sd_config.
  std::string version = "2.8.3";           // What clients compare: of the reference [S 02/3.1].
  WebSocketConfig websocket;
  HttpConfig http;
  AuthConfig auth;
  const Clock* clock = nullptr;  // Borrowed, thread-safe; null: the system's.

  Status validate() const;
};

}  // namespace worldline::gateway
