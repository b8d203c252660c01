#include "gateway/gateway_config.h"

#include <fmt/format.h>

namespace worldline::gateway {
namespace {

class Faults {
 public:
  void require(bool holds, std::string_view key, std::string_view text) {
    if (!holds) text_ += fmt::format("{}{}: {}", text_.empty() ? "" : "\n", key, text);
  }
  Status status() const { return text_.empty() ? Status() : Status::invalid_argument("{}", text_); }

 private:
  std::string text_;
};

void check_websocket(const WebSocketConfig& c, Faults& faults) {
  faults.require(c.ping_interval.count() > 0, "websocket.ping-interval", "must be positive");
  faults.require(c.idle_timeout > c.ping_interval, "websocket.idle-timeout",
                 "must exceed the ping interval");
  faults.require(c.close_handshake_timeout.count() > 0, "websocket.close-handshake-timeout",
                 "must be positive");
  faults.require(c.incoming_messages_max > 0, "websocket.incoming-queue-length",
                 "must be positive");
  faults.require(c.outgoing_messages_max > 0, "websocket.outgoing-queue-length",
                 "must be positive");
  faults.require(c.incoming_bytes_max > 0, "websocket.incoming_bytes_max", "must be positive");
  faults.require(c.outgoing_bytes_max > 0, "limits.client-queue-bytes", "must be positive");
  faults.require(c.message_bytes_max > 0 && c.message_bytes_max <= limits::GiB,
                 "websocket.max-message", "must be between 1 B and 1 GiB");
  faults.require(c.coalesce_bytes > 0, "websocket.coalesce_bytes", "must be positive");
  faults.require(c.read_buffer_bytes >= 256, "websocket.read_buffer_bytes",
                 "must be at least 256 B");
}

void check_http(const HttpConfig& c, Faults& faults) {
  faults.require(c.header_bytes_max >= limits::KiB && c.header_bytes_max <= limits::MiB,
                 "http.header_bytes_max", "must be between 1 KiB and 1 MiB");
  faults.require(c.body_bytes_max > 0, "limits.max-body", "must be positive");
  faults.require(c.program_bytes_max >= c.body_bytes_max, "limits.max-program",
                 "must not be below limits.max-body");
  faults.require(c.bodies_bytes_max >= c.program_bytes_max, "http.bodies_bytes_max",
                 "must hold one program");
  faults.require(
      c.header_timeout.count() > 0 && c.body_timeout.count() > 0 && c.write_timeout.count() > 0,
      "http timeouts", "must be positive");
  faults.require(c.log_stream_bytes_max > 0, "http.log_stream_bytes_max", "must be positive");
}

void check_auth(const AuthConfig& c, Faults& faults) {
  faults.require(c.private_key_path.empty() == c.public_key_path.empty(), "certificate-authority",
                 "needs both key paths or neither");
  faults.require(!c.key_dir.empty() || !c.private_key_path.empty(), "certificate-authority",
                 "no key directory and no key paths");
  faults.require(
      !c.issuer.empty() && c.issuer.size() <= 128 && c.issuer.find('|') == std::string::npos,
      "auth.issuer", "must be 1 to 128 bytes without |");
  for (const std::string& issuer : c.external_issuers)
    faults.require(!issuer.empty() && issuer.size() <= 128 && issuer.find('|') == std::string::npos,
                   "auth.external-issuers", "must be 1 to 128 bytes each, without |");
  faults.require(c.key_set_timeout.count() > 0, "auth.jwks-timeout", "must be positive");
  faults.require(c.key_set_bytes_max >= limits::KiB, "auth.jwks-max-bytes",
                 "must be at least 1 KiB");
  faults.require(c.token_bytes_max >= limits::KiB, "auth.token_bytes_max",
                 "must be at least 1 KiB");
}

}  // namespace

Status GatewayConfig::validate() const {
  Faults faults;
  faults.require(io_threads >= 1 && io_threads <= 256, "limits.io-threads", "must be 1 to 256");
  faults.require(metric_databases_max > 0, "metrics.max-databases", "must be positive");
  faults.require(connections_max > 0, "limits.max-clients", "must be positive");
  faults.require(connect_rate_max > 0, "limits.connect-rate", "must be positive");
  faults.require(tick.count() > 0, "tick", "must be positive");
  faults.require(stop_grace.count() > 0, "stop_grace", "must be positive");
  check_websocket(websocket, faults);
  check_http(http, faults);
  check_auth(auth, faults);
  return faults.status();
}

}  // namespace worldline::gateway
