#include "storage/log/entry_codec.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace worldline::storage {
namespace {

static_assert(sizeof(EntryHeader) + limits::kLogEntryBytesMax <= UINT32_MAX);

// Fields both the chain and the checksum cover: everything before `chain`.
constexpr size_t kCoveredBytes = offsetof(EntryHeader, chain);

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
