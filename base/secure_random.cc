#include "base/secure_random.h"

#include <cerrno>

#include <sys/random.h>

#include "base/check.h"

namespace worldline {

void fill_random(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    WL_CHECK(got > 0);
    out = out.subspan(static_cast<size_t>(got));
  }
}

std::string random_uuid() {
  auto bytes = random_bytes<16>();
  bytes[6] = static_cast<Byte>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<Byte>((bytes[8] & 0x3F) | 0x80);
  std::string text = to_hex(bytes);
  for (const size_t hyphen : {size_t{20}, size_t{16}, size_t{12}, size_t{8}})
    text.insert(hyphen, 1, '-');
  return text;
}

}  // namespace worldline
