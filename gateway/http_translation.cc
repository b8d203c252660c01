#include "gateway/http_translation.h"

#include <utility>

#include <fmt/format.h>

namespace worldline::gateway {
namespace {

namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}
boost::beast::string_view beast_view(std::string_view text) {
  return {text.data(), text.size()};
}

std::optional<std::string> field(const BeastRequest& request, http::field name) {
  const auto found = request.find(name);
  if (found == request.end()) return std::nullopt;
  return std::string(view(found->value()));
}

// Several fields of one name mean one list [RFC 9110 5.3].
std::string joined(const BeastRequest& request, http::field name) {
  std::string list;
  const auto [first, last] = request.equal_range(name);
  for (auto at = first; at != last; ++at) {
    if (!list.empty()) list += ", ";
    list += view(at->value());
  }
  return list;
}

// 530 is the reference's own; clients of ours show the phrase [S 02/12.1].
std::string_view reason_of(uint16_t status) {
  if (status == 530) return "Reducer Failed";
  return view(http::obsolete_reason(static_cast<http::status>(status)));
}

}  // namespace

Method method_of(const BeastRequest& request) {
  switch (request.method()) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    case http::verb::options:
      return Method::kOptions;
    default:
      return Method::kOther;  // Foreign enum; every other verb is one to us.
  }
}

std::string_view path_of(const BeastRequest& request) {
  const std::string_view target = view(request.target());
  return target.substr(0, target.find('?'));
}

HttpRequest to_request(BeastRequest request) {
  HttpRequest result;
  result.method = method_of(request);
  result.path = path_of(request);
  const std::string_view target = view(request.target());
  if (result.path.size() < target.size()) result.query = target.substr(result.path.size() + 1);
  result.authorization = field(request, http::field::authorization);
  result.content_type = field(request, http::field::content_type);
  result.upgrade.connection = joined(request, http::field::connection);
  result.upgrade.upgrade = joined(request, http::field::upgrade);
  result.upgrade.version = field(request, http::field::sec_websocket_version).value_or("");
  result.upgrade.key = field(request, http::field::sec_websocket_key).value_or("");
  result.upgrade.protocols = joined(request, http::field::sec_websocket_protocol);
  result.body = std::make_shared<const ByteBuffer>(std::move(request.body()));
  return result;
}

BeastResponse to_response(HttpResponse response, unsigned version, bool keep_alive,
                          bool without_body) {
  BeastResponse result;
  result.version(version);
  result.result(response.status);
  result.reason(beast_view(reason_of(response.status)));
  for (const auto& [name, value] : response.headers)
    result.insert(beast_view(name), beast_view(value));
  if (!response.content_type.empty())
    result.set(http::field::content_type, beast_view(response.content_type));
  if (response.status != 204) result.content_length(response.body.size());
  result.keep_alive(keep_alive);
  if (!without_body) result.body() = std::move(response.body);
  return result;
}

BeastResponse to_upgrade_response(const UpgradePlan& plan, unsigned version) {
  BeastResponse result;
  result.version(version);
  result.result(http::status::switching_protocols);
  for (const auto& [name, value] : plan.headers) result.insert(beast_view(name), beast_view(value));
  result.set(http::field::connection, "upgrade");
  result.set(http::field::upgrade, "websocket");
  return result;
}

std::string head_text(const BeastResponse& response) {
  std::string text = fmt::format("HTTP/1.{} {} {}\r\n", response.version() % 10,
                                 response.result_int(), view(response.reason()));
  for (const auto& line : response)
    text += fmt::format("{}: {}\r\n", view(line.name_string()), view(line.value()));
  return text + "\r\n";
}

std::string chunk_text(std::string_view data, bool last) {
  std::string text;
  if (!data.empty()) text = fmt::format("{:x}\r\n{}\r\n", data.size(), data);
  if (last) text += "0\r\n\r\n";
  return text;
}

HttpResponse body_too_long() {
  return text_response(413, "Failed to buffer the request body: length limit exceeded");
}

}  // namespace worldline::gateway
