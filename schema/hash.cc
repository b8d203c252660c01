#include "schema/hash.h"

#include <algorithm>

#include <blake3.h>
#include <cryptopp/keccak.h>

#include "base/check.h"
#include "schema/number_text.h"

namespace worldline::schema {

static_assert(BLAKE3_OUT_LEN == sizeof(Hash256));

std::string Hash256::to_hex() const {
  return worldline::to_hex(bytes);
}

std::string Hash256::to_json_text() const {
  std::string out;
  append_hex_u256(load_le<UInt256>(bytes.data()), out);
  return out;
}

Hash256 Hash256::from_bytes(Bytes bytes) {
  WL_CHECK(bytes.size() == sizeof(Hash256));
  Hash256 hash;
  std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
  return hash;
}

Hash256 keccak256(Bytes input) {
  Hash256 hash;
  CryptoPP::Keccak_256().CalculateDigest(hash.bytes.data(), input.data(), input.size());
  return hash;
}

Hash256 blake3(std::initializer_list<Bytes> parts) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  for (const Bytes part : parts) blake3_hasher_update(&hasher, part.data(), part.size());
  Hash256 hash;
  blake3_hasher_finalize(&hasher, hash.bytes.data(), hash.bytes.size());
  return hash;
}

Hash256 blake3(Bytes input) {
  return blake3({input});
}

Hash256 view_argument_hash(Bytes arguments) {
  static constexpr char kPrefix[] = "spacetimedb::view::args::v1";
  static_assert(sizeof kPrefix == 28);  // The terminating NUL belongs to the prefix.
  return blake3({{reinterpret_cast<const Byte*>(kPrefix), sizeof kPrefix}, arguments});
}

}  // namespace worldline::schema
