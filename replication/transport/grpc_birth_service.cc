#include "replication/transport/grpc_birth_service.h"

#include <utility>

#include <grpcpp/server_context.h>
#include <proto/replication.grpc.pb.h>

#include "replication/node/birth_codec.h"
#include "replication/transport/grpc_context.h"
#include "replication/transport/peer_directory.h"
#include "replication/transport/wire_limits.h"

namespace worldline::replication {

static_assert(kBirthMessageBytesMax + 2 * kPeerTextBytesMax + 64 <= kSeedCallBytesMax);

class GrpcBirthService::Impl final : public v1::Birth::CallbackService {
 public:
  Impl(const GrpcCredentials& credentials, std::string cluster_name, BirthListener& listener)
      : credentials_(credentials), cluster_name_(std::move(cluster_name)), listener_(listener) {}

  grpc::ServerUnaryReactor* Tell(grpc::CallbackServerContext* context,
                                 const v1::SeedMessage* request, v1::SeedReceipt*) override {
    const Status status = hear(*context, *request);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status.ok() ? grpc::Status::OK
                                : grpc::Status(grpc_code_of(status), status.message()));
    return reactor;
  }

 private:
  Status hear(const grpc::CallbackServerContext& context, const v1::SeedMessage& request) const {
    if (request.ByteSizeLong() > kSeedCallBytesMax)
      return Status::too_large("{} B of a seed; the limit is {}", request.ByteSizeLong(),
                               kSeedCallBytesMax);
    WL_RETURN_IF_ERROR(validate_address(request.from_address()));
    if (credentials_.is_secure()) {
      PeerInfo claimed;
      claimed.name = request.from_name();
      claimed.addresses = {request.from_address()};
      WL_RETURN_IF_ERROR(
          check_certificate(names_of(context.auth_context().get()), cluster_name_, claimed));
    }
    WL_ASSIGN_OR_RETURN(BirthMessage message, decode_birth(as_bytes(request.message())));
    return listener_.on_birth(request.from_address(), std::move(message));
  }

  const GrpcCredentials& credentials_;  // Borrowed.
  const std::string cluster_name_;
  BirthListener& listener_;  // Borrowed.
};

GrpcBirthService::GrpcBirthService(const GrpcCredentials& credentials, std::string cluster_name,
                                   BirthListener& listener)
    : impl_(std::make_unique<Impl>(credentials, std::move(cluster_name), listener)) {}
GrpcBirthService::~GrpcBirthService() = default;

grpc::Service* GrpcBirthService::service() {
  return impl_.get();
}

}  // namespace worldline::replication
