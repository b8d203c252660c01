// replication/transport/grpc_birth_service.h
//
// GrpcBirthService is the listening side of a cluster's birth: one message per call, checked and
// handed to the listener, whose verdict is the answer. It can be added to any server.
//
// Limits: a call of more than kSeedCallBytesMax is refused. What is under way at once is bounded by
//   the connections and by kSeedCallsPerConnectionMax; no call waits for anything.
// Ownership: outlives the server; borrows the rest. Thread: the library's own, any number.
// Errors: told to the caller; kInvalidArgument no message, kPermissionDenied the certificate is
//   not that of a node of this cluster, or what the listener says.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/impl/service_type.h>

#include "replication/transport/birth_listener.h"
#include "replication/transport/grpc_credentials.h"

namespace worldline::replication {

class GrpcBirthService {
 public:
  // Borrowed; they outlive this. `cluster_name` is for the names in certificates.
  GrpcBirthService(const GrpcCredentials& credentials, std::string cluster_name,
                   BirthListener& listener);
  ~GrpcBirthService();

  grpc::Service* service();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::replication
