// tests/gateway/message_framer_test.cc: coalescing, compression and sharing of outbound messages
// [S 02/5.4, 02/8, 02/17 check 8].
#include "gateway/message_framer.h"

#include <fstream>

#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include "base/prng.h"
#include "gateway/compression.h"
#include "tests/gateway/fake_node.h"

namespace worldline::gateway::testing {
namespace {

ByteBuffer inflate_gzip(Bytes compressed) {
  ByteBuffer out(4 * limits::MiB);
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = const_cast<Byte*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

ByteBuffer inflate_brotli(Bytes compressed) {
  ByteBuffer out(4 * limits::MiB);
  size_t bytes = out.size();
  EXPECT_EQ(BrotliDecoderDecompress(compressed.size(), compressed.data(), &bytes, out.data()),
            BROTLI_DECODER_RESULT_SUCCESS);
  out.resize(bytes);
  return out;
}

struct Frame {
  Byte tag;
  ByteBuffer body;  // Inflated.
};

// Empties the queue and takes its frames apart.
std::vector<Frame> frames_of(OutQueue& queue) {
  ByteBuffer stream;
  while (!queue.empty()) {
    std::array<Bytes, 3> pieces;  // Few, so that several rounds are needed.
    const size_t count = queue.gather(pieces);
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      append(stream, pieces[i]);
      bytes += pieces[i].size();
    }
    queue.consume(bytes);
  }
  EXPECT_EQ(queue.message_count(), 0u);
  std::vector<Frame> frames;
  Bytes rest = stream;
  while (!rest.empty()) {
    EXPECT_EQ(rest[0], 0x82);
    size_t bytes = rest[1];
    size_t head = 2;
    if (bytes >= 126) {
      const size_t extended = bytes == 126 ? 2 : 8;
      bytes = 0;
      for (size_t i = 0; i < extended; ++i) bytes = bytes << 8 | rest[2 + i];
      head += extended;
    }
    const Byte tag = rest[head];
    const Bytes body = rest.subspan(head + 1, bytes - 1);
    if (tag == kTagGzip)
      frames.push_back({tag, inflate_gzip(body)});
    else if (tag == kTagBrotli)
      frames.push_back({tag, inflate_brotli(body)});
    else
      frames.push_back({tag, ByteBuffer(body.begin(), body.end())});
    rest = rest.subspan(head + bytes);
  }
  return frames;
}

FramingOptions options_of(bool coalesce, Compression compression) {
  return {coalesce, compression, 512 * limits::KiB, 1024};
}

ByteBuffer text_of(size_t bytes, char c) {
  return ByteBuffer(bytes, static_cast<Byte>(c));
}

std::vector<size_t> sizes(const std::vector<Frame>& frames) {
  std::vector<size_t> result;
  for (const Frame& frame : frames) result.push_back(frame.body.size());
  return result;
}

TEST(MessageFramerTest, CompressesBodiesAboveTheThresholdOnly) {
  MessageFramer framer;
  for (const auto compression : {Compression::kGzip, Compression::kBrotli}) {
    OutQueue queue;
    const auto short_body = batch_of({text_of(1024, 'a')});
    const auto long_body = batch_of({text_of(1025, 'a')});
    framer.frame({&short_body, 1}, options_of(false, compression), queue);
    framer.frame({&long_body, 1}, options_of(false, compression), queue);
    const auto frames = frames_of(queue);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].tag, kTagNone);
    EXPECT_EQ(frames[1].tag, compression_tag(compression));
    EXPECT_EQ(frames[1].body, text_of(1025, 'a'));
  }
}

TEST(MessageFramerTest, VersionThreePacksMessagesOfAllBatchesUpToTheLimit) {
  MessageFramer framer;
  OutQueue queue;
  const std::vector<OutboundBatchPtr> batches{
      batch_of({text_of(10, 'a'), text_of(300'000, 'b')}),
      batch_of({text_of(200'000, 'c'), text_of(30'000, 'd'), text_of(700'000, 'e')}),
      batch_of({text_of(5, 'f')})};
  framer.frame(batches, options_of(true, Compression::kNone), queue);
  EXPECT_EQ(queue.message_count(), 6u);
  EXPECT_EQ(sizes(frames_of(queue)), (std::vector<size_t>{500'010, 30'000, 700'000, 5}));
}

TEST(MessageFramerTest, VersionTwoGivesEachMessageItsFrame) {
  MessageFramer framer;
  OutQueue queue;
  const auto batch = batch_of({text_of(10, 'a'), text_of(3000, 'b'), text_of(1, 'c')});
  framer.frame({&batch, 1}, options_of(false, Compression::kNone), queue);
  EXPECT_EQ(sizes(frames_of(queue)), (std::vector<size_t>{10, 3000, 1}));
}

TEST(MessageFramerTest, SharedBatchesGiveEveryQueueTheSameBytes) {
  Prng prng(99);
  for (const auto compression : {Compression::kNone, Compression::kGzip, Compression::kBrotli}) {
    for (const bool coalesce : {true, false}) {
      MessageFramer framer;
      std::vector<ByteBuffer> messages;
      for (int i = 0; i < 20; ++i)
        messages.push_back(text_of(prng.below(4000) + 1, static_cast<char>('a' + i)));
      const auto batch = batch_of(messages);
      const auto held = batch;  // Others hold it too: the shared path.
      OutQueue first;
      OutQueue second;
      framer.frame({&batch, 1}, options_of(coalesce, compression), first);
      framer.frame({&batch, 1}, options_of(coalesce, compression), second);
      framer.end_drain();
      EXPECT_EQ(first.message_count(), 20u);
      // And the path for a single receiver.
      OutQueue alone;
      const auto lonely = batch_of(messages);
      framer.frame({&lonely, 1}, options_of(coalesce, compression), alone);
      const auto one = frames_of(first);
      const auto two = frames_of(second);
      const auto three = frames_of(alone);
      ASSERT_EQ(one.size(), two.size());
      ASSERT_EQ(one.size(), three.size());
      for (size_t i = 0; i < one.size(); ++i) {
        EXPECT_EQ(one[i].tag, two[i].tag);
        EXPECT_EQ(one[i].body, two[i].body);
        EXPECT_EQ(one[i].tag, three[i].tag);
        EXPECT_EQ(one[i].body, three[i].body);
      }
    }
  }
}

// The frames of ws-v2.json: uncompressed ones byte by byte, compressed ones after inflation.
TEST(MessageFramerTest, FramesOfTheVectorsAreReproduced) {
  std::ifstream file(WL_TEST_DATA "/vectors/ws-v2.json");
  const auto vectors = nlohmann::json::parse(file);
  std::map<std::string, ByteBuffer> bodies;
  for (const auto& message : vectors.at("messages"))
    parse_hex(message.at("bsatn_hex").get<std::string>(), bodies[message.at("name")]);
  size_t compared = 0;
  for (const auto& vector : vectors.at("frames")) {
    if (vector.at("direction") != "server_to_client") continue;
    SCOPED_TRACE(vector.at("name").get<std::string>());
    const std::string hex = vector.at("payload_hex");
    if (hex.find("...") != std::string::npos) continue;  // Shortened in the file.
    ByteBuffer payload;
    ASSERT_TRUE(parse_hex(hex, payload));
    const Byte tag = payload.at(0);
    const Bytes wire = Bytes(payload).subspan(1);
    const ByteBuffer expected = tag == kTagGzip     ? inflate_gzip(wire)
                                : tag == kTagBrotli ? inflate_brotli(wire)
                                                    : ByteBuffer(wire.begin(), wire.end());
    std::vector<ByteBuffer> messages;
    for (const auto& name : vector.value("messages", nlohmann::json::array()))
      if (bodies.count(name) != 0) messages.push_back(bodies[name]);
    if (messages.empty()) messages.push_back(expected);
    MessageFramer framer;
    OutQueue queue;
    const auto batch = batch_of(messages);
    const auto compression = tag == kTagGzip     ? Compression::kGzip
                             : tag == kTagBrotli ? Compression::kBrotli
                                                 : Compression::kNone;
    framer.frame({&batch, 1}, options_of(true, compression), queue);
    const auto frames = frames_of(queue);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].tag, tag);
    EXPECT_EQ(to_hex(frames[0].body), to_hex(expected));
    ++compared;
  }
  EXPECT_GE(compared, 4u);
}

TEST(OutQueueTest, KeepsOrderAcrossCopiesAndSharesAndPartialWrites) {
  Prng prng(4242);
  OutQueue queue;
  ByteBuffer expected;
  ByteBuffer sent;
  uint64_t marked = 0;
  for (int step = 0; step < 2000; ++step) {
    if (prng.chance(3) && !queue.empty()) {
      std::array<Bytes, 4> pieces;
      const size_t count = queue.gather(pieces);
      size_t budget = prng.below(5000);
      size_t taken = 0;
      for (size_t i = 0; i < count && budget > 0; ++i) {
        const size_t bytes = std::min(budget, pieces[i].size());
        append(sent, pieces[i].first(bytes));
        budget -= bytes;
        taken += bytes;
      }
      queue.consume(taken);
      continue;
    }
    auto bytes = std::make_shared<ByteBuffer>(prng.below(3000), static_cast<Byte>(step));
    append(expected, *bytes);
    if (prng.chance(2))
      queue.append_shared(bytes, 0, bytes->size());
    else
      queue.append_copy(*bytes);
    queue.mark_frame(1, 1);
    ++marked;
  }
  EXPECT_LE(queue.message_count(), marked);
  while (!queue.empty()) {
    std::array<Bytes, 64> pieces;
    const size_t count = queue.gather(pieces);
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      append(sent, pieces[i]);
      bytes += pieces[i].size();
    }
    queue.consume(bytes);
  }
  EXPECT_EQ(sent, expected);
}

struct SizesCase {
  const char* name;
  FramingOptions options;
  std::vector<size_t> message_bytes;
  uint64_t frames;
  uint64_t in_first_bucket;  // Payloads of at most 100 B.
};

TEST(PayloadSizesTest, CountsEveryFrameOnceByItsPayload) {
  const SizesCase cases[] = {
      {"V2IsAFrameForEachMessage", {.coalesce = false}, {1, 99, 100, 700}, 4, 2},
      {"V3PutsThemTogether", {.coalesce_bytes = 1000}, {1, 99, 100, 700}, 1, 0},
      {"V3UpToItsLimit", {.coalesce_bytes = 110}, {1, 99, 5, 700}, 2, 0},
  };
  for (const SizesCase& c : cases) {
    std::vector<ByteBuffer> messages;
    for (const size_t bytes : c.message_bytes) messages.emplace_back(bytes, Byte{7});
    const OutboundBatchPtr batch = batch_of(messages);
    MessageFramer framer;
    OutQueue queue;
    framer.frame({&batch, 1}, c.options, queue);
    const SizeTally sizes = queue.take_payload_sizes();
    EXPECT_EQ(sizes.message_count(), c.frames) << c.name;
    EXPECT_EQ(sizes.counts()[0], c.in_first_bucket) << c.name;
    uint64_t bytes = c.frames;  // The tag of each.
    for (const size_t one : c.message_bytes) bytes += one;
    EXPECT_EQ(sizes.bytes(), bytes) << c.name;
    EXPECT_TRUE(queue.take_payload_sizes().empty()) << "they are taken once";
  }
}

TEST(PayloadSizesTest, CompressedPayloadsCountAsSentAlsoWhereTheyAreShared) {
  const OutboundBatchPtr batch = batch_of({ByteBuffer(20'000, Byte{7})});
  const OutboundBatchPtr other_holder = batch;
  MessageFramer framer;
  for (int session = 0; session < 2; ++session) {
    OutQueue queue;
    framer.frame({&batch, 1}, {.compression = Compression::kGzip, .compress_above_bytes = 1024},
                 queue);
    const SizeTally sizes = queue.take_payload_sizes();
    EXPECT_EQ(sizes.message_count(), 1u);
    EXPECT_LT(sizes.bytes(), 126u);
    EXPECT_EQ(sizes.bytes() + 2, queue.bytes()) << "all but the header, short for so little";
  }
}

}  // namespace
}  // namespace worldline::gateway::testing
