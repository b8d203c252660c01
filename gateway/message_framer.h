// gateway/message_framer.h
//
// MessageFramer turns outbound batches into WebSocket frames: v2 one message per frame, v3 as many
// as fit `coalesce_bytes`; a compression tag before each body, compressed above a threshold.
// What several sessions of one I/O thread are sent alike is framed and compressed once.
//
// Invariants: a frame's body is a run of whole messages; equal bodies give equal bytes; rows stay
// shared unless they are small enough to copy.
// Ownership: one I/O thread; not thread-safe. The cache lives for one drain of that thread's inbox.
// Sources: [S 02/5.4, 02/8].
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "actors/messages.h"
#include "base/bytes.h"
#include "gateway/gateway_config.h"
#include "gateway/out_queue.h"

namespace worldline::gateway {

struct FramingOptions {
  bool coalesce = true;  // v3.
  Compression compression = Compression::kNone;
  size_t coalesce_bytes = 0;
  size_t compress_above_bytes = 0;
};

using OutboundBatchPtr = std::shared_ptr<const actors::OutboundBatch>;

class MessageFramer {
 public:
  // Appends the frames of the batches, in order, and counts their messages in the queue.
  void frame(std::span<const OutboundBatchPtr> batches, const FramingOptions& options,
             OutQueue& out);
  // Forgets what was kept for sharing; called at the end of a drain.
  void end_drain() { cache_.clear(); }

 private:
  // Frames as they go to a queue: slices, and how many messages they complete.
  struct Piece {
    SharedBytes owner;
    size_t begin = 0;
    size_t end = 0;
  };
  struct FramedRun {
    std::vector<Piece> pieces;
    size_t payload_bytes = 0;  // Body and compression tag.
    uint32_t messages = 0;
  };
  struct Cached {
    OutboundBatchPtr batch;  // Keeps the address from being reused.
    bool coalesce;
    Compression compression;
    std::vector<FramedRun> runs;
  };
  // A run of messages: bytes [begin, end) of the concatenated pieces.
  struct Run {
    size_t begin;
    size_t end;
    uint32_t messages;
  };

  void flatten(std::span<const OutboundBatchPtr> batches);
  Run next_run(size_t& message, const FramingOptions& options) const;
  static void append_frame(const FramedRun& run, OutQueue& out);
  FramedRun frame_run(const Run& run, const FramingOptions& options);
  void slice(size_t begin, size_t end, std::vector<Piece>& out) const;
  const std::vector<FramedRun>& cached(const OutboundBatchPtr& batch,
                                       const FramingOptions& options);
  void frame_flattened(const FramingOptions& options, std::vector<FramedRun>& runs);

  std::vector<const actors::OutboundPiece*> pieces_;  // Scratch: of the batches being framed.
  std::vector<size_t> piece_ends_;                    // Scratch: in the concatenation.
  std::vector<size_t> message_ends_;                  // Scratch: likewise.
  std::vector<Cached> cache_;                         // Few: distinct shared batches of one drain.
};

}  // namespace worldline::gateway
