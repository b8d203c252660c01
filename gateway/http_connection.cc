#include "gateway/http_connection.h"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <sys/socket.h>

#include "gateway/http_translation.h"
#include "gateway/responder.h"
#include "gateway/router.h"
#include "gateway/websocket_session.h"

namespace worldline::gateway {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Stream = beast::basic_stream<net::ip::tcp, IoExecutor, beast::unlimited_rate_policy>;
using StringResponse = http::response<http::string_body>;

constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
// A refused upload is read on for so long, so that its sender sees the answer and no broken pipe.
constexpr std::chrono::seconds kLinger{5};

class HttpConnection final : public Peer, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(GatewayCore& core, IoThread& thread, Socket socket)
      : core_(core), thread_(thread), stream_(std::move(socket)) {
    ++core_.connections;
  }

  void start(PeerId id) {
    id_ = id;
    error_code ignored;
    stream_.socket().set_option(net::ip::tcp::no_delay(true), ignored);
    const auto remote = stream_.socket().remote_endpoint(ignored);
    from_loopback_ = !ignored && remote.address().is_loopback();
    if (thread_.stopping()) {
      finish();
      return;
    }
    if (core_.connections > core_.config.connections_max) {
      HttpResponse busy = text_response(503, "too many connections");
      busy.headers.emplace_back("retry-after", "5");
      keep_alive_ = false;
      write(std::move(busy));
      return;
    }
    read_header();
  }

  void on_event(PeerEvent event) override {
    if (event.notice == nullptr || done_) return;
    if (auto* response = std::get_if<HttpResponse>(event.notice.get())) {
      if (std::exchange(busy_, false)) write(std::move(*response));
    } else if (auto* plan = std::get_if<UpgradePlan>(event.notice.get())) {
      if (std::exchange(busy_, false)) upgrade(std::move(*plan));
    } else if (auto* logs = std::get_if<LogStreamStart>(event.notice.get())) {
      if (std::exchange(busy_, false)) begin_stream(std::move(*logs));
    } else if (std::holds_alternative<LogLines>(*event.notice)) {
      write_lines();
    }
  }
  void flush() override {}
  void on_tick(std::chrono::steady_clock::time_point /*now*/) override {}
  void on_stop() override {
    keep_alive_ = false;
    if (!is_unanswered()) finish();
  }
  void on_abandon() override { finish(); }
  // A request that is still being received is not accepted; a followed log has no end to wait for.
  bool is_unanswered() const override {
    return busy_ || writing_ || (lines_ != nullptr && lines_->is_finished());
  }

 private:
  void read_header();
  void on_header(error_code error);
  bool admit_body();
  void read_body();
  void on_body(error_code error);
  HttpRequest begin_request(BeastRequest message);
  void watch_client();
  bool is_client_gone();
  void refuse_body(HttpResponse response);
  void refuse(const HttpResponse& response);
  void write(HttpResponse response);
  void on_written(error_code error);
  void upgrade(UpgradePlan plan);
  void begin_stream(LogStreamStart start);
  void write_lines();
  void watch_reader();
  void linger();
  void finish();

  GatewayCore& core_;  // Borrowed; outlives this.
  IoThread& thread_;   // Borrowed; outlives this.
  PeerId id_;
  Stream stream_;
  beast::flat_buffer input_;
  std::optional<RequestParser> parser_;
  StringResponse response_;  // Being written.
  bool from_loopback_ = false;
  bool is_head_ = false;
  unsigned http_version_ = 11;
  bool keep_alive_ = true;
  bool busy_ = false;                      // A request is with the routes.
  bool writing_ = false;                   // Its answer is on the way out.
  bool linger_ = false;                    // The body was not read to its end.
  std::shared_ptr<CancelFlag> abandoned_;  // Of the request that is with the routes.
  bool is_watching_ = false;               // watch_client() waits for the socket.
  bool done_ = false;
  size_t reserved_bytes_ = 0;  // Of core_.body_bytes.
  std::shared_ptr<LogStream> lines_;
  std::string chunk_;  // Being written.
  bool writing_chunk_ = false;
  char probe_[64];
};

void HttpConnection::read_header() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_.config.http.header_bytes_max));
  parser_->body_limit(core_.config.http.program_bytes_max);
  linger_ = false;
  stream_.expires_after(core_.config.http.header_timeout);
  http::async_read_header(
      stream_, input_, *parser_,
      [self = shared_from_this()](error_code error, size_t /*bytes*/) { self->on_header(error); });
}

void HttpConnection::on_header(error_code error) {
  if (done_) return;
  if (error == http::error::header_limit) {
    refuse(text_response(431, "the request header is too long"));
  } else if (error == http::error::body_limit) {
    refuse_body(body_too_long());
  } else if (error == http::error::end_of_stream || error == beast::error::timeout ||
             error == net::error::connection_reset || error == net::error::eof) {
    finish();
  } else if (error) {
    refuse(text_response(400, "malformed HTTP request: " + error.message()));
  } else if (admit_body()) {
    read_body();
  }
}

// Sets the body's limit and reserves its memory. false: the request was refused.
bool HttpConnection::admit_body() {
  const auto& request = parser_->get();
  const size_t limit = body_limit_of(method_of(request), path_of(request), core_.config.http);
  const auto announced = parser_->content_length();
  if (announced && *announced > limit) {
    refuse_body(body_too_long());
    return false;
  }
  parser_->body_limit(limit);
  const size_t wanted =
      announced ? static_cast<size_t>(*announced) : (request.chunked() ? limit : 0);
  if (core_.body_bytes.fetch_add(wanted) + wanted > core_.config.http.bodies_bytes_max) {
    core_.body_bytes -= wanted;
    HttpResponse overloaded = text_response(503, "too many request bodies at once");
    overloaded.headers.emplace_back("retry-after", "5");
    refuse_body(overloaded);
    return false;
  }
  reserved_bytes_ = wanted;
  return true;
}

void HttpConnection::read_body() {
  stream_.expires_after(core_.config.http.body_timeout);
  const auto receive = [self = shared_from_this()] {
    http::async_read(self->stream_, self->input_, *self->parser_,
                     [self](error_code error, size_t /*bytes*/) { self->on_body(error); });
  };
  if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    receive();
    return;
  }
  net::async_write(stream_, net::buffer(kContinue, sizeof kContinue - 1),
                   [self = shared_from_this(), receive](error_code error, size_t /*bytes*/) {
                     if (self->done_) return;
                     if (error)
                       self->finish();
                     else
                       receive();
                   });
}

void HttpConnection::on_body(error_code error) {
  core_.body_bytes -= std::exchange(reserved_bytes_, 0);
  if (done_) return;
  if (error == http::error::body_limit) {
    refuse_body(body_too_long());
    return;
  }
  if (error) {
    finish();
    return;
  }
  keep_alive_ = keep_alive_ && parser_->get().keep_alive();
  HttpRequest request = begin_request(parser_->release());
  route_request(core_, std::move(request), std::make_shared<Responder>(thread_.inbox(), id_));
}

// From here on the routes have the request, until they answer.
HttpRequest HttpConnection::begin_request(BeastRequest message) {
  http_version_ = message.version();
  is_head_ = message.method() == http::verb::head;
  stream_.expires_never();
  busy_ = true;
  HttpRequest request = to_request(std::move(message));
  request.from_loopback = from_loopback_;
  abandoned_ = std::make_shared<CancelFlag>();
  request.abandoned = abandoned_;
  watch_client();
  return request;
}

// Nobody reads the socket while the routes have a request, so a client that leaves would be noticed
// only by the answer. Bytes of a next request end the watch; they stay where they are.
void HttpConnection::watch_client() {
  if (std::exchange(is_watching_, true)) return;
  stream_.socket().async_wait(net::socket_base::wait_read,
                              [self = shared_from_this()](error_code error) {
                                self->is_watching_ = false;
                                if (self->done_ || !self->busy_) return;
                                if (error || self->is_client_gone()) self->abandoned_->cancel();
                              });
}

// REQUIRES: the socket is readable. One that is closed for writing only counts as gone, too, as for
// other servers: HTTP clients do not do that.
bool HttpConnection::is_client_gone() {
  Byte next;
  const ssize_t got =
      ::recv(stream_.socket().native_handle(), &next, sizeof next, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

// The header is complete; the body is not read.
void HttpConnection::refuse_body(HttpResponse response) {
  keep_alive_ = false;
  linger_ = true;
  BeastRequest head;
  head.base() = parser_->get().base();
  HttpRequest request = begin_request(std::move(head));
  refuse_request(core_, std::move(request), std::move(response),
                 std::make_shared<Responder>(thread_.inbox(), id_));
}

void HttpConnection::refuse(const HttpResponse& response) {
  keep_alive_ = false;
  linger_ = true;
  write(response);
}

void HttpConnection::write(HttpResponse response) {
  if (thread_.stopping()) keep_alive_ = false;
  response_ = to_response(std::move(response), http_version_, keep_alive_, is_head_);
  writing_ = true;
  stream_.expires_after(core_.config.http.write_timeout);
  http::async_write(
      stream_, response_,
      [self = shared_from_this()](error_code error, size_t /*bytes*/) { self->on_written(error); });
}

void HttpConnection::on_written(error_code error) {
  writing_ = false;
  if (done_) return;
  if (error) {
    finish();
  } else if (keep_alive_ && !thread_.stopping()) {
    read_header();
  } else if (linger_) {
    linger();
  } else {
    finish();
  }
}

void HttpConnection::upgrade(UpgradePlan plan) {
  response_ = to_upgrade_response(plan, http_version_);
  stream_.expires_after(core_.config.http.write_timeout);
  http::async_write(
      stream_, response_,
      [self = shared_from_this(), plan = std::move(plan)](error_code error, size_t /*bytes*/) {
        if (self->done_) return;
        if (error) {
          self->finish();
          return;
        }
        self->done_ = true;
        self->stream_.expires_never();
        if (self->is_watching_) self->stream_.socket().cancel();
        auto session = std::make_shared<WebSocketSession>(self->core_, self->thread_, self->id_,
                                                          self->stream_.release_socket(), plan);
        --self->core_.connections;  // The session counts itself.
        self->thread_.replace(self->id_, session);
        const auto early = self->input_.data();
        session->start(Bytes(static_cast<const Byte*>(early.data()), early.size()));
        if (self->thread_.stopping()) session->on_stop();
      });
}

void HttpConnection::begin_stream(LogStreamStart start) {
  lines_ = std::move(start.lines);
  keep_alive_ = false;  // The end of a followed log is the end of the connection.
  response_ = to_response(std::move(start.head), http_version_, false, true);
  response_.erase(http::field::content_length);
  response_.chunked(http_version_ >= 11);
  chunk_ = head_text(response_);
  writing_chunk_ = true;
  stream_.expires_after(core_.config.http.write_timeout);
  net::async_write(stream_, net::buffer(chunk_),
                   [self = shared_from_this()](error_code error, size_t /*bytes*/) {
                     self->writing_chunk_ = false;
                     if (self->done_) return;
                     if (error || self->is_head_) {
                       self->finish();
                       return;
                     }
                     self->watch_reader();
                     self->write_lines();
                   });
}

void HttpConnection::write_lines() {
  if (writing_chunk_ || lines_ == nullptr || done_) return;
  bool more = true;
  const std::string lines = lines_->take(more);
  if (lines.empty() && more) {
    stream_.expires_never();
    return;
  }
  chunk_ = http_version_ >= 11 ? chunk_text(lines, !more) : lines;
  writing_chunk_ = true;
  stream_.expires_after(core_.config.http.write_timeout);
  net::async_write(stream_, net::buffer(chunk_),
                   [self = shared_from_this(), more](error_code error, size_t /*bytes*/) {
                     self->writing_chunk_ = false;
                     if (self->done_) return;
                     if (error || !more)
                       self->finish();
                     else
                       self->write_lines();
                   });
}

// The reader of a followed log leaves without a word; without this it would be noticed only by the
// next line.
void HttpConnection::watch_reader() {
  stream_.socket().async_read_some(net::buffer(probe_),
                                   [self = shared_from_this()](error_code error, size_t /*bytes*/) {
                                     if (self->done_) return;
                                     if (error)
                                       self->finish();
                                     else
                                       self->watch_reader();
                                   });
}

void HttpConnection::linger() {
  error_code ignored;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
  input_.clear();
  stream_.expires_after(kLinger);
  struct Discard {
    std::shared_ptr<HttpConnection> self;
    void operator()(error_code error, size_t /*bytes*/) {
      if (self->done_) return;
      if (error) {
        self->finish();
        return;
      }
      self->stream_.async_read_some(net::buffer(self->probe_), Discard{self});
    }
  };
  stream_.async_read_some(net::buffer(probe_), Discard{shared_from_this()});
}

void HttpConnection::finish() {
  if (std::exchange(done_, true)) return;
  if (lines_ != nullptr) lines_->abandon();
  if (abandoned_ != nullptr) abandoned_->cancel();
  core_.body_bytes -= std::exchange(reserved_bytes_, 0);
  error_code ignored;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
  --core_.connections;
  thread_.remove(id_);
}

}  // namespace

void start_http_connection(GatewayCore& core, IoThread& thread, Socket socket) {
  auto connection = std::make_shared<HttpConnection>(core, thread, std::move(socket));
  const PeerId id = thread.add(connection);
  connection->start(id);
}

}  // namespace worldline::gateway
