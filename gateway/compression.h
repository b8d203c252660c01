// gateway/compression.h
//
// Body compression of server messages: gzip at its fastest level, Brotli at quality 1 [S 02/5.4].
//
// Thread: any; pure. Errors: none that input can cause; running out of memory ends the process.
#pragma once

#include "base/bytes.h"
#include "gateway/gateway_config.h"

namespace worldline::gateway {

inline constexpr Byte kTagNone = 0;
inline constexpr Byte kTagBrotli = 1;
inline constexpr Byte kTagGzip = 2;

Byte compression_tag(Compression compression);

// Appends one gzip member or Brotli stream. REQUIRES: compression is not kNone.
void compress(Compression compression, Bytes body, ByteBuffer& out);

}  // namespace worldline::gateway
