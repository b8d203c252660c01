// base/record_reader.h
//
// Reads little-endian fields off a byte span with a sticky failure: after the first short read all
// further reads give zeros and ok() is false, so a decoder checks once per section. Lengths are
// compared with what is left before anything is allocated. fail() is for values that the format
// forbids.
// Thread: a value of its user; views borrow the span.
#pragma once

#include "base/bytes.h"

namespace worldline {

class RecordReader {
 public:
  explicit RecordReader(Bytes bytes) : rest_(bytes) {}

  template <typename T>
  T number() {
    if (rest_.size() < sizeof(T)) return fail(), T{};
    const T value = load_le<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  Bytes take(uint64_t count) {
    if (count > rest_.size()) return fail(), Bytes{};
    const Bytes out = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(static_cast<size_t>(count));
    return out;
  }

  void fail() {
    ok_ = false;
    rest_ = {};
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
  bool ok_ = true;
};

}  // namespace worldline
