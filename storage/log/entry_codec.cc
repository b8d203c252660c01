#include "storage/log/entry_codec.h"

#include <array>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace worldline::storage {
namespace {

static_assert(sizeof(EntryHeader) + limits::kLogEntryBytesMax <= UINT32_MAX);

// Fields both the chain and the checksum cover: everything before `chain`.
constexpr size_t kCoveredBytes = offsetof(EntryHeader, chain);

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

uint32_t crc_portable(uint32_t crc, Bytes bytes) {
  for (const Byte byte : bytes) crc = kCrcTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
// Three cycles per eight bytes: a record of 200 B costs about 25 ns.
__attribute__((target("sse4.2"))) uint32_t crc_hardware(uint32_t crc, Bytes bytes) {
  uint64_t wide = crc;
  const Byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) wide = _mm_crc32_u64(wide, load_le<uint64_t>(at));
  auto narrow = static_cast<uint32_t>(wide);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, *at);
  return narrow;
}
#endif

Bytes covered(const EntryHeader& header) {
  return {reinterpret_cast<const Byte*>(&header), kCoveredBytes};
}

uint32_t crc_of(const EntryHeader& header, Bytes payload) {
  return crc32c(crc32c(0, covered(header)), payload);
}

Chain next_chain(Chain previous, const EntryHeader& header, Bytes payload) {
  const Bytes fields = covered(header);
  const uint64_t seed = XXH3_64bits_withSeed(fields.data(), fields.size(), previous.value);
  return Chain{XXH3_64bits_withSeed(payload.data(), payload.size(), seed)};
}

// The fields the chain covers, the rest 0.
template <typename Place>
EntryHeader header_of(const Place& place, size_t payload_bytes) {
  EntryHeader header{};
  header.format = kEntryFormat;
  header.kind = static_cast<uint8_t>(place.kind);
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  header.term = place.term.value;
  header.index = place.index.value;
  return header;
}

Status validate_header(const EntryHeader& header, size_t payload_bytes) {
  if (header.format != kEntryFormat)
    return Status::not_supported("log entry {}: format {} is newer than {}", header.index,
                                 header.format, kEntryFormat);
  if (header.payload_bytes != payload_bytes)
    return Status::corruption("log entry {}: payload of {} B where {} B are announced",
                              header.index, payload_bytes, header.payload_bytes);
  if (payload_bytes > limits::kLogEntryBytesMax)
    return Status::corruption("log entry {}: payload of {} B exceeds the limit of {} B",
                              header.index, payload_bytes, limits::kLogEntryBytesMax);
  if (header.kind == 0 || header.kind > kEntryKindMax)
    return Status::not_supported("log entry {}: unknown kind {}", header.index, header.kind);
  if (header.flags != 0 || header.reserved != 0)
    return Status::not_supported("log entry {}: unknown flags {}", header.index, header.flags);
  return Status::ok_status();
}

}  // namespace

uint32_t crc32c(uint32_t seed, Bytes bytes) {
#if defined(__x86_64__)
  static const bool has_hardware = __builtin_cpu_supports("sse4.2") != 0;
  if (has_hardware) return ~crc_hardware(~seed, bytes);
#endif
  return ~crc_portable(~seed, bytes);
}

Chain genesis_chain(GroupId group) {
  return Chain{XXH3_64bits_withSeed("worldline log", 13, group.value)};
}

Chain chain_of(const EntryPlace& place, Bytes payload) {
  return next_chain(place.previous, header_of(place, payload.size()), payload);
}

LogEntry seal_entry(const EntryPlace& place, SharedBytes payload) {
  WL_CHECK(payload != nullptr);
  const Chain chain = chain_of(place, *payload);
  return seal_chained_entry({place.kind, place.term, place.index, chain}, std::move(payload));
}

LogEntry seal_chained_entry(const ChainedPlace& place, SharedBytes payload) {
  WL_CHECK(payload != nullptr);
  WL_CHECK(payload->size() <= limits::kLogEntryBytesMax);
  EntryHeader header = header_of(place, payload->size());
  header.chain = place.chain.value;
  header.crc = crc_of(header, *payload);
  return {header, std::move(payload)};
}

Result<LogEntry> decode_entry(Bytes value) {
  EntryHeader header{};
  if (value.size() < sizeof header)
    return Status::corruption("log entry of {} B is shorter than its header", value.size());
  std::memcpy(&header, value.data(), sizeof header);
  const Bytes payload = value.subspan(sizeof header);
  // The checksum first: a damaged format byte must not pass for a newer version.
  if (crc_of(header, payload) != header.crc)
    return Status::corruption("log entry {}: checksum does not match", header.index);
  WL_RETURN_IF_ERROR(validate_header(header, payload.size()));
  return LogEntry{header, std::make_shared<const ByteBuffer>(payload.begin(), payload.end())};
}

bool chain_follows(const LogEntry& entry, Chain previous) {
  return next_chain(previous, entry.header, *entry.payload) == entry.chain();
}

}  // namespace worldline::storage
