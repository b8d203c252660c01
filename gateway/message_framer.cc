#include "gateway/message_framer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "gateway/compression.h"
#include "gateway/frame_codec.h"

namespace worldline::gateway {
namespace {

// More distinct shared batches than this in one drain are framed anew: a cap on a linear search.
constexpr size_t kCachedBatchesMax = 16;
// Framing a smaller batch costs less than sharing it.
constexpr size_t kSharingBytesMin = 4 * OutQueue::kCopyBytesMax;

// Frame header and compression tag.
Bytes write_head(size_t body_bytes, Byte tag, std::array<Byte, kServerHeaderBytesMax + 1>& head) {
  std::array<Byte, kServerHeaderBytesMax> header{};
  const size_t header_bytes = write_server_header(Opcode::kBinary, body_bytes + 1, header);
  std::copy_n(header.begin(), header_bytes, head.begin());
  head[header_bytes] = tag;
  return Bytes(head).first(header_bytes + 1);
}

SharedBytes frozen(Bytes bytes) {
  return std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
}

bool wants_compression(size_t body_bytes, const FramingOptions& options) {
  return options.compression != Compression::kNone && body_bytes > options.compress_above_bytes;
}

}  // namespace

void MessageFramer::frame(std::span<const OutboundBatchPtr> batches, const FramingOptions& options,
                          OutQueue& out) {
  // A batch that others hold too is probably on its way to more sessions of this thread.
  if (batches.size() == 1 && batches[0].use_count() > 1 &&
      batches[0]->bytes() >= kSharingBytesMin) {
    for (const FramedRun& run : cached(batches[0], options)) append_frame(run, out);
    return;
  }
  flatten(batches);
  std::vector<Piece> slices;
  for (size_t message = 0; message < message_ends_.size();) {
    const Run run = next_run(message, options);
    if (wants_compression(run.end - run.begin, options)) {
      append_frame(frame_run(run, options), out);
      continue;
    }
    std::array<Byte, kServerHeaderBytesMax + 1> head;
    out.append_copy(write_head(run.end - run.begin, kTagNone, head));
    slices.clear();
    slice(run.begin, run.end, slices);
    for (const Piece& piece : slices) out.append_shared(piece.owner, piece.begin, piece.end);
    out.mark_frame(run.end - run.begin + 1, run.messages);
  }
}

void MessageFramer::append_frame(const FramedRun& run, OutQueue& out) {
  for (const Piece& piece : run.pieces) out.append_shared(piece.owner, piece.begin, piece.end);
  out.mark_frame(run.payload_bytes, run.messages);
}

void MessageFramer::flatten(std::span<const OutboundBatchPtr> batches) {
  pieces_.clear();
  piece_ends_.clear();
  message_ends_.clear();
  size_t start = 0;
  for (const OutboundBatchPtr& batch : batches) {
    size_t end = start;
    for (const actors::OutboundPiece& piece : batch->pieces) {
      WL_CHECK(piece.begin <= piece.end && piece.end <= piece.bytes->size());
      if (piece.begin == piece.end) continue;
      end += piece.end - piece.begin;
      pieces_.push_back(&piece);
      piece_ends_.push_back(end);
    }
    for (const uint32_t message_end : batch->message_ends)
      message_ends_.push_back(start + message_end);
    WL_CHECK(end - start == batch->bytes());  // The pieces are exactly the messages.
    start = end;
  }
}

MessageFramer::Run MessageFramer::next_run(size_t& message, const FramingOptions& options) const {
  const size_t begin = message == 0 ? 0 : message_ends_[message - 1];
  size_t last = message;
  if (options.coalesce)
    while (last + 1 < message_ends_.size() &&
           message_ends_[last + 1] - begin <= options.coalesce_bytes)
      ++last;
  const Run run{begin, message_ends_[last], static_cast<uint32_t>(last - message + 1)};
  message = last + 1;
  return run;
}

MessageFramer::FramedRun MessageFramer::frame_run(const Run& run, const FramingOptions& options) {
  FramedRun framed;
  framed.messages = run.messages;
  std::array<Byte, kServerHeaderBytesMax + 1> head;
  if (!wants_compression(run.end - run.begin, options)) {
    const Bytes bytes = write_head(run.end - run.begin, kTagNone, head);
    framed.payload_bytes = run.end - run.begin + 1;
    framed.pieces.push_back({frozen(bytes), 0, bytes.size()});
    slice(run.begin, run.end, framed.pieces);
    return framed;
  }
  std::vector<Piece> slices;
  slice(run.begin, run.end, slices);
  ByteBuffer body;
  body.reserve(run.end - run.begin);
  for (const Piece& piece : slices)
    append(body, Bytes(*piece.owner).subspan(piece.begin, piece.end - piece.begin));
  ByteBuffer compressed;
  compress(options.compression, body, compressed);
  const Bytes bytes = write_head(compressed.size(), compression_tag(options.compression), head);
  framed.pieces.push_back({frozen(bytes), 0, bytes.size()});
  const size_t compressed_bytes = compressed.size();
  framed.payload_bytes = compressed_bytes + 1;
  framed.pieces.push_back(
      {std::make_shared<const ByteBuffer>(std::move(compressed)), 0, compressed_bytes});
  return framed;
}

void MessageFramer::slice(size_t begin, size_t end, std::vector<Piece>& out) const {
  const auto first = std::upper_bound(piece_ends_.begin(), piece_ends_.end(), begin);
  for (auto i = static_cast<size_t>(first - piece_ends_.begin()); begin < end; ++i) {
    const actors::OutboundPiece& piece = *pieces_[i];
    const size_t piece_begin = piece_ends_[i] - (piece.end - piece.begin);
    const size_t stop = std::min(end, piece_ends_[i]);
    out.push_back(
        {piece.bytes, piece.begin + (begin - piece_begin), piece.begin + (stop - piece_begin)});
    begin = stop;
  }
}

const std::vector<MessageFramer::FramedRun>& MessageFramer::cached(const OutboundBatchPtr& batch,
                                                                   const FramingOptions& options) {
  for (const Cached& entry : cache_)
    if (entry.batch == batch && entry.coalesce == options.coalesce &&
        entry.compression == options.compression)
      return entry.runs;
  if (cache_.size() == kCachedBatchesMax) cache_.erase(cache_.begin());
  Cached& entry = cache_.emplace_back(Cached{batch, options.coalesce, options.compression, {}});
  flatten({&batch, 1});
  frame_flattened(options, entry.runs);
  return entry.runs;
}

void MessageFramer::frame_flattened(const FramingOptions& options, std::vector<FramedRun>& runs) {
  for (size_t message = 0; message < message_ends_.size();)
    runs.push_back(frame_run(next_run(message, options), options));
}

}  // namespace worldline::gateway
