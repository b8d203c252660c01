// schema/row_layout.h
//
// RowLayout is compiled once per table from its row type and then answers on raw row bytes, without
// dynamic values and without allocation: is this a row, how long is it, where is column c.
//
// The idea: a row type is a list of column programs. While columns are of fixed size their offsets
// are constants; from the first variable column on, offsets are found by skipping. A fixed-size row
// is validated by a size comparison and a short list of byte checks (bools and sum tags), because
// every other bit pattern is legal.
//
// Invariants: compiled from a resolved type; immutable afterwards. Offsets are below
// limits::kRowBytesMax. Ownership: a value, cheap to move; rows and columns are borrowed.
// Thread: frozen, any. Units: bytes.
// Errors: validate() gives the decoding texts of [S 01/2.4]. Sources: [S 01/2], [S 05/1.3].
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "schema/algebraic_type.h"
#include "schema/value_program.h"

namespace worldline::schema {

class RowLayout {
 public:
  RowLayout() = default;  // Of the unit row.

  // REQUIRES: `type` is resolved. Fails only if it is not, or a fixed part exceeds kRowBytesMax.
  static Result<RowLayout> compile(const ProductType& type);

  // Checks that `input` is a row and returns how many bytes it takes. QUIRK [S 05/1.3]: a row of
  // fixed size must be all of `input`, bytes behind a variable row are ignored.
  Result<size_t> validate(Bytes input) const;
  // nullopt if `input` does not start with a row; bytes behind it are the caller's business.
  std::optional<size_t> find_row_end(Bytes input) const;

  // The bytes of one row at the start of `input`. REQUIRES: it was validated.
  size_t row_size(Bytes input) const;

  // The bytes of one column; borrowed from `row`. REQUIRES: row was validated. O(1) while only
  // fixed-size columns precede, else linear in the variable columns before it.
  Bytes column(Bytes row, ColumnId column) const;
  size_t column_offset(Bytes row, ColumnId column) const;

  // Writes the start of every column and, last, the end of the row. REQUIRES: row was validated;
  // out.size() == column_count() + 1.
  void split(Bytes row, std::span<uint32_t> out) const;

  std::optional<uint32_t> fixed_size() const {
    if (first_variable_ < columns_.size()) return std::nullopt;
    return prefix_size_;
  }
  size_t column_count() const { return columns_.size(); }
  const ProductType& type() const { return type_; }
  const AlgebraicType& column_type(ColumnId column) const {
    return type_.elements[column.value].type;
  }
  // Size of a column whose size does not depend on the value.
  std::optional<uint32_t> fixed_column_size(ColumnId column) const;
  // Offset of a column all of whose predecessors are of fixed size.
  std::optional<uint32_t> fixed_column_offset(ColumnId column) const;

 private:
  struct Column {
    uint32_t node;          // Its program.
    uint32_t fixed_offset;  // Valid up to and including column first_variable_.
  };

  ProductType type_;
  ValueProgram program_;
  std::vector<Column> columns_;
  size_t first_variable_ = 0;      // Column; column_count() if the row is of fixed size.
  uint32_t prefix_size_ = 0;       // Bytes of the columns before first_variable_.
  std::vector<ByteCheck> checks_;  // Of the prefix; complete if checks_suffice_.
  bool checks_suffice_ = true;
};

}  // namespace worldline::schema
