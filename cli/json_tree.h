// cli/json_tree.h
//
// JsonTree: a JSON document that keeps what JSON libraries lose: the digits of every number (SQL
// rows hold integers of up to 128 bits) and the order of members.
//
// Invariants: exactly the fields of `kind` are used. Ownership: a value; children are owned.
// Errors: parse() gives kInvalidArgument with the position; nesting is limited to kJsonDepthMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace worldline::cli {

inline constexpr size_t kJsonDepthMax = 512;

struct JsonMember;

struct JsonTree {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;                 // kNumber: its digits; kString.
  std::vector<JsonTree> items;      // kArray.
  std::vector<JsonMember> members;  // kObject, in document order.

  static Result<JsonTree> parse(std::string_view text);

  bool is_object() const { return kind == Kind::kObject; }
  bool is_array() const { return kind == Kind::kArray; }
  bool is_string() const { return kind == Kind::kString; }

  // Member of an object, or nullptr.
  const JsonTree* find(std::string_view name) const;
  // Text of a string member, or empty.
  std::string text_of(std::string_view name) const;
  // Number member as an integer; `fallback` if absent or not an integer of 64 bits.
  int64_t int_of(std::string_view name, int64_t fallback) const;

  std::string print() const;         // Compact.
  std::string print_pretty() const;  // Two blanks of indentation, no final newline.
};

struct JsonMember {
  std::string name;
  JsonTree value;
};

// `text` as a JSON string literal with its quotes.
std::string json_quote(std::string_view text);

}  // namespace worldline::cli
