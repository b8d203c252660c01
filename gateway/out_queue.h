// gateway/out_queue.h
//
// OutQueue holds what one connection has still to send: bytes of its own, written once, and slices
// of frozen buffers shared with other sessions. The socket takes the front of it in gather writes.
//
// Invariants: bytes leave in the order in which they were appended; bytes() is the sum of segments.
// Ownership: one connection; not thread-safe. Units: bytes; messages are server messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "gateway/size_tally.h"

namespace worldline::gateway {

class OutQueue {
 public:
  // Slices below this are copied: a slot of the gather list costs as much.
  static constexpr size_t kCopyBytesMax = 1024;

  void append_copy(Bytes bytes);
  void append_shared(const SharedBytes& owner, size_t begin, size_t end);
  // A frame is appended: its payload, and how many messages it carries.
  void mark_frame(size_t payload_bytes, uint32_t messages);

  // The first pieces to be sent; returns how many of `pieces` were filled.
  size_t gather(std::span<Bytes> pieces) const;
  void consume(size_t bytes);  // REQUIRES: bytes <= bytes().
  void clear();

  size_t bytes() const { return bytes_; }
  uint64_t message_count() const { return messages_; }  // Not completely sent.
  bool empty() const { return bytes_ == 0; }
  // The payloads of the frames marked since the last call.
  SizeTally take_payload_sizes() { return std::exchange(payload_sizes_, {}); }

 private:
  struct Segment {
    SharedBytes shared;  // Null: the bytes are in `own`.
    ByteBuffer own;
    size_t begin = 0;
    size_t end = 0;
    Bytes view() const {
      return shared ? Bytes(*shared).subspan(begin, end - begin)
                    : Bytes(own).subspan(begin, own.size() - begin);
    }
  };
  struct Mark {
    uint64_t position;  // In the stream: appended_ at the end of the frame.
    uint32_t messages;
  };

  std::deque<Segment> segments_;
  std::deque<Mark> marks_;
  ByteBuffer spare_;  // Memory of the last own segment, to be used again.
  size_t bytes_ = 0;
  uint64_t appended_ = 0;  // Bytes ever appended.
  uint64_t messages_ = 0;  // Sum of marks_.
  SizeTally payload_sizes_;
};

}  // namespace worldline::gateway
