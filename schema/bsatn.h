// schema/bsatn.h
//
// BSATN, the binary encoding: reader and writer of primitives, and encoding and decoding of dynamic
// values and of types. Rows are not decoded with this but with row_layout.h.
//
// Invariants: the reader never reads beyond its input and moves only past what it returned.
// Decoding accepts exactly [S 01/2.4]; trailing bytes are the caller's business (remaining()).
// Ownership: BsatnReader borrows its input, BsatnWriter borrows its buffer; strings and bytes read
// are borrowed from the input. Thread: any, one at a time.
// Errors: kInvalidArgument with the texts of [S 01/2.4]; kTooLarge beyond the depth limit.
// Sources: [S 01/2].
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "base/wide_int.h"
#include "schema/algebraic_type.h"
#include "schema/algebraic_value.h"

namespace worldline::schema {

// Elements of zero bytes cost no input, so their number needs a bound of its own when each of them
// becomes a value or text.
inline constexpr uint32_t kZeroSizeElementsMax = 1 << 16;
// Parts (products, sums, arrays, refs) of one value that is turned into something else: wrappers
// cost no input either, and refs can multiply them.
inline constexpr size_t kValuePartsMax = size_t{1} << 25;

class BsatnReader {
 public:
  explicit BsatnReader(Bytes input)
      : begin_(input.data()), at_(begin_), end_(begin_ + input.size()) {}

  Result<bool> read_bool();
  Result<uint8_t> read_u8() { return read_number<uint8_t>("u8"); }
  Result<int8_t> read_i8() { return read_number<int8_t>("i8"); }
  Result<uint16_t> read_u16() { return read_number<uint16_t>("u16"); }
  Result<int16_t> read_i16() { return read_number<int16_t>("i16"); }
  Result<uint32_t> read_u32() { return read_number<uint32_t>("u32"); }
  Result<int32_t> read_i32() { return read_number<int32_t>("i32"); }
  Result<uint64_t> read_u64() { return read_number<uint64_t>("u64"); }
  Result<int64_t> read_i64() { return read_number<int64_t>("i64"); }
  Result<UInt128> read_u128() { return read_number<UInt128>("u128"); }
  Result<Int128> read_i128() { return read_number<Int128>("i128"); }
  Result<UInt256> read_u256() { return read_number<UInt256>("u256"); }
  Result<UInt256> read_i256() { return read_number<UInt256>("i256"); }
  Result<float> read_f32();
  Result<double> read_f64();
  Result<uint32_t> read_length() { return read_u32(); }
  Result<std::string_view> read_string();  // Borrowed; valid UTF-8.
  Result<Bytes> read_byte_array();         // Borrowed; a length and that many bytes.
  Result<Bytes> read_raw(size_t count);    // Borrowed; exactly `count` bytes, no length.
  // A sum tag below `variant_count`; `type_name` is what the error shows.
  Result<uint8_t> read_tag(size_t variant_count, std::string_view type_name);

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  size_t consumed() const { return static_cast<size_t>(at_ - begin_); }
  bool at_end() const { return at_ == end_; }
  Bytes rest() const { return {at_, remaining()}; }

 private:
  template <typename T>
  Result<T> read_number(const char* name) {
    if (remaining() < sizeof(T)) [[unlikely]]
      return too_short(name, sizeof(T));
    const T value = load_le<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  Status too_short(const char* name, size_t expected) const;

  const Byte* begin_;  // Borrowed; outlives this.
  const Byte* at_;
  const Byte* end_;
};

class BsatnWriter {
 public:
  explicit BsatnWriter(ByteBuffer& out) : out_(out) {}

  void write_bool(bool value) { out_.push_back(value ? 1 : 0); }
  void write_u8(uint8_t value) { out_.push_back(value); }
  void write_i8(int8_t value) { out_.push_back(static_cast<uint8_t>(value)); }
  void write_u16(uint16_t value) { append_le(out_, value); }
  void write_i16(int16_t value) { append_le(out_, value); }
  void write_u32(uint32_t value) { append_le(out_, value); }
  void write_i32(int32_t value) { append_le(out_, value); }
  void write_u64(uint64_t value) { append_le(out_, value); }
  void write_i64(int64_t value) { append_le(out_, value); }
  void write_u128(const UInt128& value) { append_le(out_, value); }
  void write_i128(const Int128& value) { append_le(out_, value); }
  void write_u256(const UInt256& value) { append_le(out_, value); }
  void write_f32(float value) { append_le(out_, value); }
  void write_f64(double value) { append_le(out_, value); }
  void write_tag(uint8_t tag) { out_.push_back(tag); }
  // A length of 2^32 or more is not written, but makes status() a failure; so does a string or an
  // array of that size, of which nothing is written. Who limits its input need not ask.
  void write_length(size_t length);
  void write_string(std::string_view text);
  void write_byte_array(Bytes bytes);  // With length.
  void write_raw(Bytes bytes) { append(out_, bytes); }

  Status status() const;  // kTooLarge `len too long` [S 01/2.1]; else what was written is whole.
  ByteBuffer& buffer() { return out_; }

 private:
  ByteBuffer& out_;  // Borrowed; outlives this.
  bool is_too_long_ = false;
};

// --- Values. Refs are looked up in `typespace`. ---

Result<AlgebraicValue> decode_value(const AlgebraicType& type, const Typespace& typespace,
                                    BsatnReader& reader);
// The same status as the writer has afterwards.
Status encode_value(const AlgebraicValue& value, BsatnWriter& writer);

// Walks over one value without building anything; leaves the reader behind it. Same errors as
// decode_value, but arrays of zero-size elements of any length are accepted in O(1).
Status skip_value(const AlgebraicType& type, const Typespace& typespace, BsatnReader& reader);
Status skip_value(const ProductType& type, const Typespace& typespace, BsatnReader& reader);

// --- Types as values [S 01/2.3]. ---

Result<AlgebraicType> decode_type(BsatnReader& reader);
Result<ProductType> decode_product_type(BsatnReader& reader);
Result<Typespace> decode_typespace(BsatnReader& reader);
void encode_type(const AlgebraicType& type, BsatnWriter& writer);
void encode_product_type(const ProductType& type, BsatnWriter& writer);
void encode_typespace(const Typespace& typespace, BsatnWriter& writer);

// The meta-type: typespace whose entry 0 is AlgebraicType, so that types can be printed as typed
// JSON like any value. Entries: 0 AlgebraicType, 1 SumType, 2 SumTypeVariant, 3 ProductType,
// 4 ProductTypeElement, 5 Typespace.
const Typespace& meta_typespace();

}  // namespace worldline::schema
