#include "cli/value_text.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>

#include "cli/timestamp_text.h"

namespace worldline::cli {
namespace {

// The one member of a type or sum value: {"U32": []}.
const JsonMember* only_member(const JsonTree& tree) {
  return tree.is_object() && tree.members.size() == 1 ? &tree.members.front() : nullptr;
}

std::string name_of(const JsonTree& element) {
  const JsonTree* name = element.find("name");
  if (name == nullptr) return {};
  if (name->is_string()) return name->text;
  return name->text_of("some");
}

const std::vector<JsonTree>* list_under(const JsonTree& tree, const char* name) {
  const JsonTree* found = tree.find(name);
  return found != nullptr && found->is_array() ? &found->items : nullptr;
}

// Hex of a number given as "0x..." without leading zeros or as decimal digits, padded.
std::string padded_hex(std::string digits, size_t width) {
  if (digits.starts_with("0x")) digits.erase(0, 2);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return "0x" + digits;
}

// Decimal digits of up to 128 bits as hex; empty if they are no such number.
std::string decimal_to_hex(const std::string& digits) {
  __extension__ unsigned __int128 number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  std::string hex;
  for (; number != 0; number >>= 4) hex.insert(hex.begin(), "0123456789abcdef"[number & 15]);
  return hex;
}

std::string uuid_text(const std::string& digits) {
  std::string hex = decimal_to_hex(digits);
  if (hex.size() < 32) hex.insert(0, 32 - hex.size(), '0');
  return "\"" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20) + "\"";
}

bool parse_micros(const std::string& digits, int64_t& micros) {
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, micros);
  return error == std::errc() && stop == end && !digits.empty();
}

// A product with one field of a reserved name, e.g. Identity; empty if it is none of them.
std::string special_text(const std::string& field, const JsonTree& value) {
  int64_t micros = 0;
  if (field == "__identity__") return padded_hex(value.text, 64);
  if (field == "__connection_id__") return padded_hex(decimal_to_hex(value.text), 32);
  if (field == "__timestamp_micros_since_unix_epoch__" && parse_micros(value.text, micros))
    return timestamp_text(micros, TimestampStyle::kOffset);
  if (field == "__time_duration_micros__" && parse_micros(value.text, micros))
    return duration_text(micros);
  if (field == "__uuid__") return uuid_text(value.text);
  return {};
}

// The functions below recurse over types nested at most kJsonDepthMax deep.
// NOLINTBEGIN(misc-no-recursion)
std::string product_text(const JsonTree& product, const JsonTree& value) {
  const auto* elements = list_under(product, "elements");
  if (elements == nullptr || !value.is_array() || elements->size() != value.items.size())
    return value.print();
  if (elements->size() == 1) {
    const std::string special = special_text(name_of(elements->front()), value.items.front());
    if (!special.empty()) return special;
  }
  std::string out = "(";
  for (size_t i = 0; i < elements->size(); ++i) {
    std::string name = name_of((*elements)[i]);
    if (name.empty()) name = "col_" + std::to_string(i);
    const JsonTree* type = (*elements)[i].find("algebraic_type");
    if (i != 0) out += ", ";
    out += name + " = " +
           (type == nullptr ? value.items[i].print() : value_text(*type, value.items[i]));
  }
  return out + ")";
}

std::string sum_text(const JsonTree& sum, const JsonTree& value) {
  const auto* variants = list_under(sum, "variants");
  if (variants == nullptr) return value.print();
  size_t tag = variants->size();
  const JsonTree* payload = nullptr;
  if (value.is_array() && value.items.size() == 2) {
    tag = static_cast<size_t>(std::strtoul(value.items[0].text.c_str(), nullptr, 10));
    payload = &value.items[1];
  } else if (const auto* member = only_member(value)) {
    payload = &member->value;
    for (tag = 0; tag < variants->size() && name_of((*variants)[tag]) != member->name;) ++tag;
  }
  if (payload == nullptr || tag >= variants->size()) return value.print();
  const JsonTree& variant = (*variants)[tag];
  const JsonTree* type = variant.find("algebraic_type");
  return "(" + name_of(variant) + " = " +
         (type == nullptr ? payload->print() : value_text(*type, *payload)) + ")";
}

std::string array_text(const JsonTree& element, const JsonTree& value) {
  const auto* kind = only_member(element);
  const bool bytes = kind != nullptr && kind->name == "U8";
  if (bytes && value.is_string()) return "0x" + value.text;
  if (!value.is_array()) return value.print();
  std::string out = "[";
  for (size_t i = 0; i < value.items.size(); ++i)
    out += (i == 0 ? "" : ", ") + value_text(element, value.items[i]);
  return out + "]";
}

}  // namespace

std::string value_text(const JsonTree& type, const JsonTree& value) {
  const auto* kind = only_member(type);
  if (kind == nullptr) return value.print();
  if (kind->name == "Product") return product_text(kind->value, value);
  if (kind->name == "Sum") return sum_text(kind->value, value);
  if (kind->name == "Array") return array_text(kind->value, value);
  if (kind->name == "String") return "\"" + value.text + "\"";
  if (value.is_string()) return value.text;  // 256-bit integers, non-finite floats.
  return value.print();
}
// NOLINTEND(misc-no-recursion)

size_t display_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  if (header.empty()) return {};
  std::vector<size_t> widths;
  for (const std::string& name : header) widths.push_back(display_width(name));
  for (const auto& row : rows)
    for (size_t i = 0; i < std::min(row.size(), widths.size()); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));

  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < cells.size() ? cells[i] : "";
      out += (i == 0 ? " " : "| ") + cell;
      out.append(widths[i] - std::min(widths[i], display_width(cell)) + 1, ' ');
    }
    out += '\n';
  };
  line(header);
  for (size_t i = 0; i < widths.size(); ++i)
    out.append(i == 0 ? "" : "+").append(widths[i] + 2, '-');
  out += '\n';
  for (const auto& row : rows) line(row);
  return out;
}

std::string statement_text(const JsonTree& statement) {
  static const std::vector<JsonTree> kNone;
  const JsonTree* schema = statement.find("schema");
  const auto* elements = schema == nullptr ? nullptr : list_under(*schema, "elements");
  if (elements == nullptr) elements = &kNone;
  std::vector<std::string> header;
  for (size_t i = 0; i < elements->size(); ++i) {
    const std::string name = name_of((*elements)[i]);
    header.push_back(name.empty() ? "column " + std::to_string(i) : name);
  }
  std::vector<std::vector<std::string>> rows;
  const auto* values = list_under(statement, "rows");
  for (const JsonTree& row : values == nullptr ? kNone : *values) {
    auto& cells = rows.emplace_back();
    for (size_t i = 0; i < std::min(elements->size(), row.items.size()); ++i) {
      const JsonTree* type = (*elements)[i].find("algebraic_type");
      cells.push_back(type == nullptr ? row.items[i].print() : value_text(*type, row.items[i]));
    }
  }
  return table_text(header, rows);
}

}  // namespace worldline::cli
