// replication/transport/grpc_credentials.h
//
// GrpcCredentials gives both sides of a connection their certificates. Material can be exchanged
// while everything runs: each new connection, dialled or accepted, takes what is in force then.
//
// The library's own reload watches files; ours also has to serve material that was derived and
// never lay in a file [S 09/1.6 auto], so the owner polls and exchanges. The dialler takes a fresh
// provider per attempt, the listener a callback that the library makes before each TLS handshake.
// Both verify the chain; names are checked by peer_identity.h, because a node's certificate may
// carry its URI and no host name.
//
// The TLS version is what the library negotiates: 1.3 between nodes of ours. gRPC 1.51 has no
// setting to refuse 1.2.
//
// Ownership: outlives the server and the channels made with it. Thread: any; the mutex guards the
// exchange.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "replication/transport/peer_identity.h"
#include "replication/transport/tls_material.h"

namespace worldline::replication {

class GrpcCredentials {
 public:
  // Absent: insecure. REQUIRES: the material was checked.
  explicit GrpcCredentials(std::optional<TlsMaterial> material);

  bool is_secure() const { return is_secure_; }
  // REQUIRES: is_secure(); checked material. False: it equals what is in force.
  bool exchange(TlsMaterial material);

  std::shared_ptr<grpc::ChannelCredentials> for_dialling() const;
  // To be kept until the server is gone. kInternal: the library does not take the material.
  Result<std::shared_ptr<grpc::ServerCredentials>> for_listening();

  struct Versioned {
    std::shared_ptr<const TlsMaterial> material;
    uint64_t version = 0;
  };
  Versioned current() const;

 private:
  const bool is_secure_;
  mutable std::mutex mutex_;
  Versioned current_;  // Guarded by mutex_.
};

// The names in the certificate of the other side; empty if it has none.
CertificateNames names_of(const grpc::AuthContext* context);

}  // namespace worldline::replication
