#include "gateway/auth/jwk_set.h"

#include <optional>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

namespace worldline::gateway {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member == object.end() || !member->is_string() ? "" : member->get<std::string>();
}

Result<ByteBuffer> number_of(const Json& object, const char* name) {
  auto bytes = base64url_decode(text_of(object, name));
  if (!bytes || bytes->empty())
    return Status::invalid_argument("JWK set: `{}` is no base64url number", name);
  return std::move(*bytes);
}

bool is_for_signatures(const Json& key) {
  const std::string use = text_of(key, "use");
  return use.empty() || use == "sig";
}

template <typename K>
bool speaks(const K& /*key*/, const std::string& algorithm) {
  return algorithm == (std::is_same_v<K, RsaPublicKey> ? "RS256" : "ES256");
}

}  // namespace

Result<JwkSet> JwkSet::parse(const std::string& json) {
  const Json document = Json::parse(json, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    return Status::invalid_argument("JWK set: not a JSON object");
  const auto keys = document.find("keys");
  if (keys == document.end() || !keys->is_array())
    return Status::invalid_argument("JWK set: no array `keys`");
  if (keys->size() > kKeysMax)
    return Status::invalid_argument("JWK set: more than {} keys", kKeysMax);
  JwkSet set;
  for (const Json& key : *keys) {
    if (!key.is_object()) return Status::invalid_argument("JWK set: a key is not an object");
    std::string id = text_of(key, "kid");
    if (id.empty()) return Status::invalid_argument("JWK set: a key has no `kid`");
    if (!is_for_signatures(key)) continue;
    const std::string type = text_of(key, "kty");
    if (type == "RSA") {
      WL_ASSIGN_OR_RETURN(const ByteBuffer modulus, number_of(key, "n"));
      WL_ASSIGN_OR_RETURN(const ByteBuffer exponent, number_of(key, "e"));
      WL_ASSIGN_OR_RETURN(RsaPublicKey made, RsaPublicKey::from_numbers(modulus, exponent));
      set.keys_.push_back({std::move(id), std::move(made)});
    } else if (type == "EC" && text_of(key, "crv") == "P-256") {
      WL_ASSIGN_OR_RETURN(const ByteBuffer x, number_of(key, "x"));
      WL_ASSIGN_OR_RETURN(const ByteBuffer y, number_of(key, "y"));
      WL_ASSIGN_OR_RETURN(PublicKey made, PublicKey::from_point(x, y));
      set.keys_.push_back({std::move(id), std::move(made)});
    }
  }
  return set;
}

Status JwkSet::verify(const TokenHeader& header, std::string_view text, Bytes signature) const {
  bool known = false;
  bool spoken = false;
  for (const Key& one : keys_) {
    if (header.key_id && one.id != *header.key_id) continue;
    known = true;
    const bool fits =
        std::visit([&header](const auto& key) { return speaks(key, header.algorithm); }, one.key);
    if (!fits) continue;
    spoken = true;
    if (std::visit([&](const auto& key) { return key.verify(text, signature); }, one.key))
      return {};
  }
  if (header.key_id && !known) return Status::unauthenticated("Specified key ID not found in JWKs");
  return Status::unauthenticated("Invalid token: {}",
                                 spoken ? "InvalidSignature" : "InvalidAlgorithm");
}

}  // namespace worldline::gateway
