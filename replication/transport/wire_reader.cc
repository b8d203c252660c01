#include "replication/transport/wire_reader.h"

namespace worldline::replication {

bool WireReader::is_valid_key(uint64_t key) {
  if (!ok()) return false;
  if (key > UINT32_MAX || key < 8) {
    fail("a field has no valid number");
    return false;
  }
  switch (static_cast<WireType>(key & 7)) {
    case WireType::kVarint:
    case WireType::kFixed64:
    case WireType::kBytes:
    case WireType::kFixed32:
      return true;
  }
  fail("a field has an unknown type");
  return false;
}

ByteBuffer WireReader::bytes(WireField field) {
  ByteBuffer out;
  append_to(out, length(field));
  return out;
}

std::string WireReader::text(WireField field) {
  const ByteBuffer out = bytes(field);
  return std::string(as_text(out));
}

SharedBytes WireReader::payload(WireField field) {
  const size_t count = length(field);
  if (count <= static_cast<size_t>(end_ - at_)) {
    const Byte* begin = at_;
    at_ += count;
    return std::make_shared<const ByteBuffer>(begin, at_);
  }
  auto out = std::make_shared<ByteBuffer>();
  append_to(*out, count);
  return out;
}

bool WireReader::exact(WireField field, MutableBytes out) {
  const size_t count = length(field);
  if (count != out.size()) {
    for (size_t skipped = 0; skipped < count;) {
      refill();
      const size_t step = std::min(count - skipped, static_cast<size_t>(end_ - at_));
      at_ += step;
      skipped += step;
    }
    return false;
  }
  copy(out);
  return ok();
}

void WireReader::skip(WireField field) {
  switch (field.type) {
    case WireType::kVarint:
      varint();
      return;
    case WireType::kFixed64:
      fixed<uint64_t>();
      return;
    case WireType::kFixed32:
      fixed<uint32_t>();
      return;
    case WireType::kBytes:
      exact(field, {});
      return;
  }
}

size_t WireReader::open(WireField field) {
  const size_t count = length(field);
  const size_t outer_left = left() - count;
  const size_t here = std::min(count, static_cast<size_t>(end_ - at_));
  end_ = at_ + here;
  beyond_ = count - here;
  return outer_left;
}

void WireReader::close(size_t outer_left) {
  if (!ok()) return;
  const size_t here = std::min(outer_left, static_cast<size_t>(segment_end_ - at_));
  end_ = at_ + here;
  beyond_ = outer_left - here;
}

uint64_t WireReader::long_varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    refill();
    if (at_ == end_) {
      fail("cut off in a number");
      return 0;
    }
    const Byte byte = *at_++;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail("a number is longer than ten bytes");
  return 0;
}

// The length of a bytes field or message, which is at most what is left.
size_t WireReader::length(WireField field) {
  if (!expect(field, WireType::kBytes)) return 0;
  const uint64_t count = varint();
  if (count <= left()) return static_cast<size_t>(count);
  fail("a field is longer than its message");
  return 0;
}

void WireReader::copy(MutableBytes out) {
  if (out.size() > left()) return fail("cut off in a field");
  while (!out.empty()) {
    refill();
    const size_t step = std::min(out.size(), static_cast<size_t>(end_ - at_));
    std::memcpy(out.data(), at_, step);
    at_ += step;
    out = out.subspan(step);
  }
}

void WireReader::append_to(ByteBuffer& out, size_t count) {
  out.reserve(count);
  while (count > 0) {
    refill();
    const size_t step = std::min(count, static_cast<size_t>(end_ - at_));
    out.insert(out.end(), at_, at_ + step);
    at_ += step;
    count -= step;
  }
}

void WireReader::refill() {
  while (at_ == end_ && beyond_ > 0) {
    const Bytes segment = segments_.front();
    segments_ = segments_.subspan(1);
    at_ = segment.data();
    segment_end_ = at_ + segment.size();
    end_ = at_ + std::min(beyond_, segment.size());
    beyond_ -= static_cast<size_t>(end_ - at_);
  }
}

void WireReader::fail(const char* why) {
  if (fault_ == nullptr) fault_ = why;
  at_ = end_;
  beyond_ = 0;
}

}  // namespace worldline::replication
