#include "replication/transport/grpc_transport.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "replication/transport/grpc_birth_service.h"
#include "replication/transport/grpc_lane_side.h"

namespace worldline::replication {
namespace {

// Counts what has to happen; shared by those who make it happen, who may be later than the waiter.
class Countdown {
 public:
  explicit Countdown(size_t count) : left_(count) {}
  void count_down() {
    const std::lock_guard lock(mutex_);
    if (left_ > 0 && --left_ == 0) zero_.notify_all();
  }
  void wait_for(std::chrono::milliseconds within) {
    std::unique_lock lock(mutex_);
    zero_.wait_for(lock, within, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable zero_;
  size_t left_;  // Guarded by mutex_.
};

}  // namespace

// Refreshes links one by one after an exchange of certificates. Done callbacks come from the lanes.
class RefreshQueue : public std::enable_shared_from_this<RefreshQueue> {
 public:
  struct Item {
    GrpcLaneSide* side;  // Borrowed; the transport stops this queue first.
    NodeId node;
  };

  // Adds to what is left, and begins if nothing is under way.
  void add_all(const std::vector<Item>& items) {
    {
      const std::lock_guard lock(mutex_);
      items_.insert(items_.end(), items.begin(), items.end());
      if (is_running_) return;
      is_running_ = true;
    }
    next();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    items_.clear();
  }

 private:
  void next() {
    Item item{};
    const auto done = [self = shared_from_this()] { self->next(); };
    do {
      const std::lock_guard lock(mutex_);
      is_running_ = !items_.empty();
      if (!is_running_) return;
      item = items_.front();
      items_.pop_front();
    } while (!item.side->refresh(item.node, done));
  }

  std::mutex mutex_;
  std::deque<Item> items_;   // Guarded by mutex_.
  bool is_running_ = false;  // Guarded by mutex_.
};

class GrpcTransport::Impl {
 public:
  Impl(TransportConfig config, TransportListener& listener, BirthListener* birth)
      : config_(std::move(config)),
        listener_(listener),
        directory_(config_.identity.node),
        credentials_(config_.tls) {
    if (birth != nullptr)
      birth_ = std::make_unique<GrpcBirthService>(credentials_, config_.cluster_name, *birth);
  }

  Status start();
  void stop();
  Status set_peers(std::vector<PeerInfo> peers);
  Status send(NodeId to, TrafficClass cls, MessageBatch batch);
  void reject(const NodeLife& peer, TrafficClass cls, const std::string& why);
  void say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within);
  Result<TlsLeaf> reload_tls(TlsMaterial material, Timestamp now);
  TransportCounters counters() const;
  uint16_t port() const { return static_cast<uint16_t>(port_); }

 private:
  void set_arguments(grpc::ServerBuilder& builder) const;
  GrpcLaneSide& side(TrafficClass cls) { return *sides_[slot_of(cls)]; }

  const TransportConfig config_;
  TransportListener& listener_;  // Borrowed; outlives this.
  PeerDirectory directory_;
  GrpcCredentials credentials_;
  GrpcService service_;
  std::unique_ptr<GrpcBirthService> birth_;  // Null: not offered.
  std::array<std::unique_ptr<GrpcLaneSide>, kTrafficClasses.size()> sides_;
  std::shared_ptr<grpc::ServerCredentials> server_credentials_;  // Asked at each TLS handshake.
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  const std::shared_ptr<RefreshQueue> refreshes_ = std::make_shared<RefreshQueue>();

  std::mutex stop_mutex_;    // A second stop() waits for the first.
  std::mutex mutex_;         // Of set_peers() and reload_tls(): one at a time.
  bool is_stopped_ = false;  // Guarded by mutex_.
};

void GrpcTransport::Impl::set_arguments(grpc::ServerBuilder& builder) const {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kAnyFrameBytesMax));
  builder.SetMaxSendMessageSize(static_cast<int>(kHandshakeBytesMax));
  // A second process on the same port is an error, not half of its traffic.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4);  // One is used.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             static_cast<int>(config_.keepalive_interval.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             static_cast<int>(config_.keepalive_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(config_.handshake_timeout.count()));
  // Without these two a server answers frequent keepalive with "too many pings".
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

Status GrpcTransport::Impl::start() {
  WL_ASSIGN_OR_RETURN(server_credentials_, credentials_.for_listening());
  grpc::ServerBuilder builder;
  set_arguments(builder);
  builder.AddListeningPort(config_.listen_address, server_credentials_, &port_);
  builder.RegisterService(service_.service());
  if (birth_ != nullptr) builder.RegisterService(birth_->service());
  const GrpcLaneSide::Shared shared{config_, listener_, directory_, credentials_, service_};
  for (const TrafficClass cls : kTrafficClasses)
    sides_[slot_of(cls)] =
        std::make_unique<GrpcLaneSide>(shared, cls, builder.AddCompletionQueue());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    is_stopped_ = true;
    for (const auto& one : sides_) one->abandon();
    return Status::io_error("cannot listen on {} for other nodes", config_.listen_address);
  }
  for (const auto& one : sides_) one->start();
  return Status::ok_status();
}

void GrpcTransport::Impl::stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  {
    const std::lock_guard lock(mutex_);  // Not held below: a callback may wait for it.
    if (is_stopped_) return;
    is_stopped_ = true;
  }
  refreshes_->stop();
  for (const auto& one : sides_) one->begin_stop();
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  for (const auto& one : sides_) one->finish_stop();
  for (const auto& one : sides_) one->join();
}

Status GrpcTransport::Impl::set_peers(std::vector<PeerInfo> peers) {
  const std::lock_guard lock(mutex_);
  if (is_stopped_) return Status::unavailable("the transport is stopped");
  WL_ASSIGN_OR_RETURN(const PeerChanges changes, directory_.set(std::move(peers)));
  for (const auto& one : sides_) one->apply(changes);
  return Status::ok_status();
}

Status GrpcTransport::Impl::send(NodeId to, TrafficClass cls, MessageBatch batch) {
  WL_CHECK(batch != nullptr && !batch->empty());
  const NodeIdentity& self = config_.identity;
  const StreamEnds ends{{self.node, self.incarnation}, to, cls};
  size_t bytes = 0;
  for (const WireMessage& message : *batch) {
    WL_RETURN_IF_ERROR(validate_outgoing(message, ends));
    bytes += wire_bytes_bound(message);
  }
  return side(cls).push(to, std::move(batch), bytes);
}

void GrpcTransport::Impl::reject(const NodeLife& peer, TrafficClass cls, const std::string& why) {
  side(cls).reject(peer, why);
}

void GrpcTransport::Impl::say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within) {
  GrpcLaneSide& control = side(TrafficClass::kControl);
  const auto countdown = std::make_shared<Countdown>(control.peers().size());
  control.say_goodbye(reason, [countdown] { countdown->count_down(); });
  countdown->wait_for(within);
}

Result<TlsLeaf> GrpcTransport::Impl::reload_tls(TlsMaterial material, Timestamp now) {
  const std::lock_guard lock(mutex_);
  if (is_stopped_) return Status::unavailable("the transport is stopped");
  WL_CHECK(credentials_.is_secure());
  WL_ASSIGN_OR_RETURN(const TlsLeaf leaf,
                      check_tls_material(material, config_.tls_expectation(), now));
  if (!credentials_.exchange(std::move(material))) return leaf;
  std::vector<RefreshQueue::Item> items;
  for (const auto& one : sides_)
    for (const NodeId node : one->peers()) items.push_back({one.get(), node});
  refreshes_->add_all(items);
  return leaf;
}

TransportCounters GrpcTransport::Impl::counters() const {
  TransportCounters out;
  for (const TrafficClass cls : kTrafficClasses)
    out[slot_of(cls)] = sides_[slot_of(cls)]->counters();
  return out;
}

// ---- The outside --------------------------------------------------------------------------------

GrpcTransport::GrpcTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcTransport::~GrpcTransport() {
  impl_->stop();
}

Result<std::unique_ptr<GrpcTransport>> GrpcTransport::start(TransportConfig config,
                                                            TransportListener& listener,
                                                            Timestamp now, BirthListener* birth) {
  WL_RETURN_IF_ERROR(config.validate());
  if (config.tls)
    WL_RETURN_IF_ERROR(check_tls_material(*config.tls, config.tls_expectation(), now).status());
  auto impl = std::make_unique<Impl>(std::move(config), listener, birth);
  WL_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<GrpcTransport>(new GrpcTransport(std::move(impl)));
}

uint16_t GrpcTransport::port() const {
  return impl_->port();
}
Result<TlsLeaf> GrpcTransport::reload_tls(TlsMaterial material, Timestamp now) {
  return impl_->reload_tls(std::move(material), now);
}
Status GrpcTransport::set_peers(std::vector<PeerInfo> peers) {
  return impl_->set_peers(std::move(peers));
}
Status GrpcTransport::send(NodeId to, TrafficClass cls, MessageBatch batch) {
  return impl_->send(to, cls, std::move(batch));
}
void GrpcTransport::reject(const NodeLife& peer, TrafficClass cls, const std::string& why) {
  impl_->reject(peer, cls, why);
}
void GrpcTransport::say_goodbye(GoodbyeReason reason, std::chrono::milliseconds within) {
  impl_->say_goodbye(reason, within);
}
TransportCounters GrpcTransport::counters() const {
  return impl_->counters();
}
void GrpcTransport::stop() {
  impl_->stop();
}

}  // namespace worldline::replication
