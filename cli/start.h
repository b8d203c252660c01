// cli/start.h
//
// StartOptions: everything `worldline start` was told, already checked; run_start() wires a node
// from all rooms and runs it until it is told to stop.
//
// Invariants: values come out of parse_start_options() (cli/start_config.h), which validates every
// one; run_start() need not check them again. Defaults are those of [S 09/1.3].
// Thread: run_start() is called once, on the main thread; it installs the signal handlers.
// Units: sizes in bytes, durations in milliseconds.
// Errors: run_start() returns the exit code of [S 09/1.10] and prints the reason to stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace worldline::cli {

struct StartOptions {
  std::string data_dir;                        // Never empty.
  std::string listen_client = "0.0.0.0:3000";  // address:port; IPv6 in brackets; port 0 = any.
  std::string log_level = "info";              // trace, debug, info, warn, error.
  std::string advertise_client;                // host:port for prometheus/sd_config.
  std::string metrics_exposure = "all";        // Of /v1/metrics: all, loopback, off.
  int64_t metric_databases = 200;              // With series of their own; the rest is `_other`.
  bool log_to_file = true;                     // Also write DATA/logs/.
  bool non_interactive = false;                // Client port in use: fail instead of asking.

  std::string jwt_key_dir;       // Empty: DATA/keys.
  std::string jwt_pub_key_path;  // Both or neither; they win over jwt_key_dir.
  std::string jwt_priv_key_path;
  std::string auth_issuer = "localhost";  // `iss` of our tokens; part of every identity.
  bool allow_anonymous = true;            // false: a request without token gets 401.
  std::string create_issuer;              // Whose tokens may create databases; empty = all.
  std::string external_issuers = "*";     // Whose tokens are accepted too: a,b or * for all.
  bool block_private_issuers = true;      // Do not ask issuers in private networks.
  std::chrono::milliseconds jwks_timeout{5'000};
  int64_t jwks_bytes = 1024 * 1024;  // One answer of an issuer.

  int64_t io_threads = 0;                          // 0 = chosen from the number of cores.
  int64_t max_body_bytes = 2 * 1024 * 1024;        // HTTP bodies except publish.
  int64_t max_program_bytes = 128 * 1024 * 1024;   // Publish bodies.
  int64_t max_clients = 50'000;                    // WebSocket sessions of this node.
  int64_t connect_rate = 2'000;                    // Upgrades per second.
  int64_t client_queue_bytes = 64 * 1024 * 1024;   // Unsent bytes of one client; then it is closed.
  std::chrono::milliseconds call_budget{30'000};   // Wall clock of one reducer.
  std::chrono::milliseconds query_budget{10'000};  // Wall clock of one request that reads.
  int64_t answer_bytes = 256 * 1024 * 1024;        // Rows of one request that reads.

  std::chrono::milliseconds ping_interval{15'000};
  std::chrono::milliseconds idle_timeout{30'000};
  std::chrono::milliseconds close_handshake_timeout{250};
  int64_t incoming_queue_length = 16'384;        // Messages of one client not yet taken.
  int64_t outgoing_queue_length = 16'384;        // Messages to one client not yet sent.
  int64_t max_message_bytes = 32 * 1024 * 1024;  // One WebSocket message from a client.
  bool compress_gzip_clients = false;            // Off: keeps npm clients in order [S 02/12.1].

  int64_t heap_limit_mb = 1024;       // V8 heap of one module.
  int64_t checkpoint_tx = 1'000'000;  // Whichever of the three comes first.
  int64_t checkpoint_log_bytes = 64 * 1024 * 1024;
  std::chrono::milliseconds checkpoint_age{900'000};
  int64_t ballast_bytes = 1024 * 1024 * 1024;  // At most 2 % of the disk; 0 = none.
  std::string free_warn = "20%";
  std::string free_soft = "max(10%, 8GiB)";
  std::string free_hard = "max(5%, 4GiB)";
  std::chrono::milliseconds shutdown_timeout{10'000};  // Then the process ends with code 12.
};

// Runs the node; returns the exit code of the process.
int run_start(const StartOptions& options);

}  // namespace worldline::cli
