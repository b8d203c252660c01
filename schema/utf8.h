// schema/utf8.h
//
// UTF-8 validation as Unicode defines it: no overlong forms, no surrogates, at most U+10FFFF.
// Pure functions; any thread. Cost: one pass, eight bytes at a time while the text is ASCII.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace worldline::schema {

bool is_valid_utf8(Bytes text);

// The code points of valid UTF-8. REQUIRES: is_valid_utf8(text).
std::vector<char32_t> decode_utf8(std::string_view text);
void append_utf8(char32_t code_point, std::string& out);

}  // namespace worldline::schema
