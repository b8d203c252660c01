#include "schema/utf8.h"

namespace worldline::schema {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

bool is_continuation(Byte b) {
  return (b & 0xc0) == 0x80;
}

// Length of the well-formed multi-byte sequence at `at`, 0 if there is none. Table 3-7 of Unicode.
size_t sequence_length(const Byte* at, size_t available) {
  const Byte lead = at[0];
  if (lead >= 0xc2 && lead <= 0xdf) return available >= 2 && is_continuation(at[1]) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (available < 3 || !is_continuation(at[1]) || !is_continuation(at[2])) return 0;
    if (lead == 0xe0 && at[1] < 0xa0) return 0;  // Overlong.
    if (lead == 0xed && at[1] > 0x9f) return 0;  // Surrogates.
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (available < 4) return 0;
    if (!is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3])) return 0;
    if (lead == 0xf0 && at[1] < 0x90) return 0;  // Overlong.
    if (lead == 0xf4 && at[1] > 0x8f) return 0;  // Beyond U+10FFFF.
    return 4;
  }
  return 0;
}

}  // namespace

bool is_valid_utf8(Bytes text) {
  const Byte* at = text.data();
  size_t left = text.size();
  while (left > 0) {
    while (left >= 8 && (load_le<uint64_t>(at) & kHighBits) == 0) {
      at += 8;
      left -= 8;
    }
    if (left == 0) return true;
    const size_t length = at[0] < 0x80 ? 1 : sequence_length(at, left);
    if (length == 0) return false;
    at += length;
    left -= length;
  }
  return true;
}

std::vector<char32_t> decode_utf8(std::string_view text) {
  std::vector<char32_t> out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<Byte>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t code = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k)
      code = (code << 6) | (static_cast<Byte>(text[i + k]) & 0x3fu);
    out.push_back(code);
    i += length;
  }
  return out;
}

void append_utf8(char32_t code, std::string& out) {
  auto push = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xc0 | (code >> 6));
    push(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    push(0xe0 | (code >> 12));
    push(0x80 | ((code >> 6) & 0x3f));
    push(0x80 | (code & 0x3f));
  } else {
    push(0xf0 | (code >> 18));
    push(0x80 | ((code >> 12) & 0x3f));
    push(0x80 | ((code >> 6) & 0x3f));
    push(0x80 | (code & 0x3f));
  }
}

}  // namespace worldline::schema
