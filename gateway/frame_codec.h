// gateway/frame_codec.h
//
// WebSocket frames (RFC 6455 5.2) as pure functions: header parsing with every rule a peer can
// break, unmasking, header writing. Why not Beast's stream: it owns the write path, one message at
// a time and by copy, while we send pre-framed bytes shared by many sessions in one gather write,
// and decode all calls of one read as one batch (30 % cheaper per delivery, see the library notes).
//
// Thread: any; no state. Errors: a protocol violation is an outcome, not a Status: the connection
// is dropped [S 02/5.6]. Tests: tests/gateway/frame_codec_test.cc and frame_reader_fuzz.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace worldline::gateway {

enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

inline constexpr size_t kControlPayloadBytesMax = 125;
inline constexpr size_t kCloseReasonBytesMax = 123;  // A control payload less the two-byte code.
inline constexpr size_t kServerHeaderBytesMax = 10;  // Two, and eight of extended length.

struct FrameHeader {
  bool final_fragment = false;
  Opcode opcode = Opcode::kContinuation;
  std::array<Byte, 4> mask{};
  uint64_t payload_bytes = 0;
  size_t header_bytes = 0;
};

enum class HeaderOutcome : uint8_t { kComplete, kNeedMore, kViolation };

// Reads the header of a client's frame. Violations: reserved bits or opcodes, no mask, a length not
// in its shortest form, a control frame that is long or fragmented.
HeaderOutcome parse_client_header(Bytes bytes, FrameHeader& header);

void unmask(MutableBytes payload, const std::array<Byte, 4>& mask);

// Writes the header of a final, unmasked frame and returns its size.
size_t write_server_header(Opcode opcode, uint64_t payload_bytes,
                           std::array<Byte, kServerHeaderBytesMax>& out);

// A whole control frame. REQUIRES: payload within kControlPayloadBytesMax.
void append_control_frame(Opcode opcode, Bytes payload, ByteBuffer& out);
// A close frame; the reason is cut to what fits, at a character boundary.
void append_close_frame(uint16_t code, std::string_view reason, ByteBuffer& out);

// May a client send this code? RFC 6455 7.4.
bool is_valid_close_code(uint16_t code);

}  // namespace worldline::gateway
