// bench/gateway/session_path_bench.cc: what a call and a delivery cost between socket and node,
// without the socket: frames in, batch out; replies in, wire bytes out.
#include <benchmark/benchmark.h>

#include "gateway/frame_reader.h"
#include "gateway/message_framer.h"
#include "schema/protocol/client_message.h"
#include "schema/protocol/server_encoder.h"

namespace worldline::gateway {
namespace {

// One masked frame around `payload`, which is longer than 125 B and shorter than 64 KiB.
ByteBuffer frame_around(Bytes payload) {
  ByteBuffer out{0x82,
                 0xFE,
                 static_cast<Byte>(payload.size() >> 8),
                 static_cast<Byte>(payload.size()),
                 0x12,
                 0x34,
                 0x56,
                 0x78};
  constexpr Byte kMask[4] = {0x12, 0x34, 0x56, 0x78};
  for (size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<Byte>(payload[i] ^ kMask[i % 4]));
  return out;
}

// A v3 frame of 40 calls, as the keynote load sends them: read, decode, freeze.
void decode_forty_calls(benchmark::State& state) {
  ByteBuffer payload;
  for (uint32_t i = 0; i < 40; ++i)
    protocol::encode_client_message(
        protocol::CallReducer{i, "transfer", as_bytes("aaaabbbbcccccccc")}, payload);
  const ByteBuffer stream = frame_around(payload);
  BufferPool pool(64 * 1024, 4);
  FrameReader reader(32 * 1024 * 1024, pool);
  for (auto _ : state) {
    auto batch = std::make_shared<actors::ClientBatch>();
    batch->messages.reserve(40);
    std::memcpy(reader.prepare().data(), stream.data(), stream.size());
    reader.commit(stream.size());
    IncomingFrame frame;
    while (reader.next(frame) == FrameOutcome::kMessage)
      benchmark::DoNotOptimize(protocol::decode_client_messages(
          frame.payload, protocol::Framing::kBatched, batch->messages));
    batch->frames.push_back(reader.detach());
    benchmark::DoNotOptimize(batch);
  }
  state.SetItemsProcessed(state.iterations() * 40);
}
BENCHMARK(decode_forty_calls);

// 40 results of one bundle for one session: encode, frame, hand to the socket.
void frame_forty_results(benchmark::State& state) {
  MessageFramer framer;
  const FramingOptions options{true, Compression::kNone, 512 * limits::KiB, 1024};
  OutQueue queue;
  for (auto _ : state) {
    auto batch = std::make_shared<actors::OutboundBatch>();
    ByteBuffer bytes;
    batch->message_ends.reserve(40);
    for (uint32_t i = 0; i < 40; ++i) {
      protocol::encode_reducer_ok_head(i, Timestamp{1}, 0, bytes);
      batch->message_ends.push_back(static_cast<uint32_t>(bytes.size()));
    }
    const auto end = static_cast<uint32_t>(bytes.size());
    batch->pieces.push_back({std::make_shared<const ByteBuffer>(std::move(bytes)), 0, end});
    const OutboundBatchPtr frozen = std::move(batch);
    framer.frame({&frozen, 1}, options, queue);
    queue.consume(queue.bytes());
  }
  state.SetItemsProcessed(state.iterations() * 40);
}
BENCHMARK(frame_forty_results);

// One shared update of `range` bytes to 64 sessions of a thread.
void fan_out_shared_update(benchmark::State& state) {
  MessageFramer framer;
  const FramingOptions options{true, Compression::kNone, 512 * limits::KiB, 1024};
  std::vector<OutQueue> queues(64);
  auto batch = std::make_shared<actors::OutboundBatch>();
  const auto bytes = static_cast<uint32_t>(state.range(0));
  batch->pieces.push_back({std::make_shared<const ByteBuffer>(bytes, Byte{7}), 0, bytes});
  batch->message_ends.push_back(bytes);
  const OutboundBatchPtr frozen = std::move(batch);
  const OutboundBatchPtr others = frozen;
  for (auto _ : state) {
    for (OutQueue& queue : queues) framer.frame({&frozen, 1}, options, queue);
    framer.end_drain();
    for (OutQueue& queue : queues) queue.consume(queue.bytes());
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(fan_out_shared_update)->Arg(100)->Arg(1000)->Arg(10'000)->Arg(100'000);

}  // namespace
}  // namespace worldline::gateway
