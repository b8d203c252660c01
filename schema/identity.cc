#include "schema/identity.h"

#include <algorithm>

#include "base/check.h"
#include "schema/hash.h"

namespace worldline::schema {
namespace {

constexpr size_t kIdHashBytes = 26;
constexpr size_t kChecksumBytes = 4;
constexpr Byte kPrefix[2] = {0xc2, 0x00};
static_assert(sizeof kPrefix + kChecksumBytes + kIdHashBytes == sizeof(Identity));

template <size_t N>
std::string reversed_hex(const std::array<Byte, N>& le) {
  std::array<Byte, N> be;
  std::reverse_copy(le.begin(), le.end(), be.begin());
  return worldline::to_hex(be);
}

// Exactly 2 * N hex digits, big-endian.
template <size_t N>
bool parse_reversed_hex(std::string_view text, std::array<Byte, N>& le) {
  ByteBuffer be;
  if (text.size() != 2 * N || !parse_hex(text, be)) return false;
  std::reverse_copy(be.begin(), be.end(), le.begin());
  return true;
}

template <typename T>
T copy_of(Bytes bytes) {
  T out;
  WL_CHECK(bytes.size() == out.le.size());
  std::copy(bytes.begin(), bytes.end(), out.le.begin());
  return out;
}

std::array<Byte, kChecksumBytes> checksum_of(Bytes id_hash) {
  const Hash256 hash = blake3({kPrefix, id_hash});
  std::array<Byte, kChecksumBytes> checksum;
  std::copy_n(hash.bytes.begin(), kChecksumBytes, checksum.begin());
  return checksum;
}

Status check_claim(std::string_view name, std::string_view value) {
  if (value.empty()) return Status::invalid_argument("claim `{}` must not be empty", name);
  if (value.size() > kClaimBytesMax)
    return Status::invalid_argument("claim `{}` is {} bytes, the limit is {}", name, value.size(),
                                    kClaimBytesMax);
  return {};
}

}  // namespace

std::string Identity::to_hex() const {
  return reversed_hex(le);
}

Identity Identity::from_le_bytes(Bytes bytes) {
  return copy_of<Identity>(bytes);
}

Result<Identity> Identity::parse(std::string_view text) {
  Identity identity;
  if (!parse_reversed_hex(text, identity.le))
    return Status::invalid_argument("identity must be 64 hexadecimal digits, got `{}`",
                                    text.substr(0, 80));
  return identity;
}

Result<Identity> Identity::from_claims(std::string_view issuer, std::string_view subject) {
  WL_RETURN_IF_ERROR(check_claim("iss", issuer));
  WL_RETURN_IF_ERROR(check_claim("sub", subject));
  const Hash256 hash = blake3({as_bytes(issuer), as_bytes("|"), as_bytes(subject)});
  const Bytes id_hash = Bytes(hash.bytes).first(kIdHashBytes);
  const auto checksum = checksum_of(id_hash);

  std::array<Byte, 32> be;
  auto at = std::copy(std::begin(kPrefix), std::end(kPrefix), be.begin());
  at = std::copy(checksum.begin(), checksum.end(), at);
  std::copy(id_hash.begin(), id_hash.end(), at);
  Identity identity;
  std::reverse_copy(be.begin(), be.end(), identity.le.begin());
  return identity;
}

bool looks_like_identity(std::string_view text, Identity& out) {
  // `X'` as in SQL is tolerated [S 02/1.4].
  if (text.starts_with("0x") || text.starts_with("X'")) text.remove_prefix(2);
  return parse_reversed_hex(text, out.le);
}

bool has_valid_checksum(const Identity& identity) {
  std::array<Byte, 32> be;
  std::reverse_copy(identity.le.begin(), identity.le.end(), be.begin());
  const auto checksum = checksum_of(Bytes(be).last(kIdHashBytes));
  return std::equal(std::begin(kPrefix), std::end(kPrefix), be.begin()) &&
         std::equal(checksum.begin(), checksum.end(), be.begin() + sizeof kPrefix);
}

std::string ConnectionId::to_hex() const {
  return reversed_hex(le);
}

ConnectionId ConnectionId::from_le_bytes(Bytes bytes) {
  return copy_of<ConnectionId>(bytes);
}

Result<ConnectionId> ConnectionId::parse(std::string_view text) {
  ConnectionId id;
  if (!parse_reversed_hex(text, id.le))
    return Status::invalid_argument("connection id must be 32 hexadecimal digits, got `{}`",
                                    text.substr(0, 80));
  return id;
}

}  // namespace worldline::schema
