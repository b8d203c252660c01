// schema/hash.h
//
// The two hash functions users can see: Keccak-256 names programs, BLAKE3 derives identities and
// view argument hashes.
//
// Invariants: bytes are in natural order; as a SATS U256 the number is those bytes read
// little-endian, so the JSON form shows them reversed [S 01/4.4]. Thread: any. Errors: none.
#pragma once

#include <array>
#include <compare>
#include <initializer_list>
#include <string>

#include "base/bytes.h"

namespace worldline::schema {

struct Hash256 {
  std::array<Byte, 32> bytes{};

  friend auto operator<=>(const Hash256&, const Hash256&) = default;
  std::string to_hex() const;              // Natural order: the usual display.
  std::string to_json_text() const;        // `0x...` of the number read little-endian, no quotes.
  static Hash256 from_bytes(Bytes bytes);  // REQUIRES: 32 bytes.
};

Hash256 keccak256(Bytes input);  // Original Keccak padding, as in Ethereum; not NIST SHA3.
Hash256 blake3(Bytes input);
Hash256 blake3(std::initializer_list<Bytes> parts);  // Of the concatenation.

// Hash of a view's arguments: BLAKE3 over a fixed prefix and their BSATN [S 01/4.4].
Hash256 view_argument_hash(Bytes arguments);

}  // namespace worldline::schema
