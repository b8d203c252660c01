#include "gateway/out_queue.h"

#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace worldline::gateway {
namespace {

// An own segment is closed here, so that memory of what was sent is given back in steps.
constexpr size_t kOwnSegmentBytesMax = 64 * limits::KiB;
constexpr size_t kSpareBytesMax = 4 * limits::KiB;

}  // namespace

void OutQueue::append_copy(Bytes bytes) {
  if (bytes.empty()) return;
  if (segments_.empty() || segments_.back().shared ||
      segments_.back().own.size() >= kOwnSegmentBytesMax) {
    Segment& segment = segments_.emplace_back();
    segment.own = std::exchange(spare_, {});
    segment.own.clear();
  }
  append(segments_.back().own, bytes);
  bytes_ += bytes.size();
  appended_ += bytes.size();
}

void OutQueue::append_shared(const SharedBytes& owner, size_t begin, size_t end) {
  WL_CHECK(begin <= end && end <= owner->size());
  if (end - begin <= kCopyBytesMax) {
    append_copy(Bytes(*owner).subspan(begin, end - begin));
    return;
  }
  Segment& segment = segments_.emplace_back();
  segment.shared = owner;
  segment.begin = begin;
  segment.end = end;
  bytes_ += end - begin;
  appended_ += end - begin;
}

void OutQueue::mark_frame(size_t payload_bytes, uint32_t messages) {
  payload_sizes_.add(payload_bytes);
  if (messages == 0) return;
  marks_.push_back({appended_, messages});
  messages_ += messages;
}

size_t OutQueue::gather(std::span<Bytes> pieces) const {
  size_t count = 0;
  for (const Segment& segment : segments_) {
    if (count == pieces.size()) break;
    pieces[count++] = segment.view();
  }
  return count;
}

void OutQueue::consume(size_t bytes) {
  WL_CHECK(bytes <= bytes_);
  bytes_ -= bytes;
  while (bytes > 0) {
    Segment& front = segments_.front();
    const size_t available = front.view().size();
    if (bytes < available) {
      front.begin += bytes;
      break;
    }
    bytes -= available;
    if (!front.shared && front.own.capacity() <= kSpareBytesMax) spare_ = std::move(front.own);
    segments_.pop_front();
  }
  const uint64_t sent = appended_ - bytes_;
  while (!marks_.empty() && marks_.front().position <= sent) {
    messages_ -= marks_.front().messages;
    marks_.pop_front();
  }
}

void OutQueue::clear() {
  segments_.clear();
  marks_.clear();
  bytes_ = 0;
  messages_ = 0;
}

}  // namespace worldline::gateway
