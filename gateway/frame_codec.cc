#include "gateway/frame_codec.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::gateway {
namespace {

constexpr Byte kFinalBit = 0x80;
constexpr Byte kReservedBits = 0x70;
constexpr Byte kOpcodeBits = 0x0F;
constexpr Byte kMaskBit = 0x80;
constexpr Byte kLengthBits = 0x7F;
constexpr Byte kLength16 = 126;
constexpr Byte kLength64 = 127;
constexpr size_t kMaskBytes = 4;

bool is_known(Byte opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xA);
}
bool is_control(Byte opcode) {
  return (opcode & 0x8) != 0;
}

uint64_t load_big_endian(const Byte* from, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | from[i];
  return value;
}

size_t extended_bytes(Byte length) {
  if (length == kLength16) return 2;
  return length == kLength64 ? 8 : 0;
}

bool is_shortest(Byte length, uint64_t payload_bytes) {
  if (length == kLength16) return payload_bytes >= kLength16;
  if (length == kLength64) return payload_bytes > 0xFFFF && payload_bytes <= INT64_MAX;
  return true;
}

}  // namespace

HeaderOutcome parse_client_header(Bytes bytes, FrameHeader& header) {
  if (bytes.size() < 2) return HeaderOutcome::kNeedMore;
  const Byte opcode = bytes[0] & kOpcodeBits;
  const Byte length = bytes[1] & kLengthBits;
  header.final_fragment = (bytes[0] & kFinalBit) != 0;
  if ((bytes[0] & kReservedBits) != 0 || !is_known(opcode) || (bytes[1] & kMaskBit) == 0)
    return HeaderOutcome::kViolation;
  if (is_control(opcode) && (!header.final_fragment || length > kControlPayloadBytesMax))
    return HeaderOutcome::kViolation;
  const size_t extended = extended_bytes(length);
  header.header_bytes = 2 + extended + kMaskBytes;
  if (bytes.size() < header.header_bytes) return HeaderOutcome::kNeedMore;
  header.opcode = static_cast<Opcode>(opcode);
  header.payload_bytes = extended == 0 ? length : load_big_endian(bytes.data() + 2, extended);
  if (!is_shortest(length, header.payload_bytes)) return HeaderOutcome::kViolation;
  std::memcpy(header.mask.data(), bytes.data() + 2 + extended, kMaskBytes);
  return HeaderOutcome::kComplete;
}

void unmask(MutableBytes payload, const std::array<Byte, 4>& mask) {
  std::array<Byte, 8> twice{};
  for (size_t i = 0; i < twice.size(); ++i) twice[i] = mask[i % kMaskBytes];
  const auto word = load_le<uint64_t>(twice.data());
  size_t at = 0;
  for (; at + 8 <= payload.size(); at += 8)
    store_le(payload.data() + at, load_le<uint64_t>(payload.data() + at) ^ word);
  for (; at < payload.size(); ++at)
    payload[at] = static_cast<Byte>(payload[at] ^ mask[at % kMaskBytes]);
}

size_t write_server_header(Opcode opcode, uint64_t payload_bytes,
                           std::array<Byte, kServerHeaderBytesMax>& out) {
  out[0] = static_cast<Byte>(kFinalBit | static_cast<Byte>(opcode));
  if (payload_bytes < kLength16) {
    out[1] = static_cast<Byte>(payload_bytes);
    return 2;
  }
  const size_t extended = payload_bytes <= 0xFFFF ? 2 : 8;
  out[1] = extended == 2 ? kLength16 : kLength64;
  for (size_t i = 0; i < extended; ++i)
    out[2 + i] = static_cast<Byte>(payload_bytes >> (8 * (extended - 1 - i)));
  return 2 + extended;
}

void append_control_frame(Opcode opcode, Bytes payload, ByteBuffer& out) {
  WL_CHECK(payload.size() <= kControlPayloadBytesMax);
  std::array<Byte, kServerHeaderBytesMax> header{};
  const size_t header_bytes = write_server_header(opcode, payload.size(), header);
  append(out, Bytes(header).first(header_bytes));
  append(out, payload);
}

void append_close_frame(uint16_t code, std::string_view reason, ByteBuffer& out) {
  size_t reason_bytes = std::min(reason.size(), kCloseReasonBytesMax);
  if (reason_bytes < reason.size())
    while (reason_bytes > 0 && (static_cast<Byte>(reason[reason_bytes]) & 0xC0) == 0x80)
      --reason_bytes;
  ByteBuffer payload{static_cast<Byte>(code >> 8), static_cast<Byte>(code & 0xFF)};
  append(payload, as_bytes(reason.substr(0, reason_bytes)));
  append_control_frame(Opcode::kClose, payload, out);
}

bool is_valid_close_code(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  if (code < 1000 || code > 1014) return false;
  return code != 1004 && code != 1005 && code != 1006;
}

}  // namespace worldline::gateway
