#include "schema/protocol/wire_reader.h"

namespace worldline::protocol {
uint32_t WireReader::read_count(size_t element_bytes_min) {
  const uint32_t count = read_u32();
  if (!ok_) return 0;
  if (static_cast<uint64_t>(count) * element_bytes_min > rest_.size()) {
    fail_short("array", static_cast<size_t>(count) * element_bytes_min);
    return 0;
  }
  return count;
}

uint8_t WireReader::read_tag(uint8_t variants, const char* type_name) {
  const uint8_t tag = read_u8();
  if (ok_ && tag >= variants) {
    fail_tag(tag, type_name);
    return 0;
  }
  return tag;
}

void WireReader::fail(Status status) {
  if (!ok_) return;
  ok_ = false;
  failure_ = std::move(status);
  rest_ = {};
}

void WireReader::fail_tag(uint8_t tag, const char* type_name) {
  fail(Status::invalid_argument("unknown tag 0x{:x} for sum type {}", tag, type_name));
}

void WireReader::fail_short(const char* type_name, size_t wanted) {
  fail(Status::invalid_argument("data too short for {}: Expected {}, given {}", type_name, wanted,
                                rest_.size()));
}

}  // namespace worldline::protocol
