// bench/load/websocket_frames.h
//
// The little of RFC 6455 a load generator needs: client frames with an all-zero mask (legal, and
// costs neither side anything), and a scanner that finds whole messages in what a socket gave.
//
// Ownership: views borrow the scanner's buffer until its next receive. Thread: one.
// Errors: kInvalidArgument for frames no peer may send.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::bench {

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

inline constexpr size_t kFrameHeadBytesMax = 14;

// Writes the head of a final frame of `payload_bytes` into `out`; returns its length.
enum class Masking : uint8_t { kNone, kZeroKey };
size_t write_frame_head(Opcode opcode, size_t payload_bytes, Masking masking, Byte* out);

struct FrameMessage {
  Opcode opcode = Opcode::kBinary;
  Bytes payload;  // Borrowed until the next receive_space().
};

class FrameScanner {
 public:
  // Where to receive next, at least `bytes_min` long; then tell how much came.
  MutableBytes receive_space(size_t bytes_min);
  void received(size_t bytes) { end_ += bytes; }

  // The next whole message (fragments put together, masks taken off), nullopt if more bytes are
  // needed first.
  Result<std::optional<FrameMessage>> next();

  // What has been received and not been taken: for the HTTP answer before the first frame.
  Bytes pending() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  void skip(size_t bytes) { begin_ += bytes; }

 private:
  ByteBuffer buffer_;
  size_t begin_ = 0;  // Of the bytes not taken yet.
  size_t end_ = 0;    // Of the bytes received.
  ByteBuffer fragments_;
  std::optional<Opcode> fragmented_;  // Opcode of a message whose end is still to come.
};

}  // namespace worldline::bench
