// base/bytes.h
//
// The byte vocabulary: Bytes borrows, ByteBuffer owns and grows, SharedBytes is frozen and shared.
// All multi-byte numbers on disk and wire are little-endian; the load/store functions say so.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace worldline {

using Byte = uint8_t;
using Bytes = std::span<const Byte>;                    // Borrowed for the call unless stated.
using MutableBytes = std::span<Byte>;                   // Borrowed, writable.
using ByteBuffer = std::vector<Byte>;                   // Owned, growing.
using SharedBytes = std::shared_ptr<const ByteBuffer>;  // Frozen; may cross threads.

static_assert(std::endian::native == std::endian::little, "row layouts are copied by memcpy");

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline void append(ByteBuffer& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
inline bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Loads a trivially copyable value from unaligned little-endian bytes. REQUIRES: enough bytes.
template <typename T>
requires std::is_trivially_copyable_v<T> T load_le(const Byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
requires std::is_trivially_copyable_v<T>
void store_le(Byte* to, const T& value) {
  std::memcpy(to, &value, sizeof value);
}
template <typename T>
requires std::is_trivially_copyable_v<T>
void append_le(ByteBuffer& out, const T& value) {
  const auto* from = reinterpret_cast<const Byte*>(&value);
  out.insert(out.end(), from, from + sizeof value);
}

// Lower-case hex of the bytes in order, and its inverse (either case; nullopt-like empty on odd
// length or a foreign character is reported by the bool).
std::string to_hex(Bytes bytes);
bool parse_hex(std::string_view text, ByteBuffer& out);

}  // namespace worldline
