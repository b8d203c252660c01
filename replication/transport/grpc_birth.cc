#include "replication/transport/grpc_birth.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <proto/replication.grpc.pb.h>

#include "replication/node/birth_codec.h"
#include "replication/transport/grpc_birth_service.h"
#include "replication/transport/grpc_credentials.h"
#include "replication/transport/wire_limits.h"

namespace worldline::replication {
namespace {

// Seeds come up at any time, and a birth takes about a second.
constexpr int kReconnectMsMin = 100;
constexpr int kReconnectMsMax = 1'000;

grpc::ChannelArguments seed_channel_arguments(const TransportConfig& config) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(config.keepalive_interval.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(config.keepalive_timeout.count()));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(config.attempt_timeout.count()));
  // A retry would say again what may be wrong by then.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kSeedCallBytesMax));
  return arguments;
}

void set_seed_arguments(grpc::ServerBuilder& builder, const TransportConfig& config) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kSeedCallBytesMax));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kSeedCallsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(config.handshake_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

}  // namespace

class GrpcBirth::Impl {
 public:
  Impl(TransportConfig config, std::string address, BirthListener& listener)
      : config_(std::move(config)),
        address_(std::move(address)),
        listener_(listener),
        credentials_(config_.tls),
        service_(credentials_, config_.cluster_name, listener) {}

  Status start();
  uint16_t port() const { return static_cast<uint16_t>(port_); }
  void send(const std::string& to, const BirthMessage& message);
  void stop_listening();
  void stop();

 private:
  struct Call {
    grpc::ClientContext context;
    v1::SeedMessage request;
    v1::SeedReceipt receipt;
  };
  struct Seed {
    std::unique_ptr<v1::Birth::Stub> stub;  // Constant after construction.
    std::deque<ByteBuffer> queue;
    std::unique_ptr<Call> call;  // Under way.
  };

  Seed& seed_at(const std::string& address);
  bool prepare_next(Seed& seed);
  void say(const std::string& to, Seed& seed);
  void on_said(const std::string& to, Seed& seed, const grpc::Status& status);

  const TransportConfig config_;
  const std::string address_;
  BirthListener& listener_;  // Borrowed; outlives this.
  GrpcCredentials credentials_;
  GrpcBirthService service_;
  std::shared_ptr<grpc::ServerCredentials> server_credentials_;  // Asked at each TLS handshake.
  std::unique_ptr<grpc::Server> server_;                         // The owner's thread.
  int port_ = 0;

  std::mutex mutex_;
  std::condition_variable quiet_;
  std::map<std::string, Seed> seeds_;  // Guarded by mutex_; never shrinks.
  bool is_stopped_ = false;            // Guarded by mutex_.
  size_t calls_ = 0;                   // Guarded by mutex_: their callbacks are to come.
};

Status GrpcBirth::Impl::start() {
  WL_ASSIGN_OR_RETURN(server_credentials_, credentials_.for_listening());
  grpc::ServerBuilder builder;
  set_seed_arguments(builder, config_);
  builder.AddListeningPort(config_.listen_address, server_credentials_, &port_);
  builder.RegisterService(service_.service());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr)
    return Status::io_error("cannot listen on {} for other seeds", config_.listen_address);
  return Status::ok_status();
}

void GrpcBirth::Impl::stop_listening() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void GrpcBirth::Impl::stop() {
  stop_listening();
  std::unique_lock lock(mutex_);
  is_stopped_ = true;
  for (auto& [address, seed] : seeds_) {
    seed.queue.clear();
    if (seed.call != nullptr) seed.call->context.TryCancel();
  }
  quiet_.wait(lock, [this] { return calls_ == 0; });
}

// REQUIRES: mutex_.
GrpcBirth::Impl::Seed& GrpcBirth::Impl::seed_at(const std::string& address) {
  if (const auto found = seeds_.find(address); found != seeds_.end()) return found->second;
  WL_CHECK(seeds_.size() < kSeedsMax);
  Seed& seed = seeds_[address];
  seed.stub = v1::Birth::NewStub(grpc::CreateCustomChannel(address, credentials_.for_dialling(),
                                                           seed_channel_arguments(config_)));
  return seed;
}

void GrpcBirth::Impl::send(const std::string& to, const BirthMessage& message) {
  std::unique_lock lock(mutex_);
  if (is_stopped_) return;
  Seed& seed = seed_at(to);
  if (seed.queue.size() == kSeedQueueMax) seed.queue.pop_front();
  seed.queue.push_back(encode_birth(message));
  if (seed.call != nullptr || !prepare_next(seed)) return;
  lock.unlock();
  say(to, seed);
}

// REQUIRES: mutex_. False: there is nothing to say.
bool GrpcBirth::Impl::prepare_next(Seed& seed) {
  seed.call.reset();
  if (seed.queue.empty() || is_stopped_) return false;
  const ByteBuffer message = std::move(seed.queue.front());
  seed.queue.pop_front();
  seed.call = std::make_unique<Call>();
  seed.call->request.set_from_address(address_);
  seed.call->request.set_from_name(config_.node_name);
  seed.call->request.set_message(message.data(), message.size());
  seed.call->context.set_deadline(std::chrono::system_clock::now() + config_.attempt_timeout);
  ++calls_;
  return true;
}

// Without the mutex: the library may call back before it returns.
void GrpcBirth::Impl::say(const std::string& to, Seed& seed) {
  Call& call = *seed.call;
  seed.stub->async()->Tell(
      &call.context, &call.request, &call.receipt,
      [this, to, &seed](const grpc::Status& status) { on_said(to, seed, status); });
}

void GrpcBirth::Impl::on_said(const std::string& to, Seed& seed, const grpc::Status& status) {
  std::unique_lock lock(mutex_);
  const bool is_lost = !status.ok() && !is_stopped_;
  if (!status.ok()) seed.queue.clear();
  const bool has_next = prepare_next(seed);
  lock.unlock();
  if (is_lost)
    listener_.on_undelivered(to, Status::unavailable("seed {}: {}", to, status.error_message()));
  if (has_next) say(to, seed);
  lock.lock();
  if (--calls_ == 0) quiet_.notify_all();
}

// ---- The outside --------------------------------------------------------------------------------

GrpcBirth::GrpcBirth(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcBirth::~GrpcBirth() {
  impl_->stop();
}

Result<std::unique_ptr<GrpcBirth>> GrpcBirth::start(TransportConfig config, std::string address,
                                                    BirthListener& listener, Timestamp now) {
  WL_RETURN_IF_ERROR(config.validate_listening());
  if (config.tls)
    WL_RETURN_IF_ERROR(check_tls_material(*config.tls, config.tls_expectation(), now).status());
  auto impl = std::make_unique<Impl>(std::move(config), std::move(address), listener);
  WL_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<GrpcBirth>(new GrpcBirth(std::move(impl)));
}

uint16_t GrpcBirth::port() const {
  return impl_->port();
}
void GrpcBirth::send(const std::string& to, const BirthMessage& message) {
  impl_->send(to, message);
}
void GrpcBirth::stop_listening() {
  impl_->stop_listening();
}
void GrpcBirth::stop() {
  impl_->stop();
}

}  // namespace worldline::replication
