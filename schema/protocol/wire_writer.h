// schema/protocol/wire_writer.h
//
// WireWriter appends BSATN primitives of protocol messages to a buffer. Chained calls read like the
// field lists of [S 02/7]. Ownership: borrows the buffer. REQUIRES: lengths below 4 GiB.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"

namespace worldline::protocol {

class WireWriter {
 public:
  explicit WireWriter(ByteBuffer& out) : out_(&out) {}

  WireWriter& u8(uint8_t value) {
    out_->push_back(value);
    return *this;
  }
  WireWriter& u16(uint16_t value) { return number(value); }
  WireWriter& u32(uint32_t value) { return number(value); }
  WireWriter& u64(uint64_t value) { return number(value); }
  WireWriter& i64(int64_t value) { return number(value); }
  WireWriter& raw(Bytes value) {
    append(*out_, value);
    return *this;
  }
  WireWriter& bytes(Bytes value) {
    WL_CHECK(value.size() <= UINT32_MAX);
    return u32(static_cast<uint32_t>(value.size())).raw(value);
  }
  WireWriter& string(std::string_view value) { return bytes(as_bytes(value)); }

 private:
  template <typename T>
  WireWriter& number(T value) {
    append_le(*out_, value);
    return *this;
  }

  ByteBuffer* out_;  // Borrowed; outlives this.
};

}  // namespace worldline::protocol
