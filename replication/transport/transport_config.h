// replication/transport/transport_config.h
//
// Everything about the transport that can be configured, each value with default, unit and reason.
// Parsed in cli/, immutable afterwards; certificates are exchanged with GrpcTransport::reload_tls.
//
// Invariant: validate() accepted it before GrpcTransport::start(). Thread: frozen, read by any.
// Errors: validate() reports all faults at once, one per line.
// Sources: [S 08/3.1], [S 08/5.1], [S 09/1.2], [S 09/1.6].
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "base/limits.h"
#include "base/status.h"
#include "replication/transport/backoff.h"
#include "replication/transport/send_queue.h"
#include "replication/transport/tls_material.h"
#include "replication/transport/transport_types.h"

namespace worldline::replication {

using std::chrono::milliseconds;

// Of one stream.
struct ClassLimits {
  SendQueueLimits queue;
  size_t received_bytes_max = 0;  // Handed out and not yet let go; then the stream is not read.
};

struct TransportConfig {
  NodeIdentity identity;
  std::string cluster_name;     // [cluster.name] For the names in certificates.
  std::string node_name;        // [node.name]
  std::string advertised_host;  // Host other nodes dial; a certificate may name it.

  std::string listen_address = "0.0.0.0:3001";  // [cluster.listen] Port 0: a free one.

  // Absent: neither encryption nor proof of identity. Only for a loopback listener, unless
  // `allow_insecure_network` says that somebody meant it [S 09/1.3 tls.mode].
  std::optional<TlsMaterial> tls;
  bool allow_insecure_network = false;

  // A stream is up after name look-up, connection, TLS and handshake; a node on the same network
  // takes milliseconds. Longer is as good as down.
  milliseconds attempt_timeout{2'000};
  milliseconds handshake_timeout{5'000};  // Of an incoming stream, from its first byte.
  // A stopped peer shows after at most the sum. Raft's heartbeats decide long before.
  milliseconds keepalive_interval{1'000};
  milliseconds keepalive_timeout{1'000};
  Backoff::Range backoff;
  uint64_t jitter_seed = 1;

  // By slot_of(class). Log: what may wait per peer node over all groups [S 08/1.9]; control: 4096
  // heartbeat intervals; bulk: two windows of chunks; calls: two of the largest.
  std::array<ClassLimits, kTrafficClasses.size()> classes = {{
      {{4 * limits::MiB, 16'384}, 8 * limits::MiB},
      {{64 * limits::MiB, 65'536}, 64 * limits::MiB},
      {{16 * limits::MiB, 4'096}, 16 * limits::MiB},
      {{64 * limits::MiB, 65'536}, 64 * limits::MiB},
  }};
  // Streams that others may have open with us, per class: two per peer while one replaces another.
  size_t incoming_streams_max = 2 * 1024;

  bool is_loopback_only() const;  // Of listen_address.
  TlsExpectation tls_expectation() const { return {cluster_name, node_name, advertised_host}; }
  Status validate() const;
  // Without the identity and the classes: a cluster is born before there is the one.
  Status validate_listening() const;
};

}  // namespace worldline::replication
