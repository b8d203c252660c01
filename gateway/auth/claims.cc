#include "gateway/auth/claims.h"

#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/auth/crypto.h"
#include "schema/utf8.h"

namespace worldline::gateway {
namespace {

using Json = nlohmann::ordered_json;

Status invalid(std::string_view reason) {
  return Status::unauthenticated("Invalid token: {}", reason);
}

// Parses without exceptions. Duplicate members are refused: readers would disagree on them.
Result<Json> parse_object(const std::string& text) {
  std::set<std::string> members;
  std::string duplicate;
  const Json::parser_callback_t note_members =
      [&members, &duplicate](int depth, Json::parse_event_t event, const Json& parsed) {
        if (event == Json::parse_event_t::key && depth == 1 &&
            !members.insert(parsed.get_ref<const std::string&>()).second)
          duplicate = parsed.get_ref<const std::string&>();
        return true;
      };
  Json value = Json::parse(text, note_members, false);
  if (value.is_discarded()) return invalid("JSON error: not valid JSON");
  if (!value.is_object()) return invalid("JSON error: not an object");
  if (!duplicate.empty())
    return invalid(fmt::format("JSON error: duplicate field `{}`", duplicate));
  return value;
}

Result<std::string> required_string(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end()) return invalid(fmt::format("Missing required claim: {}", name));
  if (!member->is_string()) return invalid(fmt::format("JSON error: `{}` must be a string", name));
  return member->get<std::string>();
}

// nullopt: absent or null.
Result<std::optional<int64_t>> optional_seconds(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || member->is_null()) return std::optional<int64_t>{};
  const bool fits = member->is_number_integer() &&
                    !(member->is_number_unsigned() &&
                      member->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX / 2));
  if (!fits || member->get<int64_t>() < 0)
    return invalid(fmt::format("JSON error: `{}` must be an integer number of seconds", name));
  return std::optional<int64_t>(member->get<int64_t>());
}

Status check_audience(const Json& object) {
  const auto member = object.find("aud");
  if (member == object.end() || member->is_null() || member->is_string()) return {};
  bool strings = member->is_array();
  if (strings)
    for (const auto& element : *member) strings = strings && element.is_string();
  return strings ? Status() : invalid("JSON error: `aud` must be a string or an array of strings");
}

// Plain JSON of an identity: text, still unchecked, or 32 byte values, big-endian [S 01/3.4].
Result<std::string> plain_identity(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  ByteBuffer bytes;
  if (value.is_array() && value.size() == sizeof(schema::Identity))
    for (const auto& element : value)
      if (element.is_number_unsigned() && element.get<uint64_t>() <= UINT8_MAX)
        bytes.push_back(element.get<uint8_t>());
  if (bytes.size() != sizeof(schema::Identity))
    return invalid("JSON error: `hex_identity` must be a string or an array of 32 bytes");
  return to_hex(bytes);
}

}  // namespace

std::optional<TokenParts> split_token(std::string_view token) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return TokenParts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1), token.substr(0, second)};
}

Result<std::string> decode_segment(std::string_view segment) {
  const auto bytes = base64url_decode(segment);
  if (!bytes) return invalid("Base64 error: not base64url without padding");
  if (!schema::is_valid_utf8(*bytes)) return invalid("InvalidToken");
  return std::string(as_text(*bytes));
}

Result<TokenHeader> read_header(const std::string& header_json) {
  WL_ASSIGN_OR_RETURN(const Json header, parse_object(header_json));
  const auto algorithm = header.find("alg");
  if (algorithm == header.end() || !algorithm->is_string())
    return invalid("JSON error: missing field `alg`");
  if (header.contains("crit")) return invalid("InvalidToken");  // RFC 7515 4.1.11: must refuse.
  TokenHeader read{algorithm->get<std::string>(), std::nullopt};
  if (const auto id = header.find("kid"); id != header.end() && !id->is_null()) {
    if (!id->is_string()) return invalid("JSON error: `kid` must be a string");
    read.key_id = id->get<std::string>();
  }
  return read;
}

Result<Claims> read_claims(const std::string& payload_json) {
  WL_ASSIGN_OR_RETURN(const Json payload, parse_object(payload_json));
  Claims claims;
  WL_ASSIGN_OR_RETURN(claims.subject, required_string(payload, "sub"));
  WL_ASSIGN_OR_RETURN(claims.issuer, required_string(payload, "iss"));
  WL_ASSIGN_OR_RETURN(const auto issued, optional_seconds(payload, "iat"));
  if (!issued) return invalid("Missing required claim: iat");
  WL_ASSIGN_OR_RETURN(claims.expires_seconds, optional_seconds(payload, "exp"));
  WL_RETURN_IF_ERROR(check_audience(payload));
  if (const auto member = payload.find("hex_identity");
      member != payload.end() && !member->is_null()) {
    WL_ASSIGN_OR_RETURN(claims.hex_identity, plain_identity(*member));
  }
  return claims;
}

std::optional<std::string> peek_issuer(const std::string& payload_json) {
  const auto payload = parse_object(payload_json);
  if (!payload.ok()) return std::nullopt;
  const auto issuer = payload->find("iss");
  if (issuer == payload->end() || !issuer->is_string()) return std::nullopt;
  return issuer->get<std::string>();
}

Result<schema::Identity> check_identity(const Claims& claims) {
  const auto refuse = [](std::string_view text) { return Status::unauthenticated("{}", text); };
  if (claims.issuer.size() > schema::kClaimBytesMax)
    return refuse(fmt::format("Issuer too long: {} bytes, at most {}", claims.issuer.size(),
                              schema::kClaimBytesMax));
  if (claims.subject.size() > schema::kClaimBytesMax)
    return refuse(fmt::format("Subject too long: {} bytes, at most {}", claims.subject.size(),
                              schema::kClaimBytesMax));
  if (claims.issuer.empty()) return refuse("Issuer empty");
  if (claims.subject.empty()) return refuse("Subject empty");
  WL_ASSIGN_OR_RETURN(const schema::Identity identity,
                      schema::Identity::from_claims(claims.issuer, claims.subject));
  if (!claims.hex_identity) return identity;
  const auto named = schema::Identity::parse(*claims.hex_identity);
  if (!named.ok()) return invalid("JSON error: `hex_identity` must be 64 hex digits");
  if (*named != identity)
    return refuse(
        fmt::format("Identity mismatch: token identity {} does not match computed identity {}",
                    named->to_hex(), identity.to_hex()));
  return identity;
}

std::string write_payload(const schema::Identity& identity, std::string_view issuer,
                          std::string_view subject, int64_t issued_seconds) {
  Json payload;
  payload["hex_identity"] = identity.to_hex();
  payload["sub"] = subject;
  payload["iss"] = issuer;
  payload["aud"] = Json::array({"spacetimedb"});
  payload["iat"] = issued_seconds;
  payload["exp"] = nullptr;
  return payload.dump();
}

Result<std::string> rewrite_payload(const std::string& payload_json,
                                    const schema::Identity& identity, int64_t issued_seconds,
                                    int64_t expires_seconds) {
  WL_ASSIGN_OR_RETURN(const Json old, parse_object(payload_json));
  Json payload;
  payload["hex_identity"] = identity.to_hex();
  payload["sub"] = old.value("sub", "");
  payload["iss"] = old.value("iss", "");
  payload["aud"] = old.contains("aud") ? old["aud"] : Json::array();
  payload["iat"] = issued_seconds;
  payload["exp"] = expires_seconds;
  for (auto member = old.begin(); member != old.end(); ++member)
    if (!payload.contains(member.key())) payload[member.key()] = member.value();
  return payload.dump();
}

}  // namespace worldline::gateway
