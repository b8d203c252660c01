// storage/storage_types.h
//
// Plain values of the storage room: where a row lives, digests, the error kinds of the datastore
// and what a transaction is told about its origin.
//
// Ownership: values. Thread: any. Sources: [S 05/1.15] errors, [S 08/4.8] digests.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "schema/identity.h"

namespace worldline::storage {

// Place of a row inside its table. A row never moves while it exists. Never leaves storage, query
// and the log record [house style 2.5].
struct RowRef {
  uint32_t page = 0;
  uint16_t slot = 0;

  friend constexpr auto operator<=>(const RowRef&, const RowRef&) = default;
  constexpr uint64_t packed() const { return (uint64_t{page} << 16) | slot; }
  static constexpr RowRef from_packed(uint64_t packed) {
    return {static_cast<uint32_t>(packed >> 16), static_cast<uint16_t>(packed)};
  }
};

// Sum of row hashes modulo 2^128 (of a table), or a hash over those (of the state).
struct Digest128 {
  uint64_t low = 0;
  uint64_t high = 0;

  friend constexpr bool operator==(const Digest128&, const Digest128&) = default;
  constexpr void add(const Digest128& other) {
    low += other.low;
    high += other.high + (low < other.low ? 1 : 0);
  }
  constexpr void subtract(const Digest128& other) {
    const uint64_t borrow = low < other.low ? 1 : 0;
    low -= other.low;
    high -= other.high + borrow;
  }
};

// Why a datastore operation was refused; the runtime maps it to an errno in one switch
// [S 05/1.15]. Nothing is changed by a refused operation except consumed sequence values.
enum class DataError : uint8_t {
  kNone,
  kNoSuchTable,
  kNoSuchIndex,
  kUnique,          // A unique index already has that key.
  kNotUnique,       // Update through an index that is not unique.
  kNoSuchRow,       // Update: no row has that key.
  kDecode,          // Malformed row, relation, point, prefix or bound.
  kWrongIndexAlgo,  // Range scan of a hash index.
  kAutoInc,         // A sequence cannot advance.
  kTooLarge,        // A row beyond limits::kRowBytesMax, or a transaction beyond kTxBytesMax.
  kNotSupported,    // Understood, but not built.
  kInternal,        // Catalog rows contradict each other.
};

// What a transaction records about its origin. Borrowed for the call of begin().
struct TxInfo {
  Timestamp timestamp;
  schema::Identity caller;
  schema::ConnectionId connection_id;
  std::string_view reducer;  // Empty: not a reducer (SQL, publish, internal).
  Bytes args;
};

// Reducer names whose transactions consume an offset even without any change [S 05/1.14].
inline constexpr std::string_view kIdentityConnected = "__identity_connected__";
inline constexpr std::string_view kIdentityDisconnected = "__identity_disconnected__";

inline constexpr TableId kFirstUserTable{4096};                // [S 05/2.1]
inline constexpr size_t kInlineRowBytesMax = 8 * limits::KiB;  // Longer rows live outside pages.
// Row bytes one transaction may write and delete together [S 08/4.1].
inline constexpr uint64_t kTxBytesMax = limits::GiB;
inline constexpr size_t kRowChunkBytes = 32 * limits::KiB;  // ROW_ITER_CHUNK_SIZE [S 05/1.6].

}  // namespace worldline::storage
