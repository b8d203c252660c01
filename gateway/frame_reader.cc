#include "gateway/frame_reader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace worldline::gateway {
namespace {

bool is_control(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 0x8;
}

// A masked client header at most: 2 + 8 + 4.
constexpr size_t kClientHeaderBytesMax = 14;

}  // namespace

MutableBytes FrameReader::prepare() {
  if (buffer_ == nullptr) buffer_ = pool_.take();
  if (begin_ > 0) {  // Make room at the end; what moves is one unfinished frame.
    std::memmove(buffer_->data(), buffer_->data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_->size()) {
    // Doubling with the bytes received, so that a mere announcement costs nothing.
    const size_t bytes =
        std::min(std::max(wanted_bytes_, 2 * kClientHeaderBytesMax), 2 * buffer_->size());
    buffer_->resize(std::max(bytes, buffer_->size() + kClientHeaderBytesMax));
  }
  return MutableBytes(*buffer_).subspan(end_);
}

void FrameReader::commit(size_t bytes) {
  WL_CHECK(buffer_ != nullptr && bytes <= buffer_->size() - end_);
  end_ += bytes;
}

FrameOutcome FrameReader::next(IncomingFrame& frame) {
  while (true) {
    if (buffer_ == nullptr) return FrameOutcome::kNeedMore;
    const MutableBytes input = MutableBytes(*buffer_).subspan(begin_, end_ - begin_);
    FrameHeader header;
    wanted_bytes_ = 0;
    switch (parse_client_header(input, header)) {
      case HeaderOutcome::kNeedMore:
        return FrameOutcome::kNeedMore;
      case HeaderOutcome::kViolation:
        return FrameOutcome::kViolation;
      case HeaderOutcome::kComplete:
        break;
    }
    if (header.payload_bytes > message_bytes_max_ - fragments_.size())
      return FrameOutcome::kTooLarge;
    const size_t frame_bytes = header.header_bytes + static_cast<size_t>(header.payload_bytes);
    if (input.size() < frame_bytes) {
      wanted_bytes_ = frame_bytes;
      return FrameOutcome::kNeedMore;
    }
    const MutableBytes payload =
        input.subspan(header.header_bytes, static_cast<size_t>(header.payload_bytes));
    unmask(payload, header.mask);
    begin_ += frame_bytes;
    frame.owner.reset();
    if (is_control(header.opcode)) {
      frame.opcode = header.opcode;
      frame.payload = payload;
      return FrameOutcome::kControl;
    }
    if (const FrameOutcome outcome = take_data(header, payload, frame);
        outcome != FrameOutcome::kNeedMore)
      return outcome;
  }
}

// kNeedMore: a fragment was stored, its message goes on.
FrameOutcome FrameReader::take_data(const FrameHeader& header, MutableBytes payload,
                                    IncomingFrame& frame) {
  const bool inside = fragmented_opcode_ != Opcode::kContinuation;
  if ((header.opcode == Opcode::kContinuation) != inside) return FrameOutcome::kViolation;
  if (!inside && header.final_fragment) {
    frame.opcode = header.opcode;
    frame.payload = payload;
    return FrameOutcome::kMessage;
  }
  if (!inside) fragmented_opcode_ = header.opcode;
  append(fragments_, payload);
  if (!header.final_fragment) return FrameOutcome::kNeedMore;
  frame.opcode = std::exchange(fragmented_opcode_, Opcode::kContinuation);
  frame.owner = std::make_shared<const ByteBuffer>(std::exchange(fragments_, {}));
  frame.payload = *frame.owner;
  return FrameOutcome::kMessage;
}

SharedBytes FrameReader::detach() {
  WL_CHECK(buffer_ != nullptr);
  std::unique_ptr<ByteBuffer> used = std::move(buffer_);
  const Bytes tail = Bytes(*used).subspan(begin_, end_ - begin_);
  if (!tail.empty()) {
    buffer_ = pool_.take();
    if (buffer_->size() < tail.size()) buffer_->resize(tail.size());
    std::memcpy(buffer_->data(), tail.data(), tail.size());
  }
  begin_ = 0;
  end_ = tail.size();
  return pool_.share(std::move(used));
}

void FrameReader::release_if_empty() {
  if (buffer_ == nullptr || begin_ != end_) return;
  pool_.give_back(std::move(buffer_));
  begin_ = end_ = 0;
}

}  // namespace worldline::gateway
