#include "gateway/http_message.h"

#include <charconv>

#include "schema/utf8.h"

namespace worldline::gateway {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

HttpResponse text_response(uint16_t status, std::string text) {
  return {status, kTextPlain, std::move(text), {}};
}
HttpResponse json_response(uint16_t status, std::string json) {
  return {status, kJson, std::move(json), {}};
}
HttpResponse empty_response(uint16_t status) {
  return {status, "", "", {}};
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
      continue;
    }
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (!schema::is_valid_utf8(as_bytes(decoded))) return std::nullopt;
  return decoded;
}

Result<QueryParameters> QueryParameters::parse(std::string_view query) {
  QueryParameters parsed;
  while (!query.empty()) {
    const size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? "" : query.substr(ampersand + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value =
        percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value)
      return Status::invalid_argument("Failed to deserialize query string: malformed escape");
    parsed.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return parsed;
}

const std::string* QueryParameters::find(std::string_view name) const {
  for (const auto& [key, value] : parameters_)
    if (key == name) return &value;
  return nullptr;
}

Result<bool> QueryParameters::boolean(std::string_view name, bool fallback) const {
  const std::string* value = find(name);
  if (value == nullptr) return fallback;
  if (*value == "true") return true;
  if (*value == "false") return false;
  return Status::invalid_argument(
      "Failed to deserialize query string: provided string was not `true` or `false`");
}

Result<std::optional<uint64_t>> QueryParameters::number(std::string_view name) const {
  const std::string* value = find(name);
  if (value == nullptr) return std::optional<uint64_t>{};
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || value->empty())
    return Status::invalid_argument(
        "Failed to deserialize query string: invalid digit found in string");
  return std::optional<uint64_t>(number);
}

const char* protocol_name(WebSocketProtocol protocol) {
  switch (protocol) {
    case WebSocketProtocol::kV2:
      return "v2.bsatn.spacetimedb";
    case WebSocketProtocol::kV3:
      return "v3.bsatn.spacetimedb";
  }
  return "";
}

}  // namespace worldline::gateway
