// query/ascii.h
//
// Classes of characters as SQL text has them: ASCII, whatever the process's locale says.
#pragma once

namespace worldline::query {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace worldline::query
