// replication/transport/wire_reader.h
//
// Reads protobuf's wire format from bytes that lie in several segments, as they came off the
// network: payloads are copied once, straight into what will own them. A failure is sticky: after
// it next() is false and every value is zero, so a decoder checks once. Nothing is allocated for
// more bytes than the message holds.
//
// Ownership: borrows the segments. Thread: a value of its user.
// Errors: fault() names what is wrong with the bytes.
// Use:
//   for (WireField field; reader.next(field);) switch (field.number) { ... reader.skip(field); }
//   const auto outer = reader.open(field); <fields of the nested message> reader.close(outer);
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "replication/transport/wire_writer.h"

namespace worldline::replication {

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
};

class WireReader {
 public:
  explicit WireReader(std::span<const Bytes> segments) : segments_(segments) {
    for (const Bytes segment : segments) beyond_ += segment.size();
    refill();
  }

  // The next field of the message that is being read. False: its end, or a failure.
  bool next(WireField& field) {
    if (left() == 0) return false;
    const uint64_t key = varint();
    field.number = static_cast<uint32_t>(key >> 3);
    field.type = static_cast<WireType>(key & 7);
    return is_valid_key(key);
  }

  // The value of the field that next() gave. A type that does not fit it is a failure.
  uint64_t number(WireField field) { return expect(field, WireType::kVarint) ? varint() : 0; }
  uint32_t fixed32(WireField field) {
    return expect(field, WireType::kFixed32) ? fixed<uint32_t>() : 0;
  }
  uint64_t fixed64(WireField field) {
    return expect(field, WireType::kFixed64) ? fixed<uint64_t>() : 0;
  }
  ByteBuffer bytes(WireField field);
  std::string text(WireField field);
  SharedBytes payload(WireField field);  // Never null.
  // Copies a field of exactly out.size() bytes; false (no failure) if it has another length.
  bool exact(WireField field, MutableBytes out);
  void skip(WireField field);

  // Enters a nested message; what it returns goes to close() after its last field.
  size_t open(WireField field);
  void close(size_t outer_left);
  bool has_more() const { return left() > 0; }  // For packed fields.
  uint64_t varint() {
    if (at_ != end_ && *at_ < 0x80) [[likely]]
      return *at_++;
    return long_varint();
  }

  bool ok() const { return fault_ == nullptr; }
  const char* fault() const { return fault_; }  // Null: none so far.

 private:
  bool expect(WireField field, WireType type) {
    if (field.type == type) return true;
    fail("a field has the wrong type");
    return false;
  }
  template <typename T>
  T fixed() {
    if (static_cast<size_t>(end_ - at_) >= sizeof(T)) [[likely]] {
      const T value = load_le<T>(at_);
      at_ += sizeof(T);
      return value;
    }
    Byte raw[sizeof(T)] = {};
    copy(raw);
    return load_le<T>(raw);
  }
  size_t left() const { return static_cast<size_t>(end_ - at_) + beyond_; }
  size_t length(WireField field);
  void copy(MutableBytes out);
  void append_to(ByteBuffer& out, size_t count);
  uint64_t long_varint();
  bool is_valid_key(uint64_t key);
  void refill();  // Moves to the next segment when this one is read.
  void fail(const char* why);

  std::span<const Bytes> segments_;  // Those behind the present one.
  const Byte* at_ = nullptr;
  const Byte* end_ = nullptr;  // Of the segment or of the message, whichever is nearer.
  const Byte* segment_end_ = nullptr;
  size_t beyond_ = 0;  // Bytes of the message behind end_.
  const char* fault_ = nullptr;
};

}  // namespace worldline::replication
