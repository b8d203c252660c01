// gateway/auth/jwk_set.h
//
// JwkSet is the public keys of another issuer, read from its JWK set document: P-256 keys verify
// ES256 and RSA keys RS256, nothing else, whatever a token's header says. Keys of other types are
// left out; every key needs a `kid` [S 02/11.5].
//
// Invariants: at most kKeysMax keys, RSA moduli of 2048 to 8192 bits. Ownership: immutable; shared.
// Thread: any. Errors: parse() kInvalidArgument; verify() kUnauthenticated with the body of the 401
// [S 02/11.4]. Sources: RFC 7517, RFC 7518 6.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "gateway/auth/claims.h"
#include "gateway/auth/crypto.h"

namespace worldline::gateway {

class JwkSet {
 public:
  static constexpr size_t kKeysMax = 64;

  static Result<JwkSet> parse(const std::string& json);

  // Checks the signature of `text` with the key the header names, or with each key in turn.
  Status verify(const TokenHeader& header, std::string_view text, Bytes signature) const;

  size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;
    std::variant<PublicKey, RsaPublicKey> key;
  };

  std::vector<Key> keys_;
};

}  // namespace worldline::gateway
