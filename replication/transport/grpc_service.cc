#include "replication/transport/grpc_service.h"

#include <proto/replication.grpc.pb.h>

namespace worldline::replication {

class GrpcService::Impl final
    : public v1::Replication::WithRawMethod_Control<
          v1::Replication::WithRawMethod_Log<v1::Replication::WithRawMethod_Bulk<
              v1::Replication::WithRawMethod_Calls<v1::Replication::Service>>>> {};

GrpcService::GrpcService() : impl_(std::make_unique<Impl>()) {}
GrpcService::~GrpcService() = default;

grpc::Service* GrpcService::service() {
  return impl_.get();
}

void GrpcService::request(TrafficClass cls, grpc::ServerContext& context, AcceptedCall& call,
                          grpc::ServerCompletionQueue& queue, void* tag) {
  switch (cls) {
    case TrafficClass::kControl:
      return impl_->RequestControl(&context, &call, &queue, &queue, tag);
    case TrafficClass::kLog:
      return impl_->RequestLog(&context, &call, &queue, &queue, tag);
    case TrafficClass::kBulk:
      return impl_->RequestBulk(&context, &call, &queue, &queue, tag);
    case TrafficClass::kCalls:
      return impl_->RequestCalls(&context, &call, &queue, &queue, tag);
  }
}

}  // namespace worldline::replication
