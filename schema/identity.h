// schema/identity.h
//
// Identity names a user or a database, ConnectionId one connection.
//
// Invariants: bytes are the BSATN form (little-endian number); text is the big-endian hex, so the
// two are each other's reverse [S 01/4.3]. Thread: any; trivially copyable values.
// Errors: kInvalidArgument for text that does not parse and for claims out of bounds.
// Sources: [S 01/4.1-4.3].
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::schema {

inline constexpr size_t kClaimBytesMax = 128;  // Of `iss` and of `sub` [S 01/4.1].

struct Identity {
  std::array<Byte, 32> le{};

  // Orders by bytes, not by number: for containers only.
  friend auto operator<=>(const Identity&, const Identity&) = default;
  bool is_zero() const { return *this == Identity{}; }
  Bytes bytes() const { return le; }  // BSATN; borrowed from this.
  std::string to_hex() const;         // 64 lower-case digits, big-endian, no prefix.

  static Identity from_le_bytes(Bytes bytes);            // REQUIRES: 32 bytes.
  static Result<Identity> parse(std::string_view text);  // Exactly 64 hex digits, no prefix.
  // The derivation from token claims; both non-empty and at most kClaimBytesMax bytes.
  static Result<Identity> from_claims(std::string_view issuer, std::string_view subject);
};

// A path segment is an identity if, after an optional 0x, it is exactly 64 hex digits; otherwise it
// is a database name [S 01/4.3].
bool looks_like_identity(std::string_view text, Identity& out);

// Is the checksum inside a derived identity right? Received identities are not required to pass.
bool has_valid_checksum(const Identity& identity);

struct ConnectionId {
  std::array<Byte, 16> le{};

  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
  bool is_zero() const { return *this == ConnectionId{}; }
  Bytes bytes() const { return le; }  // BSATN; borrowed from this.
  std::string to_hex() const;         // 32 lower-case digits, big-endian.

  static ConnectionId from_le_bytes(Bytes bytes);            // REQUIRES: 16 bytes.
  static Result<ConnectionId> parse(std::string_view text);  // Exactly 32 hex digits.
};

}  // namespace worldline::schema

template <>
struct std::hash<worldline::schema::Identity> {
  size_t operator()(const worldline::schema::Identity& identity) const noexcept {
    size_t first;  // Derived identities are hash output: any eight of the lower bytes will do.
    std::memcpy(&first, identity.le.data(), sizeof first);
    return first;
  }
};
template <>
struct std::hash<worldline::schema::ConnectionId> {
  size_t operator()(const worldline::schema::ConnectionId& id) const noexcept {
    size_t words[2];
    std::memcpy(words, id.le.data(), sizeof words);
    return words[0] ^ (words[1] * 0x9e3779b97f4a7c15);
  }
};
