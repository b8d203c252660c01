// schema/key_encoding.h
//
// The order of values as index keys: comparison on BSATN bytes, and normalised keys, whose memcmp
// order is that same order and whose equality is key equality.
//
// Normal form: integers big-endian with the sign bit flipped; floats in total order with one NaN
// above everything and -0 equal to +0; bool and sum tag as their byte; strings and byte arrays with
// 00 escaped as 00 ff and ended by 00 00; other arrays with 01 before each element and 00 at the
// end (of zero-size elements: the count, big-endian); products by field. Every form is prefix-free
// within its type, so concatenated columns stay unambiguous and a column prefix is a key prefix.
//
// Invariants: memcmp(normalised(a), normalised(b)) == compare_bsatn(a, b).
// Ownership: values borrowed. Thread: any. Errors: none; values must be valid BSATN of the type.
// Sources: [S 01/1.5].
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "schema/algebraic_type.h"
#include "schema/row_layout.h"

namespace worldline::schema {

// Key order of two values. REQUIRES: `type` is resolved, `a` and `b` are valid values of it.
std::strong_ordering compare_bsatn(const AlgebraicType& type, Bytes a, Bytes b);

// REQUIRES: `type` is resolved, `value` starts with a valid value of it. Returns its bytes taken.
size_t append_normalised_key(const AlgebraicType& type, Bytes value, ByteBuffer& out);

// Compiled key extraction for the columns of one table index.
class KeyEncoder {
 public:
  KeyEncoder() = default;
  static KeyEncoder compile(const RowLayout& layout, std::span<const ColumnId> columns);

  // Appends the key of `row`. REQUIRES: `row` was validated by `layout`, the one compiled from.
  void append_row_key(const RowLayout& layout, Bytes row, ByteBuffer& out) const;
  // Whether `key` is what append_row_key would append; allocates nothing.
  bool is_row_key(const RowLayout& layout, Bytes row, Bytes key) const;
  // Appends one encoded value as key part `part`; returns the bytes it took.
  // REQUIRES: `value` starts with a valid value of that column's type.
  size_t append_part(size_t part, Bytes value, ByteBuffer& out) const;

  size_t part_count() const { return parts_.size(); }
  const AlgebraicType& part_type(size_t part) const { return parts_[part].type; }
  ColumnId part_column(size_t part) const { return parts_[part].column; }

  // A key that is one integer of at most 64 bits (or bool, or plain enum) can be kept as a number:
  // the same order as the normalised bytes, big-endian.
  bool is_word() const { return is_word_; }
  uint64_t word_of_row(const RowLayout& layout, Bytes row) const;  // REQUIRES: is_word().
  uint64_t word_of_value(Bytes value) const;                       // REQUIRES: is_word().
  // Total size of a normalised key if it does not depend on the values.
  std::optional<uint32_t> fixed_size() const { return fixed_size_; }

 private:
  struct Part {
    ColumnId column;
    AlgebraicType type;
    uint8_t width = 0;      // Bytes, if an integer-like value of at most 8 bytes; else 0.
    uint64_t sign_bit = 0;  // To be flipped.
  };
  static uint64_t load_word(const Part& part, const Byte* at);
  template <typename Sink>
  static size_t put_part(const Part& part, Bytes value, Sink& out);
  template <typename Sink>
  void put_row_key(const RowLayout& layout, Bytes row, Sink& out) const;

  std::vector<Part> parts_;
  bool is_word_ = false;
  std::optional<uint32_t> fixed_size_;
};

}  // namespace worldline::schema
