#include "query/literal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>

#include "base/wide_int.h"
#include "query/ascii.h"
#include "schema/identity.h"
#include "schema/number_text.h"

namespace worldline::query {
namespace {

using schema::AlgebraicType;
using schema::TypeKind;

// value = (negative ? -1 : 1) * digits * 10^exponent; digits without leading and trailing zeros.
struct Decimal {
  bool negative = false;
  bool has_point = false;
  std::string digits;
  int64_t exponent = 0;
};

// Exponents beyond this are the same for every type: too large or zero.
constexpr int64_t kExponentMax = 1'000'000;

bool take_digits(std::string_view& text, std::string& out) {
  const size_t before = text.size();
  while (!text.empty() && is_digit(text.front())) {
    out.push_back(text.front());
    text.remove_prefix(1);
  }
  return text.size() < before;
}

// [eE][+-]digits; false if malformed.
bool take_exponent(std::string_view& text, int64_t& exponent) {
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  std::string digits;
  if (!take_digits(text, digits) || !text.empty()) return false;
  int64_t value = 0;
  for (const char c : digits) value = std::min(kExponentMax, value * 10 + (c - '0'));
  exponent = negative ? -value : value;
  return true;
}

std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal decimal;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    decimal.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  bool any = take_digits(text, decimal.digits);
  const size_t whole = decimal.digits.size();
  if (!text.empty() && text.front() == '.') {
    decimal.has_point = true;
    text.remove_prefix(1);
    any = take_digits(text, decimal.digits) || any;
  }
  const auto fraction = static_cast<int64_t>(decimal.digits.size() - whole);
  if (!any || !take_exponent(text, decimal.exponent)) return std::nullopt;
  decimal.exponent -= fraction;
  while (!decimal.digits.empty() && decimal.digits.back() == '0') {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  decimal.digits.erase(0, std::min(decimal.digits.find_first_not_of('0'), decimal.digits.size()));
  return decimal;
}

// The magnitude if the number is integral and below 2^256.
std::optional<UInt256> integral_magnitude(const Decimal& decimal) {
  if (decimal.digits.empty()) return UInt256{};
  constexpr size_t kDigitsMax = 78;  // 2^256 has 78 digits.
  if (decimal.exponent < 0 ||
      decimal.digits.size() + static_cast<size_t>(decimal.exponent) > kDigitsMax)
    return std::nullopt;
  return schema::parse_decimal_u256(decimal.digits +
                                    std::string(static_cast<size_t>(decimal.exponent), '0'));
}

bool fits(const UInt256& magnitude, bool negative, uint32_t bits, bool is_signed) {
  const uint32_t value_bits = is_signed ? bits - 1 : bits;
  UInt256 limit;  // 2^value_bits; all zero for 256.
  if (value_bits < 256) limit.words[value_bits / 64] = uint64_t{1} << (value_bits % 64);
  const bool below = value_bits == 256 || magnitude < limit;
  if (!negative || magnitude == UInt256{}) return below;
  return is_signed && (below || magnitude == limit);
}

std::optional<ByteBuffer> parse_integer(std::string_view text, const AlgebraicType& type) {
  const auto decimal = parse_decimal(text);
  if (!decimal) return std::nullopt;
  const uint32_t bytes = type.primitive_bytes();
  if (bytes == 32 && decimal->has_point) return std::nullopt;  // QUIRK [S 06/1.10].
  const auto magnitude = integral_magnitude(*decimal);
  if (!magnitude || !fits(*magnitude, decimal->negative, bytes * 8, type.is_signed_integer()))
    return std::nullopt;
  const UInt256 value = decimal->negative ? negated(*magnitude) : *magnitude;
  ByteBuffer out(sizeof value);
  store_le(out.data(), value);
  out.resize(bytes);
  return out;
}

std::optional<double> parse_double(std::string_view text) {
  const auto decimal = parse_decimal(text);
  if (!decimal) return std::nullopt;
  const bool signed_text = !text.empty() && (text.front() == '+' || text.front() == '-');
  const std::string_view magnitude = signed_text ? text.substr(1) : text;
  double value = 0;
  const auto parsed = std::from_chars(magnitude.data(), magnitude.data() + magnitude.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) {
    const bool large = static_cast<int64_t>(decimal->digits.size()) + decimal->exponent > 0;
    value = large ? std::numeric_limits<double>::infinity() : 0.0;
  }
  return decimal->negative ? -value : value;
}

float narrow(double value) {
  constexpr double kMax = std::numeric_limits<float>::max();
  constexpr double kHalfStep = 0x1p103;  // Half the distance from kMax to 2^128.
  if (value >= kMax + kHalfStep) return std::numeric_limits<float>::infinity();
  if (value <= -kMax - kHalfStep) return -std::numeric_limits<float>::infinity();
  if (value > kMax) return std::numeric_limits<float>::max();
  if (value < -kMax) return std::numeric_limits<float>::lowest();
  return static_cast<float>(value);
}

std::optional<ByteBuffer> parse_float(std::string_view text, const AlgebraicType& type) {
  const auto value = parse_double(text);
  if (!value) return std::nullopt;
  ByteBuffer out;
  if (type.kind() == TypeKind::kF32) {
    append_le(out, narrow(*value));
  } else {
    append_le(out, *value);
  }
  return out;
}

ByteBuffer with_length(Bytes bytes) {
  ByteBuffer out;
  append_le(out, static_cast<uint32_t>(bytes.size()));
  append(out, bytes);
  return out;
}

std::string_view without_prefix(std::string_view text) {
  return text.substr(0, 2) == "0x" ? text.substr(2) : text;
}

// Exactly `bytes` bytes of big-endian hex, turned around.
std::optional<ByteBuffer> parse_reversed_hex(std::string_view text, size_t bytes) {
  ByteBuffer out;
  if (text.size() != bytes * 2 || !parse_hex(text, out)) return std::nullopt;
  std::reverse(out.begin(), out.end());
  return out;
}

std::optional<ByteBuffer> parse_uuid(std::string_view text) {
  if (text.substr(0, 9) == "urn:uuid:") {
    text.remove_prefix(9);
  } else if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  if (text.size() == 32) return parse_reversed_hex(text, 16);
  if (text.size() != 36) return std::nullopt;
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen != (text[i] == '-')) return std::nullopt;
    if (!hyphen) digits.push_back(text[i]);
  }
  return parse_reversed_hex(digits, 16);
}

// --- RFC 3339 ---

std::optional<int64_t> take_number(std::string_view& text, size_t digits, int64_t low,
                                   int64_t high) {
  if (text.size() < digits) return std::nullopt;
  int64_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value < low || value > high ? std::nullopt : std::optional(value);
}

bool take_char(std::string_view& text, std::string_view allowed) {
  if (text.empty() || allowed.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

int64_t days_of_month(int64_t year, int64_t month) {
  constexpr std::array<int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<size_t>(month - 1)] + (leap && month == 2 ? 1 : 0);
}

// Days since 1970-01-01 of the proleptic Gregorian calendar (Hinnant's algorithm).
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

// `.digits`, cut to microseconds; zero if there is none; nullopt for a bare point.
std::optional<int64_t> take_fraction_micros(std::string_view& text) {
  if (!take_char(text, ".")) return 0;
  int64_t micros = 0;
  size_t digits = 0;
  for (; !text.empty() && is_digit(text.front()); ++digits, text.remove_prefix(1))
    if (digits < 6) micros = micros * 10 + (text.front() - '0');
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

// Z or a signed hh:mm, in seconds east of UTC.
std::optional<int64_t> take_offset_seconds(std::string_view& text) {
  if (take_char(text, "Zz")) return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take_char(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2, 0, 23);
  if (!hours || !take_char(text, ":")) return std::nullopt;
  const auto minutes = take_number(text, 2, 0, 59);
  if (!minutes) return std::nullopt;
  const int64_t seconds = *hours * 3600 + *minutes * 60;
  return west ? -seconds : seconds;
}

}  // namespace

std::optional<int64_t> parse_timestamp_micros(std::string_view text) {
  const auto year = take_number(text, 4, 0, 9999);
  if (!year || !take_char(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2, 1, 12);
  if (!month || !take_char(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2, 1, days_of_month(*year, *month));
  if (!day || !take_char(text, "Tt ")) return std::nullopt;
  const auto hour = take_number(text, 2, 0, 23);
  if (!hour || !take_char(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2, 0, 59);
  if (!minute || !take_char(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2, 0, 60);  // 60: a leap second.
  if (!second) return std::nullopt;
  const auto fraction = take_fraction_micros(text);
  if (!fraction) return std::nullopt;
  const auto offset = take_offset_seconds(text);
  if (!offset || !text.empty()) return std::nullopt;
  const int64_t seconds =
      days_from_civil(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second;
  return (seconds - *offset) * 1'000'000 + *fraction;
}

std::optional<ByteBuffer> parse_literal(std::string_view text, const AlgebraicType& type) {
  if (type.is_integer()) return parse_integer(text, type);
  if (type.is_float()) return parse_float(text, type);
  if (type.is_string()) return with_length(as_bytes(text));
  if (type.is_bytes()) {
    ByteBuffer bytes;
    if (!parse_hex(without_prefix(text), bytes)) return std::nullopt;
    return with_length(bytes);
  }
  if (type.is_identity()) return parse_reversed_hex(without_prefix(text), 32);
  if (type.is_connection_id()) return parse_reversed_hex(without_prefix(text), 16);
  if (type.is_uuid()) return parse_uuid(text);
  if (type.is_timestamp()) {
    const auto micros = parse_timestamp_micros(text);
    if (!micros) return std::nullopt;
    ByteBuffer out;
    append_le(out, *micros);
    return out;
  }
  return std::nullopt;
}

}  // namespace worldline::query
