#include "gateway/http_server.h"

#include <condition_variable>
#include <mutex>
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
constexpr std::chrono::milliseconds kStopPoll{1};

}  // namespace

class Gateway::Impl {
 public:
  Impl(const GatewayConfig& config, actors::NodeApi& node, std::unique_ptr<TokenService> tokens)
      : config_(config),
        clock_(config.clock != nullptr ? *config.clock : system_clock_),
        tokens_(std::move(tokens)),
        upgrades_(config.connect_rate_max),
        core_{config_, node, *tokens_, clock_, metrics_, upgrades_} {}

  ~Impl() { stop(); }

  Status open();
  uint16_t port() const { return port_; }
  void stop();

 private:
  Status listen();
  void accept();
  void on_accepted(error_code error, IoThread& thread, Socket socket);
  void for_each_thread(void (IoThread::*action)());
  bool wait_until_empty(std::chrono::steady_clock::time_point deadline);

  const GatewayConfig config_;
  const SystemClock system_clock_;
  const Clock& clock_;
  const std::unique_ptr<TokenService> tokens_;
  GatewayMetrics metrics_;
  RateLimit upgrades_;
  GatewayCore core_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<Acceptor> acceptor_;               // On the first thread.
  std::unique_ptr<net::steady_timer> accept_pause_;  // Likewise.
  size_t next_thread_ = 0;                           // Of accept().
  uint16_t port_ = 0;
  bool stopped_ = false;
};

Status Gateway::Impl::open() {
  for (uint32_t i = 0; i < config_.io_threads; ++i) {
    WL_ASSIGN_OR_RETURN(auto thread, IoThread::create(config_, clock_));
    threads_.push_back(std::move(thread));
  }
  WL_RETURN_IF_ERROR(listen());
  accept();
  for (const auto& thread : threads_) WL_RETURN_IF_ERROR(thread->start());
  return {};
}

Status Gateway::Impl::listen() {
  error_code error;
  const auto address = net::ip::make_address(config_.listen_address, error);
  if (error)
    return Status::invalid_argument("listen.client: `{}` is not an IP address",
                                    config_.listen_address);
  const net::ip::tcp::endpoint endpoint(address, config_.listen_port);
  const Status bound = guard_asio(
      fmt::format("listen on {}:{}", config_.listen_address, config_.listen_port).c_str(),
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
    start_http_connection(core_, thread, std::move(socket));
  } else {
    // std::function wants a copyable closure, a socket is not.
    auto moved = std::make_shared<Socket>(std::move(socket));
    thread.inbox()->run([this, &thread, moved = std::move(moved)] {
      start_http_connection(core_, thread, std::move(*moved));
    });
  }
  accept();
}

void Gateway::Impl::for_each_thread(void (IoThread::*action)()) {
  for (const auto& thread : threads_)
    thread->inbox()->run([&thread = *thread, action] { (thread.*action)(); });
}

// Polled: stopping is rare, and connections end in many places.
bool Gateway::Impl::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  const auto busy = [this] {
    size_t peers = 0;
    for (const auto& thread : threads_) peers += thread->peer_count();
    return peers > 0;
  };
  while (busy()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kStopPoll);
  }
  return true;
}

void Gateway::Impl::stop() {
  if (std::exchange(stopped_, true)) return;
  if (!threads_.empty() && acceptor_ != nullptr) {
    threads_[0]->inbox()->run([this] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
    });
    for_each_thread(&IoThread::stop_peers);
    const auto grace = std::chrono::steady_clock::now() + config_.stop_grace;
    if (!wait_until_empty(grace)) for_each_thread(&IoThread::abandon_peers);
  }
  for (const auto& thread : threads_) thread->request_exit();
  for (const auto& thread : threads_) thread->join();
  for (const auto& thread : threads_) thread->inbox()->close();
  acceptor_.reset();
  accept_pause_.reset();
  threads_.clear();
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::open(const GatewayConfig& config, actors::NodeApi& node) {
  WL_RETURN_IF_ERROR(config.validate());
  WL_ASSIGN_OR_RETURN(auto tokens, TokenService::open(config.auth));
  auto impl = std::make_unique<Impl>(config, node, std::move(tokens));
  WL_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

uint16_t Gateway::port() const {
  return impl_->port();
}
void Gateway::stop() {
  impl_->stop();
}

}  // namespace worldline::gateway
