#include "schema/protocol/wire_reader.h"

namespace worldline::protocol {
namespace {

// Bytes of the multi-byte sequence at `at`, or 0 if it is malformed. RFC 3629, table in section 4.
size_t sequence_bytes(Bytes bytes, size_t at) {
  const Byte lead = bytes[at];
  size_t count = 0;
  Byte second_min = 0x80;
  Byte second_max = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    count = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    count = 3;
    if (lead == 0xE0) second_min = 0xA0;  // Below: overlong.
    if (lead == 0xED) second_max = 0x9F;  // Above: surrogates.
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    count = 4;
    if (lead == 0xF0) second_min = 0x90;
    if (lead == 0xF4) second_max = 0x8F;
  }
  if (count == 0 || bytes.size() - at < count) return 0;
  if (bytes[at + 1] < second_min || bytes[at + 1] > second_max) return 0;
  for (size_t i = 2; i < count; ++i)
    if ((bytes[at + i] & 0xC0) != 0x80) return 0;
  return count;
}

}  // namespace

bool is_utf8(Bytes bytes) {
  constexpr uint64_t kHighBits = 0x8080808080808080ULL;
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at >= 8 && (load_le<uint64_t>(bytes.data() + at) & kHighBits) == 0) {
      at += 8;
      continue;
    }
    if (bytes[at] < 0x80) {
      ++at;
      continue;
    }
    const size_t count = sequence_bytes(bytes, at);
    if (count == 0) return false;
    at += count;
  }
  return true;
}

uint32_t WireReader::read_count(size_t element_bytes_min) {
  const uint32_t count = read_u32();
  if (!ok_) return 0;
  if (static_cast<uint64_t>(count) * element_bytes_min > rest_.size()) {
    fail_short("array", static_cast<size_t>(count) * element_bytes_min);
    return 0;
  }
  return count;
}

uint8_t WireReader::read_tag(uint8_t variants, const char* type_name) {
  const uint8_t tag = read_u8();
  if (ok_ && tag >= variants) {
    fail_tag(tag, type_name);
    return 0;
  }
  return tag;
}

void WireReader::fail(Status status) {
  if (!ok_) return;
  ok_ = false;
  failure_ = std::move(status);
  rest_ = {};
}

void WireReader::fail_tag(uint8_t tag, const char* type_name) {
  fail(Status::invalid_argument("unknown tag 0x{:x} for sum type {}", tag, type_name));
}

void WireReader::fail_short(const char* type_name, size_t wanted) {
  fail(Status::invalid_argument("data too short for {}: Expected {}, given {}", type_name, wanted,
                                rest_.size()));
}

}  // namespace worldline::protocol
