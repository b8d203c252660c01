// gateway/auth/token_service.h
//
// TokenService issues the node's own tokens (ES256 JWS) and keeps the key pair. It checks tokens
// with that key, whatever their issuer, or with the keys of another issuer.
//
// Invariants: the algorithm follows the key, never the token's header (no HS256); an accepted
// token's identity is derived from its own iss and sub.
// Ownership: immutable after open(). Thread: any. Units: seconds since 1970.
// Errors: kUnauthenticated, whose message is the body of the 401 [S 02/11.4].
// Sources: [S 02/11.1-11.6], [S 09/1.7].
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "gateway/auth/claims.h"
#include "gateway/auth/crypto.h"
#include "gateway/auth/jwk_set.h"
#include "gateway/gateway_config.h"
#include "schema/identity.h"

namespace worldline::gateway {

// A checked token. `payload` is the claims' JSON text as the token carries it.
struct TokenClaims {
  schema::Identity identity;
  std::string issuer;
  std::string subject;
  std::string payload;
};

struct IssuedToken {
  TokenClaims claims;
  std::string token;
};

// What the local key says of a token.
struct TokenCheck {
  Result<TokenClaims> claims;
  // Set if that key does not verify it and another issuer's may: claims holds our refusal.
  std::optional<std::string> issuer;
};

class TokenService {
 public:
  // Reads the key pair, or makes one (mode 0600) if neither file exists in `key_dir`.
  static Result<std::unique_ptr<TokenService>> open(const AuthConfig& config);

  // A fresh anonymous identity: sub is a random UUID, no expiry.
  Result<IssuedToken> mint(int64_t now_seconds) const;
  // The same claims under the local key, valid for config.websocket_token_life.
  Result<std::string> mint_websocket_token(const TokenClaims& claims, int64_t now_seconds) const;
  TokenCheck check(std::string_view token, int64_t now_seconds) const;
  // With the local key alone.
  Result<TokenClaims> verify(std::string_view token, int64_t now_seconds) const {
    return check(token, now_seconds).claims;
  }
  // With the keys of the issuer that check() named.
  Result<TokenClaims> verify_foreign(std::string_view token, const JwkSet& keys,
                                     int64_t now_seconds) const;

  const std::string& public_key_pem() const { return public_pem_; }  // Bytes of the file.
  const std::string& issuer() const { return config_.issuer; }

 private:
  TokenService(const AuthConfig& config, PrivateKey private_key, PublicKey public_key,
               std::string public_pem);

  Result<std::string> sign(const std::string& payload) const;
  Result<TokenClaims> accept(const Claims& claims, std::string payload, int64_t now_seconds) const;

  const AuthConfig config_;
  const PrivateKey private_key_;
  const PublicKey public_key_;
  const std::string public_pem_;
};

}  // namespace worldline::gateway
