// The one translation unit of the command-line tool that sees Beast.
#include "cli/http_client.h"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace worldline::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr size_t kPieceBytes = 64 * 1024;

// One request on one connection. Each step starts an asynchronous operation and runs the context
// until it is done, because only asynchronous operations have timeouts in Beast.
class Exchange {
 public:
  Exchange(const ServerUrl& server, const HttpRequest& request)
      : server_(server), request_(request), stream_(context_) {}

  Result<HttpResponse> run() {
    WL_RETURN_IF_ERROR(connect());
    const beast::error_code sent = write();
    // A server that refuses an upload may answer and close before it has read everything: look for
    // that answer before calling the write a failure.
    Status header = read_header();
    if (!header.ok()) return sent ? broken("sending the request", sent) : header;
    return read_body();
  }

 private:
  template <typename Start>
  beast::error_code await(std::chrono::seconds limit, Start start) {
    if (limit.count() > 0)
      stream_.expires_after(limit);
    else
      stream_.expires_never();
    beast::error_code result = asio::error::operation_aborted;
    start([&result](const beast::error_code& error, auto&&...) { result = error; });
    context_.run();
    context_.restart();
    return result;
  }

  Status broken(const char* doing, const beast::error_code& error) const {
    if (error == beast::error::timeout)
      return Status::timeout("{} timed out while {}", server_.text, doing);
    if (error == http::error::body_limit)
      return Status::too_large("the answer of {} exceeds {} bytes", server_.text, kAnswerBytesMax);
    return Status::io_error("error {} at {}: {}", doing, server_.text, error.message());
  }

  Status connect() {
    Tcp::resolver resolver(context_);
    beast::error_code error;
    const auto found = resolver.resolve(server_.host, server_.port, error);
    if (error)
      return Status::unavailable("cannot resolve host `{}`: {}", server_.host, error.message());
    error = await(kConnectTimeout, [&](auto done) { stream_.async_connect(found, done); });
    if (error)
      return Status::unavailable(
          "cannot connect to {}: {}\n\nIs the server running? Start one with "
          "`worldline start`.",
          server_.text, error.message());
    stream_.socket().set_option(Tcp::no_delay(true), error);
    return {};
  }

  beast::error_code write() {
    http::request<http::span_body<const char>> message;
    message.version(11);
    message.method_string(request_.method);
    message.target(server_.base_path + request_.target);
    message.set(http::field::host, server_.authority());
    message.set(http::field::connection, "close");
    for (const auto& [name, value] : request_.headers) message.set(name, value);
    message.body() = beast::span<const char>(request_.body.data(), request_.body.size());
    if (!request_.body.empty() || request_.method != "GET")
      message.content_length(request_.body.size());
    return await(std::chrono::seconds(600),
                 [&](auto done) { http::async_write(stream_, message, done); });
  }

  Status read_header() {
    parser_.body_limit(std::numeric_limits<std::uint64_t>::max());
    parser_.header_limit(64 * 1024);
    const auto error = await(request_.answer_timeout, [&](auto done) {
      http::async_read_header(stream_, buffer_, parser_, done);
    });
    if (error) return broken("waiting for the answer", error);
    const auto& header = parser_.get();
    response_.status = static_cast<int>(header.result_int());
    response_.reason = std::string(header.reason());
    for (const auto& field : header) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response_.headers[name] = std::string(field.value());
    }
    return {};
  }

  Result<HttpResponse> read_body() {
    const bool streaming = request_.sink && response_.ok();
    const auto limit = streaming ? std::chrono::seconds(0) : request_.answer_timeout;
    std::string piece(kPieceBytes, '\0');
    while (!parser_.is_done()) {
      auto& body = parser_.get().body();
      body.data = piece.data();
      body.size = piece.size();
      auto error =
          await(limit, [&](auto done) { http::async_read_some(stream_, buffer_, parser_, done); });
      if (error == http::error::need_buffer) error = {};
      const std::string_view got(piece.data(), piece.size() - body.size);
      if (streaming && !got.empty() && !request_.sink(got)) return std::move(response_);
      if (!streaming) response_.body.append(got);
      if (error) return broken("reading the answer", error);
      if (response_.body.size() > kAnswerBytesMax)
        return broken("reading the answer", http::error::body_limit);
    }
    return std::move(response_);
  }

  const ServerUrl& server_;     // Borrowed; outlives this.
  const HttpRequest& request_;  // Borrowed; outlives this.
  asio::io_context context_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
  HttpResponse response_;
};

}  // namespace

Result<HttpResponse> BeastTransport::send(const ServerUrl& server, const HttpRequest& request) {
  if (server.protocol != "http")
    return Status::not_supported(
        "https is not built into this binary: cannot talk to {}\n\nUse an http:// address, or a "
        "local proxy that speaks TLS to the server.",
        server.text);
  try {
    return Exchange(server, request).run();
  } catch (const std::exception& error) {  // Boost's own, e.g. an illegal header value.
    return Status::io_error("request to {} failed: {}", server.text, error.what());
  }
}

}  // namespace worldline::cli
