#include "tests/replication/transport/mute_peer.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <proto/replication.grpc.pb.h>

#include "base/crc32c.h"

namespace worldline::replication::testing {

namespace pb = worldline::replication::v1;
using Stream = grpc::ServerReaderWriter<pb::Frame, pb::Frame>;

class MutePeer::Service final : public pb::Replication::Service {
 public:
  Service(const NodeIdentity& identity, TrafficClass unread)
      : identity_(identity), unread_(unread) {}

  grpc::Status Control(grpc::ServerContext*, Stream* stream) override {
    return serve(TrafficClass::kControl, *stream);
  }
  grpc::Status Log(grpc::ServerContext*, Stream* stream) override {
    return serve(TrafficClass::kLog, *stream);
  }
  grpc::Status Bulk(grpc::ServerContext*, Stream* stream) override {
    return serve(TrafficClass::kBulk, *stream);
  }
  grpc::Status Calls(grpc::ServerContext*, Stream* stream) override {
    return serve(TrafficClass::kCalls, *stream);
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  bool wait_envelopes(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [&] { return envelopes_ >= count; });
  }

 private:
  grpc::Status serve(TrafficClass cls, Stream& stream) {
    pb::Frame frame;
    if (!stream.Read(&frame) || !frame.has_handshake())
      return {grpc::StatusCode::INVALID_ARGUMENT, "no handshake"};
    stream.Write(reply());
    if (cls == unread_) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_stopping_; });
      return grpc::Status::CANCELLED;
    }
    while (stream.Read(&frame)) {
      const std::lock_guard lock(mutex_);
      envelopes_ += static_cast<size_t>(frame.envelopes().envelopes_size());
      changed_.notify_all();
    }
    return grpc::Status::OK;
  }

  pb::Frame reply() const {
    pb::HandshakeReply body;
    body.set_cluster_id(std::string(as_text(identity_.cluster)));
    body.set_node_uuid(std::string(as_text(identity_.uuid)));
    body.set_node_id(identity_.node.value);
    body.set_incarnation(identity_.incarnation);
    pb::Frame frame;
    frame.set_wire_version(1);
    *frame.mutable_handshake_reply() = body;
    frame.set_crc32c(crc32c(0, as_bytes(frame.SerializeAsString())));
    return frame;
  }

  const NodeIdentity identity_;
  const TrafficClass unread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  size_t envelopes_ = 0;
};

struct MutePeer::Server {
  std::unique_ptr<grpc::Server> server;
};

MutePeer::MutePeer(const TransportConfig& config, TrafficClass unread)
    : config_(config),
      service_(std::make_unique<Service>(config.identity, unread)),
      server_(std::make_unique<Server>()) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.RegisterService(service_.get());
  server_->server = builder.BuildAndStart();
  WL_CHECK(server_->server != nullptr);
}

MutePeer::~MutePeer() {
  service_->stop();
  server_->server->Shutdown(std::chrono::system_clock::now());
}

PeerInfo MutePeer::info() const {
  PeerInfo peer;
  peer.node = config_.identity.node;
  peer.uuid = config_.identity.uuid;
  peer.name = config_.node_name;
  peer.addresses = {"127.0.0.1:" + std::to_string(port_)};
  return peer;
}

bool MutePeer::wait_envelopes(size_t count) {
  return service_->wait_envelopes(count);
}

namespace {

// Runs one operation to its end.
bool finish_op(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  WL_CHECK(queue.Next(&tag, &ok));
  return ok;
}

}  // namespace

RawAnswer send_raw(uint16_t port, TrafficClass cls, const std::vector<std::string>& frames) {
  constexpr const char* kMethods[] = {"Control", "Log", "Bulk", "Calls"};
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto call = stub.PrepareCall(
      &context, std::string("/worldline.replication.v1.Replication/") + kMethods[slot_of(cls)],
      &queue);
  call->StartCall(nullptr);
  finish_op(queue);
  for (const std::string& frame : frames) {
    const grpc::Slice slice(frame);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    finish_op(queue);
  }
  grpc::ByteBuffer answer;
  for (bool ok = true; ok;) {
    call->Read(&answer, nullptr);
    ok = finish_op(queue);
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  finish_op(queue);
  queue.Shutdown();
  return {status.ok(), std::to_string(status.error_code()), status.error_message()};
}

}  // namespace worldline::replication::testing
