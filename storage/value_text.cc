// storage/value_text.cc: SATN printing over BSATN bytes. Recursion follows the type.
#include "storage/value_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/wide_int.h"

namespace worldline::storage {
namespace {

using schema::AlgebraicType;
using schema::TypeKind;

constexpr size_t kTextBytesMax = 4096;  // One error text; values may have megabytes.

class Printer {
 public:
  explicit Printer(const Byte* at) : at_(at) {}

  void print(const AlgebraicType& type) {
    if (is_cut_) return;  // The position is lost, and so is everything behind it.
    switch (type.kind()) {
      case TypeKind::kProduct:
        return print_product(type.as_product());
      case TypeKind::kSum: {
        const schema::SumVariant& variant = type.as_sum().variants[*at_++];
        text_ += fmt::format("({} = ", variant.name.value_or(""));
        print(variant.type);
        text_ += ")";
        return;
      }
      case TypeKind::kArray:
        return print_array(type.element());
      case TypeKind::kString: {
        const auto length = take<uint32_t>();
        print_string({reinterpret_cast<const char*>(at_), length});
        at_ += length;
        return;
      }
      case TypeKind::kBool:
        text_ += *at_++ != 0 ? "true" : "false";
        return;
      case TypeKind::kF32:
        text_ += fmt::format("{}", take<float>());
        return;
      case TypeKind::kF64:
        text_ += fmt::format("{}", take<double>());
        return;
      default:
        return print_integer(type);
    }
  }

  std::string take_text() {
    if (text_.size() > kTextBytesMax) text_ = text_.substr(0, kTextBytesMax) + "...";
    return std::move(text_);
  }

 private:
  template <typename T>
  T take() {
    const T value = load_le<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  void print_product(const schema::ProductType& type) {
    text_ += "(";
    for (size_t i = 0; i < type.elements.size(); ++i) {
      if (i > 0) text_ += ", ";
      text_ += fmt::format("{} = ", type.elements[i].name.value_or(std::to_string(i)));
      print(type.elements[i].type);
    }
    text_ += ")";
  }

  void print_array(const AlgebraicType& element) {
    const auto count = take<uint32_t>();
    if (element.kind() == TypeKind::kU8) {
      text_ += "0x" + to_hex({at_, std::min<size_t>(count, kTextBytesMax)});
      at_ += count;
      return;
    }
    text_ += "[";
    for (uint32_t i = 0; i < count && !is_cut_; ++i) {
      is_cut_ = text_.size() > kTextBytesMax;
      if (i > 0) text_ += ", ";
      print(element);
    }
    text_ += "]";
  }

  void print_string(std::string_view value) {
    text_ += '"';
    for (const char c : value.substr(0, kTextBytesMax)) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }

  void print_integer(const AlgebraicType& type) {
    const uint32_t width = type.primitive_bytes();
    UInt256 value;
    std::memcpy(value.words.data(), at_, width);
    const bool negative = type.is_signed_integer() && (at_[width - 1] & 0x80) != 0;
    if (negative) {
      auto* bytes = reinterpret_cast<Byte*>(value.words.data());
      std::fill(bytes + width, bytes + sizeof value, Byte{0xff});
      value = negated(value);
    }
    at_ += width;
    text_ += (negative ? "-" : "") + decimal(value);
  }

  // Long division by ten, most significant word first.
  static std::string decimal(UInt256 value) {
    std::string digits;
    do {
      UInt128 rest = 0;
      for (size_t i = 4; i-- > 0;) {
        const UInt128 part = (rest << 64) | value.words[i];
        value.words[i] = static_cast<uint64_t>(part / 10);
        rest = part % 10;
      }
      digits.push_back(static_cast<char>('0' + static_cast<int>(rest)));
    } while (!(value == UInt256{}));
    std::reverse(digits.begin(), digits.end());
    return digits;
  }

  const Byte* at_;
  std::string text_;
  bool is_cut_ = false;
};

}  // namespace

std::string print_value(const AlgebraicType& type, Bytes bsatn) {
  Printer printer(bsatn.data());
  printer.print(type);
  return printer.take_text();
}

std::string key_text(const TableSchema& table, const IndexSchema& index, Bytes row) {
  std::string values;
  for (const ColumnId column : index.columns) {
    const ColumnSchema& schema = table.columns[column.value];
    const std::string value = print_value(schema.type, table.layout.column(row, column));
    if (index.columns.size() == 1) return value;
    values += fmt::format("{}{} = {}", values.empty() ? "" : ", ", schema.name, value);
  }
  return "(" + values + ")";
}

std::string unique_violation_text(const TableSchema& table, const IndexSchema& index, Bytes row) {
  std::string columns;
  for (const ColumnId column : index.columns)
    columns += (columns.empty() ? "\"" : ", \"") + table.columns[column.value].name + '"';
  return fmt::format("Unique constraint violation '{}' in table '{}': column(s): '[{}]' value: {}",
                     index.name, table.name, columns, key_text(table, index, row));
}

}  // namespace worldline::storage
