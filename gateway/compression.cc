#include "gateway/compression.h"

#include <brotli/encode.h>
#include <zlib.h>

#include "base/check.h"

namespace worldline::gateway {
namespace {

constexpr int kGzipFastest = 1;
constexpr int kGzipWindowBits = 15 + 16;  // 16 asks zlib for the gzip wrapper.
constexpr int kGzipMemoryLevel = 8;       // zlib's default.
constexpr int kBrotliQuality = 1;

void compress_gzip(Bytes body, ByteBuffer& out) {
  z_stream stream{};
  WL_CHECK(deflateInit2(&stream, kGzipFastest, Z_DEFLATED, kGzipWindowBits, kGzipMemoryLevel,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  const size_t start = out.size();
  out.resize(start + deflateBound(&stream, body.size()));
  stream.next_in = const_cast<Byte*>(body.data());  // zlib reads it only.
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = out.data() + start;
  stream.avail_out = static_cast<uInt>(out.size() - start);
  WL_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(start + stream.total_out);
  deflateEnd(&stream);
}

void compress_brotli(Bytes body, ByteBuffer& out) {
  const size_t start = out.size();
  size_t bytes = BrotliEncoderMaxCompressedSize(body.size());
  WL_CHECK(bytes > 0);
  out.resize(start + bytes);
  WL_CHECK(BrotliEncoderCompress(kBrotliQuality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC,
                                 body.size(), body.data(), &bytes,
                                 out.data() + start) == BROTLI_TRUE);
  out.resize(start + bytes);
}

}  // namespace

Byte compression_tag(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return kTagNone;
    case Compression::kBrotli:
      return kTagBrotli;
    case Compression::kGzip:
      return kTagGzip;
  }
  return kTagNone;
}

void compress(Compression compression, Bytes body, ByteBuffer& out) {
  WL_CHECK(compression != Compression::kNone);
  WL_CHECK(body.size() < UINT32_MAX);  // A batch counts its bytes in 32 bits.
  if (compression == Compression::kGzip)
    compress_gzip(body, out);
  else
    compress_brotli(body, out);
}

}  // namespace worldline::gateway
