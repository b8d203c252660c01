// storage/tree_keys.h
//
// The kinds of key a tree is instantiated for. A kind says how a key is stored in a node, what one
// searches with (the probe), and how they compare. The head of a key is a number that orders keys
// as far as it differs: a search looks at heads first.
//
// WordKeys: numbers of up to 64 bits; stored as they are.
// FixedKeys<N>: normalised byte strings of exactly N bytes, such as a connection id (16) or an
// identity (32); nothing but those bytes is stored. A probe may have any size.
// ByteKeys: normalised byte strings. The first eight bytes are kept as a big-endian number, so most
// comparisons are one of numbers; up to kInlineBytes are stored in the node (an Identity fits),
// longer ones behind a counted pointer shared by all copies of the node.
//
// Thread: frozen keys any.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/page.h"

namespace worldline::storage {

struct WordKeys {
  using Stored = uint64_t;
  using Probe = uint64_t;
  static constexpr size_t kLeafBytes = 512;
  static constexpr size_t kInnerBytes = 1024;

  static Stored store(Probe probe) { return probe; }
  static Probe probe_of(const Stored& key) { return key; }
  static uint64_t head(const Stored& key) { return key; }
  static uint64_t head_of(Probe probe) { return probe; }
  static void add_ref(const Stored&) {}
  static void release(const Stored&) {}
  static std::strong_ordering compare(const Stored& key, Probe probe) { return key <=> probe; }
  static std::strong_ordering compare_stored(Stored a, Stored b) { return a <=> b; }
};

inline constexpr uint32_t kKeyHeadBytes = 8;

// What byte strings are searched with.
struct ByteProbe {
  uint64_t head = 0;  // Big-endian value of the first bytes, zero-padded.
  Bytes all;
  ByteProbe() = default;
  explicit ByteProbe(Bytes bytes) : all(bytes) {
    const size_t count = std::min<size_t>(bytes.size(), kKeyHeadBytes);
    if (count != 0) std::memcpy(&head, bytes.data(), count);
    head = __builtin_bswap64(head);
  }
};

template <uint32_t N>
struct FixedKeys {
  static_assert(N > kKeyHeadBytes && N % 8 == 0, "no padding in a node");
  static constexpr size_t kLeafBytes = 1024;
  static constexpr size_t kInnerBytes = 2048;

  struct Stored {
    uint64_t head;
    std::array<Byte, N - kKeyHeadBytes> rest;
  };
  static_assert(sizeof(Stored) == N);
  using Probe = ByteProbe;

  static Stored store(const Probe& probe) {
    WL_CHECK(probe.all.size() == N);
    Stored key;
    key.head = probe.head;
    std::memcpy(key.rest.data(), probe.all.data() + kKeyHeadBytes, key.rest.size());
    return key;
  }
  static uint64_t head(const Stored& key) { return key.head; }
  static uint64_t head_of(const Probe& probe) { return probe.head; }
  static void add_ref(const Stored&) {}
  static void release(const Stored&) {}
  static std::strong_ordering compare(const Stored& key, const Probe& probe) {
    if (key.head != probe.head) return key.head <=> probe.head;
    // Padding zeros of a short probe's head compare equal; the sizes decide then.
    const size_t common = std::min<size_t>(N, probe.all.size());
    if (common > kKeyHeadBytes) {
      const int order =
          std::memcmp(key.rest.data(), probe.all.data() + kKeyHeadBytes, common - kKeyHeadBytes);
      if (order != 0) return order <=> 0;
    }
    return size_t{N} <=> probe.all.size();
  }
  static std::strong_ordering compare_stored(const Stored& a, const Stored& b) {
    if (a.head != b.head) return a.head <=> b.head;
    return std::memcmp(a.rest.data(), b.rest.data(), a.rest.size()) <=> 0;
  }
};

struct ByteKeys {
  static constexpr uint32_t kHeadBytes = kKeyHeadBytes;
  static constexpr uint32_t kRestBytes = 28;
  static constexpr uint32_t kInlineBytes = kHeadBytes + kRestBytes;
  static constexpr uint32_t kPrefixBytes = kInlineBytes - 8;  // Of a key with a pointer.
  static constexpr size_t kLeafBytes = 1024;
  static constexpr size_t kInnerBytes = 2048;

  struct Stored {
    uint64_t head;  // Big-endian value of the first bytes, zero-padded.
    uint32_t size;
    std::array<Byte, kRestBytes> rest;  // Zero-padded; ends in a Blob* if the key is longer.

    bool is_long() const { return size > kInlineBytes; }
    Blob* blob() const { return load_le<Blob*>(rest.data() + (kPrefixBytes - kHeadBytes)); }
  };
  static_assert(sizeof(Stored) == 40);

  using Probe = ByteProbe;

  static Stored store(const Probe& probe) {
    Stored key{probe.head, static_cast<uint32_t>(probe.all.size()), {}};
    const size_t inline_end = key.is_long() ? kPrefixBytes : probe.all.size();
    if (inline_end > kHeadBytes)
      std::memcpy(key.rest.data(), probe.all.data() + kHeadBytes, inline_end - kHeadBytes);
    if (key.is_long())
      store_le(key.rest.data() + (kPrefixBytes - kHeadBytes), Blob::create(probe.all));
    return key;
  }
  static uint64_t head(const Stored& key) { return key.head; }
  static uint64_t head_of(const Probe& probe) { return probe.head; }
  static void add_ref(const Stored& key) {
    if (key.is_long()) key.blob()->add_ref();
  }
  static void release(const Stored& key) {
    if (key.is_long()) key.blob()->release();
  }
  static std::strong_ordering compare(const Stored& key, const Probe& probe) {
    if (key.head != probe.head) return key.head <=> probe.head;
    return compare_rest(key, probe.all);
  }
  static std::strong_ordering compare_rest(const Stored& key, Bytes probe) {
    // Padding zeros of a short head compare equal; the sizes decide then.
    const Byte* bytes = key.is_long() ? key.blob()->bytes().data() + kHeadBytes : key.rest.data();
    const size_t common = std::min<size_t>(key.size, probe.size());
    if (common > kHeadBytes) {
      const int order = std::memcmp(bytes, probe.data() + kHeadBytes, common - kHeadBytes);
      if (order != 0) return order <=> 0;
    }
    return size_t{key.size} <=> probe.size();
  }
  static std::strong_ordering compare_stored(const Stored& a, const Stored& b) {
    if (a.head != b.head) return a.head <=> b.head;
    ByteBuffer bytes(kInlineBytes);
    if (b.is_long()) return compare_rest(a, b.blob()->bytes());
    store_le(bytes.data(), __builtin_bswap64(b.head));
    std::memcpy(bytes.data() + kHeadBytes, b.rest.data(), kRestBytes);
    return compare_rest(a, Bytes(bytes).first(b.size));
  }
};

}  // namespace worldline::storage
