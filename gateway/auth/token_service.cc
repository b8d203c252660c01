#include "gateway/auth/token_service.h"

#include <utility>

#include "gateway/auth/claims.h"
#include "gateway/auth/key_files.h"

namespace worldline::gateway {
namespace {

constexpr char kHeaderJson[] = R"({"typ":"JWT","alg":"ES256"})";

bool expired(const Claims& claims, int64_t now_seconds, std::chrono::seconds leeway) {
  return claims.expires_seconds && *claims.expires_seconds < now_seconds - leeway.count();
}

// Step 1 of [S 02/11.4]: signature first, so that nothing of a forged payload is believed.
Result<Claims> verify_locally(const TokenParts& parts, const PublicKey& key,
                              const std::string& payload) {
  WL_ASSIGN_OR_RETURN(const std::string header_json, decode_segment(parts.header));
  WL_ASSIGN_OR_RETURN(const TokenHeader header, read_header(header_json));
  // QUIRK [S 02/15 no. 10] not copied: an EC key verifies ES256 and nothing else.
  if (header.algorithm != "ES256")
    return Status::unauthenticated("Invalid token: InvalidAlgorithm");
  const auto signature = base64url_decode(parts.signature);
  if (!signature) return Status::unauthenticated("Invalid token: Base64 error: signature");
  if (!key.verify(parts.signed_text, *signature))
    return Status::unauthenticated("Invalid token: InvalidSignature");
  return read_claims(payload);
}

}  // namespace

TokenService::TokenService(const AuthConfig& config, PrivateKey private_key, PublicKey public_key,
                           std::string public_pem)
    : config_(config),
      private_key_(std::move(private_key)),
      public_key_(std::move(public_key)),
      public_pem_(std::move(public_pem)) {}

Result<std::unique_ptr<TokenService>> TokenService::open(const AuthConfig& config) {
  WL_ASSIGN_OR_RETURN(const KeyPairText pair, load_or_create_key_pair(config));
  auto private_key = PrivateKey::parse_pem(pair.private_pem);
  if (!private_key.ok())
    return private_key.status().with_context("Unable to read private key for JWT token signing");
  auto public_key = PublicKey::parse_pem(pair.public_pem);
  if (!public_key.ok())
    return public_key.status().with_context("Unable to read public key for JWT token verification");
  std::unique_ptr<TokenService> service(
      new TokenService(config, std::move(*private_key), std::move(*public_key), pair.public_pem));
  // A pair that does not belong together would issue tokens that nobody accepts.
  WL_ASSIGN_OR_RETURN(const IssuedToken probe, service->mint(0));
  if (!service->verify(probe.token, 0).ok())
    return Status::invalid_argument("the private and the public JWT key are not a pair");
  return service;
}

Result<std::string> TokenService::sign(const std::string& payload) const {
  std::string text =
      base64url_encode(as_bytes(kHeaderJson)) + "." + base64url_encode(as_bytes(payload));
  WL_ASSIGN_OR_RETURN(const auto signature, private_key_.sign(text));
  return text + "." + base64url_encode(signature);
}

Result<IssuedToken> TokenService::mint(int64_t now_seconds) const {
  IssuedToken issued;
  issued.claims.issuer = config_.issuer;
  issued.claims.subject = random_uuid();
  WL_ASSIGN_OR_RETURN(issued.claims.identity,
                      schema::Identity::from_claims(config_.issuer, issued.claims.subject));
  issued.claims.payload =
      write_payload(issued.claims.identity, config_.issuer, issued.claims.subject, now_seconds);
  WL_ASSIGN_OR_RETURN(issued.token, sign(issued.claims.payload));
  return issued;
}

Result<std::string> TokenService::mint_websocket_token(const TokenClaims& claims,
                                                       int64_t now_seconds) const {
  WL_ASSIGN_OR_RETURN(const std::string payload,
                      rewrite_payload(claims.payload, claims.identity, now_seconds,
                                      now_seconds + config_.websocket_token_life.count()));
  return sign(payload);
}

// Everything behind the signature: the claims were read from `payload`.
Result<TokenClaims> TokenService::accept(const Claims& claims, std::string payload,
                                         int64_t now_seconds) const {
  if (expired(claims, now_seconds, config_.expiry_leeway))
    return Status::unauthenticated("Invalid token: ExpiredSignature");
  WL_ASSIGN_OR_RETURN(const schema::Identity identity, check_identity(claims));
  return TokenClaims{identity, claims.issuer, claims.subject, std::move(payload)};
}

TokenCheck TokenService::check(std::string_view token, int64_t now_seconds) const {
  const auto parts = split_token(token);
  if (token.size() > config_.token_bytes_max || !parts)
    return {Status::unauthenticated("Invalid token: InvalidToken"), std::nullopt};
  auto payload = decode_segment(parts->payload);
  if (!payload.ok()) return {payload.status(), std::nullopt};
  const auto claims = verify_locally(*parts, public_key_, *payload);
  if (claims.ok()) return {accept(*claims, std::move(*payload), now_seconds), std::nullopt};
  // Steps 2 and 3: whose token is it? Nothing of it is believed, but what would be refused anyway
  // is not worth a request.
  const auto issuer = peek_issuer(*payload);
  if (!issuer || *issuer == config_.issuer) return {claims.status(), std::nullopt};
  const auto unverified = read_claims(*payload);
  if (!unverified.ok()) return {unverified.status(), std::nullopt};
  auto accepted = accept(*unverified, std::move(*payload), now_seconds);
  if (!accepted.ok()) return {std::move(accepted), std::nullopt};
  return {claims.status(), issuer};
}

Result<TokenClaims> TokenService::verify_foreign(std::string_view token, const JwkSet& keys,
                                                 int64_t now_seconds) const {
  const auto parts = split_token(token);
  if (token.size() > config_.token_bytes_max || !parts)
    return Status::unauthenticated("Invalid token: InvalidToken");
  WL_ASSIGN_OR_RETURN(std::string payload, decode_segment(parts->payload));
  WL_ASSIGN_OR_RETURN(const std::string header_json, decode_segment(parts->header));
  WL_ASSIGN_OR_RETURN(const TokenHeader header, read_header(header_json));
  const auto signature = base64url_decode(parts->signature);
  if (!signature) return Status::unauthenticated("Invalid token: Base64 error: signature");
  WL_RETURN_IF_ERROR(keys.verify(header, parts->signed_text, *signature));
  WL_ASSIGN_OR_RETURN(const Claims claims, read_claims(payload));
  return accept(claims, std::move(payload), now_seconds);
}

}  // namespace worldline::gateway
