// schema/number_text.h
//
// Numbers as text: decimal integers up to 128 bits, hexadecimal 256-bit integers, and the shortest
// decimal that gives a float back, in the notation of SATS-JSON [S 01/3.1].
// Pure functions; any thread. Parsers return nullopt if the text is not a number in range.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/wide_int.h"

namespace worldline::schema {

void append_decimal(Int128 value, std::string& out);
void append_decimal(UInt128 value, std::string& out);
void append_hex_u256(const UInt256& value, std::string& out);  // `0x0`, `0x2a`.
void append_hex_i256(const UInt256& value, std::string& out);  // `-0x1`.
void append_float(float value, std::string& out);              // `null` if not finite.
void append_float(double value, std::string& out);

// An optional minus and decimal digits, nothing else.
std::optional<UInt128> parse_decimal_u128(std::string_view text);
std::optional<Int128> parse_decimal_i128(std::string_view text);
// An optional `+` (signed: or `-`), then `0x`, then at least one digit of either case.
std::optional<UInt256> parse_hex_u256(std::string_view text);
std::optional<UInt256> parse_hex_i256(std::string_view text);

// Decimal text of 256-bit numbers, for SQL literals.
void append_decimal_u256(UInt256 value, std::string& out);
std::optional<UInt256> parse_decimal_u256(std::string_view digits);  // No sign.

}  // namespace worldline::schema
