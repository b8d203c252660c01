// replication/transport/grpc_service.h
//
// The generated service, behind a type that does not drag its headers along: the program hands it
// to the server and asks it for calls of a traffic class, as raw buffers.
//
// Ownership: outlives the server. Thread: request() from the lane of its class.
#pragma once

#include <memory>

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include "replication/transport/transport_types.h"

namespace worldline::replication {

using AcceptedCall = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

class GrpcService {
 public:
  GrpcService();
  ~GrpcService();

  grpc::Service* service();
  // The next call of the class goes to `call` and reports to `tag`.
  void request(TrafficClass cls, grpc::ServerContext& context, AcceptedCall& call,
               grpc::ServerCompletionQueue& queue, void* tag);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::replication
