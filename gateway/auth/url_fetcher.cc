#include "gateway/auth/url_fetcher.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>  // The compiled part of Asio's TLS: this is its only user.
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <fmt/format.h>

#include "gateway/asio_boundary.h"

namespace worldline::gateway {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = net::ssl;
using boost::system::error_code;
using net::ip::tcp;

constexpr uint32_t kHeaderBytesMax = 16 * 1024;
constexpr size_t kUrlBytesMax = 2048;

bool is_public(const net::ip::address_v4& address) {
  const uint32_t bits = address.to_uint();
  struct Network {
    uint32_t base;
    int prefix;
  };
  constexpr Network kPrivate[] = {
      {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
      {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xE0000000, 3}};
  return std::none_of(std::begin(kPrivate), std::end(kPrivate), [bits](const Network& network) {
    return (bits ^ network.base) >> (32 - network.prefix) == 0;
  });
}

// Only global unicast (2000::/3) leads out; addresses that carry an IPv4 one are judged by that.
bool is_public(const net::ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  if (address.is_v4_mapped())
    return is_public(net::ip::make_address_v4(net::ip::v4_mapped, address));
  if (bytes[0] == 0x20 && bytes[1] == 0x02)  // 6to4.
    return is_public(net::ip::address_v4({bytes[2], bytes[3], bytes[4], bytes[5]}));
  return (bytes[0] & 0xE0) == 0x20;
}

bool is_public(const net::ip::address& address) {
  return address.is_v4() ? is_public(address.to_v4()) : is_public(address.to_v6());
}

// One request, from look-up to answer. Lives as long as its handlers.
class Fetch final : public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(net::io_context& context, ssl::context& tls, FetchUrl url, const FetchLimits& limits,
        Fetched done)
      : url_(std::move(url)),
        limits_(limits),
        done_(std::move(done)),
        resolver_(context),
        deadline_(context),
        stream_(context, tls) {}
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  void start() {
    deadline_.expires_after(limits_.timeout);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->finish(Status::timeout("{} took too long", self->url_.host));
    });
    resolver_.async_resolve(
        url_.host, url_.port,
        [self = shared_from_this()](error_code error, const tcp::resolver::results_type& found) {
          self->on_resolved(error, found);
        });
  }

 private:
  using Parser = http::response_parser<http::string_body>;

  void on_resolved(error_code error, const tcp::resolver::results_type& found) {
    if (failed(error, "resolve")) return;
    for (const auto& entry : found)
      if (limits_.private_addresses == PrivateAddresses::kAllowed ||
          is_public(entry.endpoint().address()))
        endpoints_.push_back(entry.endpoint());
    if (endpoints_.empty()) {
      finish(Status::permission_denied("{} is in a private network", url_.host));
      return;
    }
    beast::get_lowest_layer(stream_).async_connect(
        endpoints_, [self = shared_from_this()](error_code failure, const tcp::endpoint&) {
          self->on_connected(failure);
        });
  }

  void on_connected(error_code error) {
    if (failed(error, "connect to")) return;
    if (!url_.is_secure) {
      exchange(beast::get_lowest_layer(stream_));
      return;
    }
    if (SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str()) != 1) {
      finish(Status::unavailable("cannot name {} in a handshake", url_.host));
      return;
    }
    stream_.set_verify_callback(ssl::host_name_verification(url_.host));
    stream_.async_handshake(ssl::stream_base::client,
                            [self = shared_from_this()](error_code failure) {
                              if (!self->failed(failure, "shake hands with"))
                                self->exchange(self->stream_);
                            });
  }

  template <typename Stream>
  void exchange(Stream& stream) {
    request_ = http::request<http::empty_body>(http::verb::get, url_.target, 11);
    request_.set(http::field::host, url_.authority());
    request_.set(http::field::accept, "application/json");
    request_.set(http::field::user_agent, "worldline");
    request_.set(http::field::connection, "close");
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(limits_.bytes_max);
    http::async_write(
        stream, request_, [self = shared_from_this(), &stream](error_code error, size_t) {
          if (self->failed(error, "ask")) return;
          http::async_read_header(
              stream, self->input_, *self->parser_,
              [self, &stream](error_code failure, size_t) { self->on_header(stream, failure); });
        });
  }

  // Read apart from the body: reading both at once, Beast 1.74 lets an announced length pass.
  template <typename Stream>
  void on_header(Stream& stream, error_code error) {
    if (error == http::error::body_limit) {
      on_answer(error);
      return;
    }
    if (failed(error, "read from")) return;
    http::async_read(
        stream, input_, *parser_,
        [self = shared_from_this()](error_code failure, size_t) { self->on_answer(failure); });
  }

  void on_answer(error_code error) {
    if (error == http::error::body_limit) {
      finish(Status::too_large("{} answered more than {} bytes", url_.host, limits_.bytes_max));
      return;
    }
    if (failed(error, "read from")) return;
    if (parser_->get().result() != http::status::ok) {
      finish(Status::unavailable("{} answered {}", url_.host, parser_->get().result_int()));
      return;
    }
    finish(std::move(parser_->get().body()));
  }

  bool failed(error_code error, const char* what) {
    if (!error) return done_ == nullptr;  // The deadline may have come first.
    finish(Status::unavailable("cannot {} {}: {}", what, url_.host, error.message()));
    return true;
  }

  void finish(Result<std::string> outcome) {
    if (done_ == nullptr) return;
    const Fetched done = std::exchange(done_, nullptr);
    error_code ignored;
    deadline_.cancel();
    resolver_.cancel();
    beast::get_lowest_layer(stream_).socket().close(ignored);
    done(std::move(outcome));
  }

  const FetchUrl url_;
  const FetchLimits limits_;
  Fetched done_;  // Null once called.
  tcp::resolver resolver_;
  net::steady_timer deadline_;
  std::vector<tcp::endpoint> endpoints_;
  beast::ssl_stream<beast::tcp_stream> stream_;  // Plain HTTP uses its lowest layer.
  http::request<http::empty_body> request_;
  beast::flat_buffer input_;
  std::optional<Parser> parser_;
};

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool is_target_character(char c) {
  return c > ' ' && c < 0x7F && c != '#';
}

// Host and port of an authority; false: malformed.
bool split_authority(std::string_view authority, FetchUrl& url) {
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    url.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    error_code error;
    net::ip::make_address_v6(url.host, error);
    if (error) return false;
  } else {
    const size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_character)) return false;
  }
  if (!port.empty()) {
    if (port.front() != ':' || port.size() < 2 || port.size() > 6) return false;
    url.port = port.substr(1);
    if (!std::all_of(url.port.begin(), url.port.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return false;
  }
  return !url.host.empty();
}

}  // namespace

class NetworkFetcher::Impl {
 public:
  explicit Impl(const FetchLimits& limits) : limits_(limits), tls_(ssl::context::tls_client) {}
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start() {
    return guard_asio("start the fetcher of foreign keys", [this] {
      tls_.set_default_verify_paths();
      tls_.set_verify_mode(ssl::verify_peer);
      thread_ = std::thread([this] { run_guarded(context_); });
    });
  }

  void stop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void get(FetchUrl url, Fetched done) {
    net::post(context_, [this, url = std::move(url), done = std::move(done)]() mutable {
      if (running_ >= limits_.fetches_max) {
        done(Status::overloaded("more than {} fetches at once", limits_.fetches_max));
        return;
      }
      ++running_;
      const auto counted = [this, done = std::move(done)](Result<std::string> outcome) {
        --running_;
        done(std::move(outcome));
      };
      std::make_shared<Fetch>(context_, tls_, std::move(url), limits_, counted)->start();
    });
  }

 private:
  const FetchLimits limits_;
  ssl::context tls_;
  size_t running_ = 0;  // On the fetcher's thread.
  net::io_context context_{1};
  const net::executor_work_guard<net::io_context::executor_type> work_{context_.get_executor()};
  std::thread thread_;
};

NetworkFetcher::NetworkFetcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkFetcher::~NetworkFetcher() = default;

Result<std::unique_ptr<NetworkFetcher>> NetworkFetcher::start(const FetchLimits& limits) {
  auto impl = std::make_unique<Impl>(limits);
  WL_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<NetworkFetcher>(new NetworkFetcher(std::move(impl)));
}

void NetworkFetcher::stop() {
  impl_->stop();
}

void NetworkFetcher::get(const std::string& url, Fetched done) {
  auto parsed = FetchUrl::parse(url);
  if (parsed.ok())
    impl_->get(std::move(*parsed), std::move(done));
  else
    done(parsed.status());
}

Result<FetchUrl> FetchUrl::parse(const std::string& text) {
  const auto invalid = [] { return Status::invalid_argument("not an http or https URL"); };
  if (text.size() > kUrlBytesMax) return invalid();
  FetchUrl url;
  std::string_view rest = text;
  for (const auto& [scheme, is_secure] : {std::pair<std::string_view, bool>("https://", true),
                                          std::pair<std::string_view, bool>("http://", false)}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    url.is_secure = is_secure;
    url.port = is_secure ? "443" : "80";
    const size_t path = std::min(rest.find_first_of("/?#"), rest.size());
    if (!split_authority(rest.substr(0, path), url)) return invalid();
    std::string_view target = rest.substr(path);
    target = target.substr(0, target.find('#'));
    if (!std::all_of(target.begin(), target.end(), is_target_character)) return invalid();
    url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
    return url;
  }
  return invalid();
}

std::string FetchUrl::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (is_secure ? "443" : "80") ? shown : shown + ":" + port;
}

bool is_public_address(const std::string& ip) {
  error_code error;
  const auto address = net::ip::make_address(ip, error);
  return !error && is_public(address);
}

}  // namespace worldline::gateway
