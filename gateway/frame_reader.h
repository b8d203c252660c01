// gateway/frame_reader.h
//
// FrameReader turns the bytes of one WebSocket connection into messages and control frames. Whole
// messages are handed out as views into the read buffer, so that all calls of one read share one
// frozen buffer; only fragmented messages are put together by copy.
//
// Invariants: a message never exceeds `message_bytes_max`; memory grows with bytes received, not
// with lengths announced; between reads an idle reader holds no buffer.
// Ownership: one session; not thread-safe. Errors: outcomes kViolation and kTooLarge are final.
// Sources: RFC 6455 5, [S 02/5.4].
//
//   loop: read into prepare(); commit(n); while (next(in) == kMessage ...) use in;
//         if (anything borrowed) frames.push_back(detach());
#pragma once

#include <memory>

#include "base/bytes.h"
#include "gateway/buffer_pool.h"
#include "gateway/frame_codec.h"

namespace worldline::gateway {

enum class FrameOutcome : uint8_t {
  kNeedMore,   // Nothing complete is left: read again.
  kMessage,    // A text or binary message.
  kControl,    // Ping, pong or close.
  kViolation,  // RFC 6455 broken.
  kTooLarge,   // Message above the limit.
};

struct IncomingFrame {
  Opcode opcode = Opcode::kBinary;  // kText or kBinary for messages, also fragmented ones.
  Bytes payload;                    // Unmasked. Valid until the next prepare() or detach()'s owner.
  SharedBytes owner;                // Set for a fragmented message; else it lies in the buffer.
};

class FrameReader {
 public:
  FrameReader(size_t message_bytes_max, BufferPool& pool)
      : message_bytes_max_(message_bytes_max), pool_(pool) {}

  MutableBytes prepare();     // Room for the next read; never empty.
  void commit(size_t bytes);  // So many bytes were read into it.
  FrameOutcome next(IncomingFrame& frame);

  // Freezes the buffer that messages were handed out from and carries an unfinished frame over
  // into a new one. REQUIRES: next() gave kNeedMore or a final outcome.
  SharedBytes detach();
  // Between reads: gives an empty buffer back to the pool.
  void release_if_empty();

  bool has_partial_input() const { return begin_ != end_ || !fragments_.empty(); }

 private:
  FrameOutcome take_data(const FrameHeader& header, MutableBytes payload, IncomingFrame& frame);

  const size_t message_bytes_max_;
  BufferPool& pool_;  // Borrowed; outlives this.

  std::unique_ptr<ByteBuffer> buffer_;  // Null while nothing is held.
  size_t begin_ = 0;                    // INVARIANT: begin_ <= end_ <= buffer_->size().
  size_t end_ = 0;
  size_t wanted_bytes_ = 0;  // Size of the frame at begin_ as far as known; 0 = unknown.
  ByteBuffer fragments_;     // Fragments so far.
  Opcode fragmented_opcode_ = Opcode::kContinuation;  // Not kContinuation: inside a message.
};

}  // namespace worldline::gateway
