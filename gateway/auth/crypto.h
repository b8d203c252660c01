// gateway/auth/crypto.h
//
// The cryptography of tokens and of the WebSocket handshake, as values: P-256 keys, ES256
// signatures in the raw 64-byte form of JWS, SHA-1, base64, random bytes. OpenSSL stays behind it.
//
// Ownership: keys are immutable handles. Thread: any. Errors: kInvalidArgument for foreign keys or
// signatures, kInternal if the library fails. Sources: RFC 7515, RFC 7518 3.4, RFC 6455 1.3.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::gateway {

inline constexpr size_t kEs256SignatureBytes = 64;  // r and s, 32 B each, big-endian.

class PrivateKey {
 public:
  static Result<PrivateKey> generate();
  static Result<PrivateKey> parse_pem(std::string_view pem);  // PKCS#8 or SEC1, P-256 only.

  std::string private_pem() const;  // PKCS#8: -----BEGIN PRIVATE KEY-----
  std::string public_pem() const;   // SPKI: -----BEGIN PUBLIC KEY-----
  Result<std::array<Byte, kEs256SignatureBytes>> sign(std::string_view text) const;

 private:
  explicit PrivateKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY; never null.
};

class PublicKey {
 public:
  static Result<PublicKey> parse_pem(std::string_view pem);  // SPKI, P-256 only.
  static Result<PublicKey> from_point(Bytes x, Bytes y);     // P-256; big-endian coordinates.
  // false: the signature does not belong to the text.
  bool verify(std::string_view text, Bytes signature) const;

 private:
  explicit PublicKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY; never null.
};

// Verifies RS256: PKCS #1 v1.5 with SHA-256.
class RsaPublicKey {
 public:
  static constexpr int kModulusBitsMin = 2048;
  static constexpr int kModulusBitsMax = 8192;

  static Result<RsaPublicKey> from_numbers(Bytes modulus, Bytes exponent);  // Big-endian.
  bool verify(std::string_view text, Bytes signature) const;

 private:
  explicit RsaPublicKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY; never null.
};

std::string base64url_encode(Bytes bytes);  // Without padding.
// nullopt: a foreign character, padding, an impossible length or stray bits at the end.
std::optional<ByteBuffer> base64url_decode(std::string_view text);
std::string base64_encode(Bytes bytes);  // Standard alphabet, padded.

std::array<Byte, 20> sha1(std::string_view text);
void fill_random(MutableBytes out);  // From the system's generator; ends the process if it fails.
std::string random_uuid();           // Version 4, lower case with hyphens.

}  // namespace worldline::gateway
