#include "schema/row_layout.h"

#include "base/check.h"
#include "base/limits.h"
#include "schema/bsatn.h"

namespace worldline::schema {

Result<RowLayout> RowLayout::compile(const ProductType& type) {
  RowLayout layout;
  layout.type_ = type;
  layout.first_variable_ = type.elements.size();
  uint64_t offset = 0;
  for (size_t i = 0; i < type.elements.size(); ++i) {
    WL_ASSIGN_OR_RETURN(const uint32_t node, layout.program_.add(type.elements[i].type));
    layout.columns_.push_back({node, static_cast<uint32_t>(offset)});
    if (layout.first_variable_ < i) continue;
    const uint32_t size = layout.program_.fixed_size(node);
    if (size == ValueProgram::kVariable) {
      layout.first_variable_ = i;
      continue;
    }
    if (layout.checks_suffice_)
      layout.checks_suffice_ =
          layout.program_.append_checks(node, static_cast<uint32_t>(offset), layout.checks_);
    offset += size;
    if (offset > limits::kRowBytesMax)
      return Status::too_large("a row of {} bytes exceeds the limit of {}", offset,
                               limits::kRowBytesMax);
  }
  layout.prefix_size_ = static_cast<uint32_t>(offset);
  return layout;
}

std::optional<size_t> RowLayout::find_row_end(Bytes input) const {
  if (input.size() < prefix_size_) return std::nullopt;
  const Byte* const begin = input.data();
  const Byte* const end = begin + input.size();
  const Byte* at = begin;
  size_t column = 0;
  if (checks_suffice_) {
    for (const ByteCheck& check : checks_)
      if (begin[check.offset] >= check.bound) return std::nullopt;
    at += prefix_size_;
    column = first_variable_;
  }
  for (; column < columns_.size(); ++column) {
    at = program_.check(columns_[column].node, at, end);
    if (at == nullptr) return std::nullopt;
  }
  return static_cast<size_t>(at - begin);
}

Result<size_t> RowLayout::validate(Bytes input) const {
  const std::optional<size_t> row_end = find_row_end(input);
  if (row_end && (!fixed_size() || *row_end == input.size())) return *row_end;
  if (row_end)
    return Status::invalid_argument("row has {} bytes, but its type takes exactly {}", input.size(),
                                    *row_end);
  // The slow walk finds the same fault and can name it.
  BsatnReader reader(input);
  const Status fault = skip_value(type_, Typespace::empty(), reader);
  WL_CHECK(!fault.ok());
  return fault;
}

size_t RowLayout::row_size(Bytes input) const {
  if (first_variable_ == columns_.size()) return prefix_size_;
  const Byte* at = input.data() + prefix_size_;
  for (size_t i = first_variable_; i < columns_.size(); ++i)
    at = program_.skip(columns_[i].node, at);
  return static_cast<size_t>(at - input.data());
}

size_t RowLayout::column_offset(Bytes row, ColumnId column) const {
  WL_CHECK(column.value < columns_.size());
  if (column.value <= first_variable_) return columns_[column.value].fixed_offset;
  const Byte* at = row.data() + prefix_size_;
  for (size_t i = first_variable_; i < column.value; ++i) at = program_.skip(columns_[i].node, at);
  return static_cast<size_t>(at - row.data());
}

Bytes RowLayout::column(Bytes row, ColumnId column) const {
  const size_t offset = column_offset(row, column);
  const Byte* const at = row.data() + offset;
  const Byte* const column_end = program_.skip(columns_[column.value].node, at);
  return {at, static_cast<size_t>(column_end - at)};
}

void RowLayout::split(Bytes row, std::span<uint32_t> out) const {
  WL_CHECK(out.size() == columns_.size() + 1);
  for (size_t i = 0; i < first_variable_; ++i) out[i] = columns_[i].fixed_offset;
  const Byte* at = row.data() + prefix_size_;
  for (size_t i = first_variable_; i < columns_.size(); ++i) {
    out[i] = static_cast<uint32_t>(at - row.data());
    at = program_.skip(columns_[i].node, at);
  }
  out[columns_.size()] = static_cast<uint32_t>(at - row.data());
}

std::optional<uint32_t> RowLayout::fixed_column_size(ColumnId column) const {
  WL_CHECK(column.value < columns_.size());
  const uint32_t size = program_.fixed_size(columns_[column.value].node);
  if (size == ValueProgram::kVariable) return std::nullopt;
  return size;
}

std::optional<uint32_t> RowLayout::fixed_column_offset(ColumnId column) const {
  WL_CHECK(column.value < columns_.size());
  if (column.value > first_variable_) return std::nullopt;
  return columns_[column.value].fixed_offset;
}

}  // namespace worldline::schema
