// schema/protocol/wire_reader.h
//
// WireReader walks the BSATN of protocol messages: bounds-checked primitives whose results borrow
// the input. It keeps the first failure, so a decoder reads all fields and asks once.
//
// Invariant: after a failure every read returns an empty value and consumes nothing.
// Ownership: borrows the input; a value on the stack of one decoder. Errors: texts of [S 01/2.4].
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/utf8.h"

namespace worldline::protocol {

class WireReader {
 public:
  explicit WireReader(Bytes input) : rest_(input) {}

  uint8_t read_u8() { return read_number<uint8_t>("u8"); }
  uint16_t read_u16() { return read_number<uint16_t>("u16"); }
  uint32_t read_u32() { return read_number<uint32_t>("u32"); }
  int64_t read_i64() { return read_number<int64_t>("i64"); }

  Bytes read_raw(size_t count) {  // `count` bytes without a length.
    if (rest_.size() < count) [[unlikely]] {
      fail_short("[u8]", count);
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  Bytes read_bytes() {  // u32 length, bytes.
    const uint32_t count = read_u32();
    return ok_ ? read_raw(count) : Bytes{};
  }
  std::string_view read_string() {  // As read_bytes, and valid UTF-8.
    const Bytes bytes = read_bytes();
    if (!schema::is_valid_utf8(bytes)) [[unlikely]] {
      fail(Status::invalid_argument("invalid utf8"));
      return {};
    }
    return as_text(bytes);
  }
  // An element count that the remaining input can hold; so that nobody reserves by announcement.
  uint32_t read_count(size_t element_bytes_min);
  // A sum tag below `variants`; `type_name` is for the error.
  uint8_t read_tag(uint8_t variants, const char* type_name);

  void fail(Status status);
  void fail_tag(uint8_t tag, const char* type_name);

  bool ok() const { return ok_; }
  Status status() const { return failure_; }
  Bytes rest() const { return rest_; }

 private:
  template <typename T>
  T read_number(const char* type_name) {
    if (rest_.size() < sizeof(T)) [[unlikely]] {
      fail_short(type_name, sizeof(T));
      return T{};
    }
    const T value = load_le<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  void fail_short(const char* type_name, size_t wanted);

  Bytes rest_;
  bool ok_ = true;
  Status failure_;
};

}  // namespace worldline::protocol
