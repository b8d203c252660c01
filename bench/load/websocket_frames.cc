#include "bench/load/websocket_frames.h"

#include <cstring>

namespace worldline::bench {
namespace {

constexpr Byte kFinal = 0x80;
constexpr Byte kReservedBits = 0x70;
constexpr Byte kMasked = 0x80;
constexpr size_t kMessageBytesMax = 64 << 20;

uint64_t load_be(const Byte* from, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = (value << 8) | from[i];
  return value;
}

void store_be(Byte* to, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i > 0; --i, value >>= 8) to[i - 1] = static_cast<Byte>(value);
}

struct FrameHead {
  bool is_final = false;
  Opcode opcode = Opcode::kBinary;
  uint64_t payload_bytes = 0;
  const Byte* mask = nullptr;
  size_t bytes = 0;  // Of the head; 0 = incomplete.
};

FrameHead parse_head(Bytes bytes) {
  FrameHead head;
  if (bytes.size() < 2) return head;
  head.is_final = (bytes[0] & kFinal) != 0;
  head.opcode = static_cast<Opcode>(bytes[0] & 0x0F);
  const bool is_masked = (bytes[1] & kMasked) != 0;
  const size_t short_length = bytes[1] & 0x7F;
  const size_t length_bytes = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  const size_t total = 2 + length_bytes + (is_masked ? 4 : 0);
  if (bytes.size() < total) return head;
  head.payload_bytes = length_bytes == 0 ? short_length : load_be(bytes.data() + 2, length_bytes);
  if (is_masked) head.mask = bytes.data() + 2 + length_bytes;
  head.bytes = total;
  return head;
}

}  // namespace

size_t write_frame_head(Opcode opcode, size_t payload_bytes, Masking masking, Byte* out) {
  const Byte mask_bit = masking == Masking::kZeroKey ? kMasked : 0;
  out[0] = static_cast<Byte>(kFinal | static_cast<Byte>(opcode));
  size_t at = 2;
  if (payload_bytes < 126) {
    out[1] = static_cast<Byte>(mask_bit | payload_bytes);
  } else if (payload_bytes <= UINT16_MAX) {
    out[1] = static_cast<Byte>(mask_bit | 126);
    store_be(out + 2, payload_bytes, 2);
    at = 4;
  } else {
    out[1] = static_cast<Byte>(mask_bit | 127);
    store_be(out + 2, payload_bytes, 8);
    at = 10;
  }
  if (masking == Masking::kZeroKey) {
    std::memset(out + at, 0, 4);
    at += 4;
  }
  return at;
}

MutableBytes FrameScanner::receive_space(size_t bytes_min) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > 0 && buffer_.size() - end_ < bytes_min) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < bytes_min) buffer_.resize(end_ + bytes_min);
  return MutableBytes(buffer_).subspan(end_);
}

Result<std::optional<FrameMessage>> FrameScanner::next() {
  while (true) {
    const Bytes bytes = pending();
    const FrameHead head = parse_head(bytes);
    if (head.bytes == 0) return std::optional<FrameMessage>();
    if ((bytes[0] & kReservedBits) != 0) return Status::invalid_argument("frame with RSV bits");
    if (head.payload_bytes > kMessageBytesMax)
      return Status::invalid_argument("frame of {} B", head.payload_bytes);
    if (bytes.size() - head.bytes < head.payload_bytes) return std::optional<FrameMessage>();

    const MutableBytes payload =
        MutableBytes(buffer_).subspan(begin_ + head.bytes, static_cast<size_t>(head.payload_bytes));
    if (head.mask != nullptr && load_le<uint32_t>(head.mask) != 0)
      for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= head.mask[i % 4];
    begin_ += head.bytes + payload.size();

    if (static_cast<uint8_t>(head.opcode) >= 8 || (head.is_final && !fragmented_))
      return std::optional<FrameMessage>(FrameMessage{head.opcode, payload});
    if (!fragmented_) {
      fragmented_ = head.opcode;
      fragments_.clear();
    }
    append(fragments_, payload);
    if (!head.is_final) continue;
    const FrameMessage message{*fragmented_, fragments_};
    fragmented_.reset();
    return std::optional<FrameMessage>(message);
  }
}

}  // namespace worldline::bench
