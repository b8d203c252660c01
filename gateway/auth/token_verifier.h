// gateway/auth/token_verifier.h
//
// TokenVerifier checks tokens of whatever issuer: with the local key first, then with the keys of
// the issuer the token names [S 02/11.4].
//
// Ownership: the Gateway; borrows the parts. Thread: any. Errors: kUnauthenticated, whose message
// is the body of the 401.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gateway/auth/issuer_directory.h"
#include "gateway/auth/token_service.h"

namespace worldline::gateway {

class TokenVerifier {
 public:
  using Done = std::function<void(Result<TokenClaims>)>;

  TokenVerifier(const TokenService& tokens, IssuerDirectory& issuers)
      : tokens_(tokens), issuers_(issuers) {}

  // `done` runs before this returns unless keys must be fetched; then on the fetcher's thread.
  void verify(const std::string& token, int64_t now_seconds, Done done) const;

 private:
  const TokenService& tokens_;  // Borrowed; outlives this.
  IssuerDirectory& issuers_;    // Borrowed; outlives this.
};

}  // namespace worldline::gateway
