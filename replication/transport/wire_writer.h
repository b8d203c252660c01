// replication/transport/wire_writer.h
//
// Writes protobuf's wire format in two passes over one description of a message: WireSizer learns
// how long everything is, WireWriter writes it, each length before what it counts. Both have the
// same operations, so a message is described once, as a template over the pass. Zero numbers and
// empty bytes are left out, as proto3 does.
//
// Large payloads are not copied: they become pieces of their own between ranges of the head.
//
// REQUIRES: the writer sees exactly the calls the sizer saw. Thread: values of their user.
// Sources: protobuf's encoding guide.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace worldline::replication {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t wire_key(uint32_t field, WireType type) {
  return field << 3 | static_cast<uint32_t>(type);
}
constexpr size_t varint_bytes(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}
constexpr size_t key_bytes(uint32_t field) {
  return varint_bytes(wire_key(field, {}));
}

// From here a reference is cheaper than a copy: a slice of its own costs about as much as copying
// two kilobytes.
inline constexpr size_t kSharedPieceBytesMin = 2048;

// A range of a frame's bytes: inside its head, or of a payload that it keeps alive.
struct FramePiece {
  Bytes bytes;
  SharedBytes owner;  // Null: the head.
};

// A frame ready to be sent. The pieces in order are its bytes.
struct EncodedFrame {
  std::shared_ptr<const Byte[]> head;
  std::vector<FramePiece> pieces;
  size_t bytes = 0;
};

class WireSizer {
 public:
  // `sizes` receives the length of each nested message, outer ones first. Borrowed.
  explicit WireSizer(std::vector<uint32_t>& sizes) : sizes_(sizes) {}

  void number(uint32_t field, uint64_t value) {
    if (value != 0) size_ += key_bytes(field) + varint_bytes(value);
  }
  void fixed32(uint32_t field, uint32_t) { size_ += key_bytes(field) + 4; }  // Written when zero.
  void fixed64(uint32_t field, uint64_t value) {
    if (value != 0) size_ += key_bytes(field) + 8;
  }
  void bytes(uint32_t field, Bytes value) {
    if (!value.empty()) add_bytes(field, value.size());
  }
  void repeated_payload(uint32_t field, const SharedBytes& value) {  // Written when empty.
    add_bytes(field, value->size());
    if (value->size() >= kSharedPieceBytesMin) shared_bytes_ += value->size();
  }
  void payload(uint32_t field, const SharedBytes& value) {
    if (!value->empty()) repeated_payload(field, value);
  }
  template <typename Id>
  void packed(uint32_t field, std::span<const Id> ids) {
    if (ids.empty()) return;
    size_t length = 0;
    for (const Id id : ids) length += varint_bytes(id.value);
    sizes_.push_back(static_cast<uint32_t>(length));
    add_bytes(field, length);
  }
  template <typename Body>
  void message(uint32_t field, const Body& body) {
    const size_t slot = sizes_.size();
    sizes_.push_back(0);
    const size_t before = size_;
    body(*this);
    const size_t length = size_ - before;
    sizes_[slot] = static_cast<uint32_t>(length);
    size_ += key_bytes(field) + varint_bytes(length);
  }

  size_t size() const { return size_; }
  size_t head_size() const { return size_ - shared_bytes_; }

 private:
  void add_bytes(uint32_t field, size_t length) {
    size_ += key_bytes(field) + varint_bytes(length) + length;
  }

  std::vector<uint32_t>& sizes_;  // Borrowed.
  size_t size_ = 0;
  size_t shared_bytes_ = 0;
};

class WireWriter {
 public:
  // Writes from `head` on; `sizes` is what a sizer found. Both borrowed.
  WireWriter(MutableBytes head, std::span<const uint32_t> sizes)
      : begin_(head.data()), at_(head.data()), end_(head.data() + head.size()), sizes_(sizes) {}

  void number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    key(field, WireType::kVarint);
    varint(value);
  }
  void fixed32(uint32_t field, uint32_t value) {
    key(field, WireType::kFixed32);
    store(value);
  }
  void fixed64(uint32_t field, uint64_t value) {
    if (value == 0) return;
    key(field, WireType::kFixed64);
    store(value);
  }
  void bytes(uint32_t field, Bytes value) {
    if (!value.empty()) copied(field, value);
  }
  void repeated_payload(uint32_t field, const SharedBytes& value) {
    if (value->size() < kSharedPieceBytesMin) return copied(field, *value);
    key(field, WireType::kBytes);
    varint(value->size());
    cut(value);
  }
  void payload(uint32_t field, const SharedBytes& value) {
    if (!value->empty()) repeated_payload(field, value);
  }
  template <typename Id>
  void packed(uint32_t field, std::span<const Id> ids) {
    if (ids.empty()) return;
    key(field, WireType::kBytes);
    varint(take_size());
    for (const Id id : ids) varint(id.value);
  }
  template <typename Body>
  void message(uint32_t field, const Body& body) {
    key(field, WireType::kBytes);
    varint(take_size());
    body(*this);
  }

  // The pieces, once everything is written.
  std::vector<FramePiece> finish() {
    WL_CHECK(at_ == end_);
    WL_CHECK(next_size_ == sizes_.size());
    close_range();
    return std::move(pieces_);
  }

 private:
  void key(uint32_t field, WireType type) { varint(wire_key(field, type)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at_++ = static_cast<Byte>(value | 0x80);
    *at_++ = static_cast<Byte>(value);
  }
  template <typename T>
  void store(T value) {
    store_le(at_, value);
    at_ += sizeof value;
  }
  void copied(uint32_t field, Bytes value) {
    key(field, WireType::kBytes);
    varint(value.size());
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }
  void cut(const SharedBytes& value) {
    close_range();
    pieces_.push_back({*value, value});
  }
  void close_range() {
    if (at_ != begin_) pieces_.push_back({Bytes(begin_, at_), nullptr});
    begin_ = at_;
  }
  uint32_t take_size() { return sizes_[next_size_++]; }

  Byte* begin_;  // Of the range that is being written.
  Byte* at_;
  Byte* end_;
  std::span<const uint32_t> sizes_;
  size_t next_size_ = 0;
  std::vector<FramePiece> pieces_;
};

}  // namespace worldline::replication
