#include "schema/number_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace worldline::schema {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

std::optional<uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

// value * factor + addend; the carry out of 256 bits is returned.
uint64_t multiply_add(UInt256& value, uint64_t factor, uint64_t addend) {
  UInt128 carry = addend;
  for (auto& word : value.words) {
    carry += static_cast<UInt128>(word) * factor;
    word = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  return static_cast<uint64_t>(carry);
}

// Divides in place and returns the remainder.
uint64_t divide(UInt256& value, uint64_t divisor) {
  UInt128 rest = 0;
  for (size_t i = value.words.size(); i-- > 0;) {
    rest = (rest << 64) | value.words[i];
    value.words[i] = static_cast<uint64_t>(rest / divisor);
    rest %= divisor;
  }
  return static_cast<uint64_t>(rest);
}

bool is_zero(const UInt256& value) {
  return value == UInt256{};
}

// The digits behind `0x`, or nothing if the prefix is missing.
std::optional<UInt256> parse_hex_digits(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  if (text.empty()) return std::nullopt;
  UInt256 value;
  for (const char c : text) {
    const auto digit = hex_digit(c);
    if (!digit || multiply_add(value, 16, *digit) != 0) return std::nullopt;
  }
  return value;
}

// Digits and decimal exponent of the shortest representation: 0.d1d2d3... * 10^point.
struct Shortest {
  std::array<char, 24> digits;
  int count = 0;
  int point = 0;
};

template <typename Float>
Shortest shortest_of(Float value) {
  std::array<char, 48> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific)
          .ptr;
  Shortest out;
  const char* at = text.data();
  for (; at != end && *at != 'e'; ++at)
    if (*at != '.') out.digits[static_cast<size_t>(out.count++)] = *at;
  ++at;  // The `e`; from_chars knows no leading plus.
  if (at != end && *at == '+') ++at;
  int exponent = 0;
  std::from_chars(at, end, exponent);
  out.point = exponent + 1;
  while (out.count > 1 && out.digits[static_cast<size_t>(out.count - 1)] == '0') --out.count;
  return out;
}

// Plain notation for point in (plain_min, plain_max], else exponent notation [S 01/3.1].
void append_shortest(const Shortest& number, int plain_min, int plain_max, std::string& out) {
  const std::string_view digits(number.digits.data(), static_cast<size_t>(number.count));
  const int point = number.point;
  if (point > 0 && point <= plain_max) {
    if (number.count <= point) {
      out.append(digits).append(static_cast<size_t>(point - number.count), '0').append(".0");
      return;
    }
    const auto whole = static_cast<size_t>(point);
    out.append(digits.substr(0, whole)).append(".").append(digits.substr(whole));
    return;
  }
  if (point > plain_min && point <= 0) {
    out.append("0.").append(static_cast<size_t>(-point), '0').append(digits);
    return;
  }
  out.append(digits.substr(0, 1));
  if (digits.size() > 1) out.append(".").append(digits.substr(1));
  out.append("e").append(std::to_string(point - 1));
}

template <typename Float>
void append_any_float(Float value, int plain_min, int plain_max, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (std::signbit(value)) out += '-';
  if (value == 0) {
    out += "0.0";
    return;
  }
  append_shortest(shortest_of(std::abs(value)), plain_min, plain_max, out);
}

}  // namespace

void append_decimal(UInt128 value, std::string& out) {
  std::array<char, 40> text;  // 2^128 has 39 digits.
  size_t at = text.size();
  do {
    text[--at] = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  out.append(text.data() + at, text.size() - at);
}

void append_decimal(Int128 value, std::string& out) {
  if (value < 0) out += '-';
  const auto bits = static_cast<UInt128>(value);
  append_decimal(value < 0 ? UInt128{0} - bits : bits, out);
}

void append_hex_u256(const UInt256& value, std::string& out) {
  out += "0x";
  bool started = false;
  for (size_t i = 64; i-- > 0;) {
    const auto digit = (value.words[i / 16] >> (4 * (i % 16))) & 15;
    started = started || digit != 0 || i == 0;
    if (started) out += kHexDigits[digit];
  }
}

void append_hex_i256(const UInt256& value, std::string& out) {
  if (value.is_negative()) out += '-';
  append_hex_u256(value.is_negative() ? negated(value) : value, out);
}

void append_float(float value, std::string& out) {
  append_any_float(value, -6, 13, out);
}

void append_float(double value, std::string& out) {
  append_any_float(value, -5, 16, out);
}

std::optional<UInt128> parse_decimal_u128(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr UInt128 kMax = ~UInt128{0};
  UInt128 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (value > (kMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<Int128> parse_decimal_i128(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto magnitude = parse_decimal_u128(text);
  constexpr UInt128 kLimit = UInt128{1} << 127;
  if (!magnitude || *magnitude > kLimit || (!negative && *magnitude == kLimit)) return std::nullopt;
  return static_cast<Int128>(negative ? UInt128{0} - *magnitude : *magnitude);
}

std::optional<UInt256> parse_hex_u256(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_hex_digits(text);
}

std::optional<UInt256> parse_hex_i256(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto magnitude = parse_hex_digits(text);
  if (!magnitude) return std::nullopt;
  if (!magnitude->is_negative()) return negative ? negated(*magnitude) : *magnitude;
  const bool is_minimum = *magnitude == negated(*magnitude);  // 2^255 is its own negation.
  if (negative && is_minimum) return magnitude;
  return std::nullopt;
}

void append_decimal_u256(UInt256 value, std::string& out) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + divide(value, 10));
  } while (!is_zero(value));
  out.append(digits.rbegin(), digits.rend());
}

std::optional<UInt256> parse_decimal_u256(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  UInt256 value;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    if (multiply_add(value, 10, static_cast<uint64_t>(c - '0')) != 0) return std::nullopt;
  }
  return value;
}

}  // namespace worldline::schema
