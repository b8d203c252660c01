#include "gateway/auth/token_verifier.h"

#include <utility>

namespace worldline::gateway {

void TokenVerifier::verify(const std::string& token, int64_t now_seconds, Done done) const {
  TokenCheck check = tokens_.check(token, now_seconds);
  if (!check.issuer) return done(std::move(check.claims));
  issuers_.keys_of(*check.issuer, [this, token, now_seconds, done = std::move(done)](
                                      const Result<IssuerDirectory::Keys>& keys) {
    if (keys.ok())
      done(tokens_.verify_foreign(token, **keys, now_seconds));
    else
      done(keys.status());
  });
}

}  // namespace worldline::gateway
