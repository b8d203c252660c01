#include "gateway/http_server.h"

#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "gateway/asio_boundary.h"
#include "gateway/gateway_core.h"
#include "gateway/http_connection.h"
#include "gateway/io_thread.h"
#include "gateway/socket.h"

namespace worldline::gateway {
namespace {

using boost::system::error_code;
using Acceptor = net::basic_socket_acceptor<net::ip::tcp, IoExecutor>;

constexpr int kBacklog = 4096;
// Out of descriptors: connections that end in the meantime make room.
constexpr std::chrono::milliseconds kAcceptPause{100};

FetchLimits fetch_limits(const AuthConfig& config) {
  FetchLimits limits;
  limits.timeout = config.key_set_timeout;
  limits.bytes_max = config.key_set_bytes_max;
  limits.private_addresses =
      config.block_private_issuers ? PrivateAddresses::kRefused : PrivateAddresses::kAllowed;
  return limits;
}

}  // namespace

class Gateway::Impl {
 public:
  explicit Impl(std::shared_ptr<GatewayCore> core) : core_(std::move(core)) {}

  ~Impl() { stop().ignore("whoever wants to know called stop()"); }

  Status open();
  uint16_t port() const { return port_; }
  Status stop();

 private:
  Status listen();
  void accept();
  void on_accepted(error_code error, IoThread& thread, Socket socket);
  void for_each_thread(void (IoThread::*action)());

  const std::shared_ptr<GatewayCore> core_;
  PeerCount peer_count_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<Acceptor> acceptor_;               // On the first thread.
  std::unique_ptr<net::steady_timer> accept_pause_;  // Likewise.
  size_t next_thread_ = 0;                           // Of accept().
  uint16_t port_ = 0;
  bool stopped_ = false;
};

Status Gateway::Impl::open() {
  for (uint32_t i = 0; i < core_->config.io_threads; ++i) {
    WL_ASSIGN_OR_RETURN(auto thread, IoThread::create(core_->config, core_->clock, peer_count_));
    threads_.push_back(std::move(thread));
  }
  WL_RETURN_IF_ERROR(listen());
  accept();
  for (const auto& thread : threads_) WL_RETURN_IF_ERROR(thread->start());
  return {};
}

Status Gateway::Impl::listen() {
  error_code error;
  const auto address = net::ip::make_address(core_->config.listen_address, error);
  if (error)
    return Status::invalid_argument("listen.client: `{}` is not an IP address",
                                    core_->config.listen_address);
  const net::ip::tcp::endpoint endpoint(address, core_->config.listen_port);
  const Status bound = guard_asio(
      fmt::format("listen on {}:{}", core_->config.listen_address, core_->config.listen_port)
          .c_str(),
      [this, &endpoint] {
        acceptor_ = std::make_unique<Acceptor>(threads_[0]->context());
        accept_pause_ = std::make_unique<net::steady_timer>(threads_[0]->context());
        acceptor_->open(endpoint.protocol());
        acceptor_->set_option(net::socket_base::reuse_address(true));
        acceptor_->bind(endpoint);
        acceptor_->listen(kBacklog);
        port_ = acceptor_->local_endpoint().port();
      });
  return bound.ok() ? bound : Status::unavailable("{}", bound.message());
}

void Gateway::Impl::accept() {
  IoThread& thread = *threads_[next_thread_];
  next_thread_ = (next_thread_ + 1) % threads_.size();
  acceptor_->async_accept(thread.context().get_executor(),
                          [this, &thread](error_code error, Socket socket) {
                            on_accepted(error, thread, std::move(socket));
                          });
}

void Gateway::Impl::on_accepted(error_code error, IoThread& thread, Socket socket) {
  if (!acceptor_->is_open()) return;
  if (error) {
    accept_pause_->expires_after(kAcceptPause);
    accept_pause_->async_wait([this](error_code aborted) {
      if (!aborted && acceptor_->is_open()) accept();
    });
    return;
  }
  if (&thread == threads_[0].get()) {
    start_http_connection(*core_, thread, std::move(socket));
  } else {
    // std::function wants a copyable closure, a socket is not.
    auto moved = std::make_shared<Socket>(std::move(socket));
    thread.inbox()->run([this, &thread, moved = std::move(moved)] {
      start_http_connection(*core_, thread, std::move(*moved));
    });
  }
  accept();
}

void Gateway::Impl::for_each_thread(void (IoThread::*action)()) {
  for (const auto& thread : threads_)
    thread->inbox()->run([&thread = *thread, action] { (thread.*action)(); });
}

Status Gateway::Impl::stop() {
  if (std::exchange(stopped_, true)) return {};
  bool is_empty = true;
  if (!threads_.empty() && acceptor_ != nullptr) {
    threads_[0]->inbox()->run([this] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
    });
    for_each_thread(&IoThread::stop_peers);
    is_empty =
        peer_count_.wait_for_zero(std::chrono::steady_clock::now() + core_->config.stop_grace);
  }
  core_->fetcher->stop();  // Before the threads: its callbacks answer requests.
  if (is_empty)
    for (const auto& thread : threads_) thread->request_exit();
  else
    for_each_thread(&IoThread::abandon_peers);  // Ends the loop too, once it has counted.
  for (const auto& thread : threads_) thread->join();
  size_t unanswered = 0;
  for (const auto& thread : threads_) unanswered += thread->unanswered_count();
  for (const auto& thread : threads_) thread->inbox()->close();
  acceptor_.reset();
  accept_pause_.reset();
  threads_.clear();
  if (unanswered == 0) return {};
  return Status::timeout("{} connections were not answered within {} ms", unanswered,
                         core_->config.stop_grace.count());
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::open(const GatewayConfig& config, actors::NodeApi& node) {
  WL_RETURN_IF_ERROR(config.validate());
  WL_ASSIGN_OR_RETURN(auto tokens, TokenService::open(config.auth));
  WL_ASSIGN_OR_RETURN(auto fetcher, NetworkFetcher::start(fetch_limits(config.auth)));
  auto impl = std::make_unique<Impl>(
      std::make_shared<GatewayCore>(config, node, std::move(tokens), std::move(fetcher)));
  WL_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

uint16_t Gateway::port() const {
  return impl_->port();
}
Status Gateway::stop() {
  return impl_->stop();
}

}  // namespace worldline::gateway
