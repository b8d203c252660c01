// tests/gateway/frame_codec_test.cc: frames at their edges [RFC 6455 5.2, S 02/5.4].
#include "gateway/frame_codec.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "gateway/frame_reader.h"
#include "tests/gateway/client_frames.h"

namespace worldline::gateway::testing {
namespace {

struct HeaderCase {
  const char* name;
  const char* hex;
  HeaderOutcome outcome;
  uint64_t payload_bytes;
};

const HeaderCase kHeaders[] = {
    {"Empty", "", HeaderOutcome::kNeedMore, 0},
    {"OneByte", "82", HeaderOutcome::kNeedMore, 0},
    {"Short", "8285aabbccdd", HeaderOutcome::kComplete, 5},
    {"MaskMissing", "8285aabbcc", HeaderOutcome::kNeedMore, 0},
    {"Sixteen", "82fe0100aabbccdd", HeaderOutcome::kComplete, 256},
    {"SixteenNotShortest", "82fe007daabbccdd", HeaderOutcome::kViolation, 0},
    {"SixtyFour", "82ff0000000000010000aabbccdd", HeaderOutcome::kComplete, 65536},
    {"SixtyFourNotShortest", "82ff000000000000ffffaabbccdd", HeaderOutcome::kViolation, 0},
    {"SixtyFourHighBit", "82ff8000000000010000aabbccdd", HeaderOutcome::kViolation, 0},
    {"Unmasked", "8205", HeaderOutcome::kViolation, 0},
    {"Rsv1", "c285aabbccdd", HeaderOutcome::kViolation, 0},
    {"Rsv3", "9285aabbccdd", HeaderOutcome::kViolation, 0},
    {"ReservedData", "8385aabbccdd", HeaderOutcome::kViolation, 0},
    {"ReservedControl", "8b85aabbccdd", HeaderOutcome::kViolation, 0},
    {"FragmentedPing", "0985aabbccdd", HeaderOutcome::kViolation, 0},
    {"LongPing", "89fe0100aabbccdd", HeaderOutcome::kViolation, 0},
    {"LongestPing", "89fdaabbccdd", HeaderOutcome::kComplete, 125},
};

class HeaderTest : public ::testing::TestWithParam<HeaderCase> {};

TEST_P(HeaderTest, IsReadOrRefused) {
  const HeaderCase& c = GetParam();
  ByteBuffer bytes;
  ASSERT_TRUE(parse_hex(c.hex, bytes));
  FrameHeader header;
  EXPECT_EQ(parse_client_header(bytes, header), c.outcome);
  if (c.outcome == HeaderOutcome::kComplete) {
    EXPECT_EQ(header.payload_bytes, c.payload_bytes);
    EXPECT_EQ(header.header_bytes, bytes.size());
  }
}
INSTANTIATE_TEST_SUITE_P(Rfc6455, HeaderTest, ::testing::ValuesIn(kHeaders),
                         [](const auto& test) { return test.param.name; });

TEST(FrameCodecTest, ServerHeadersUseTheShortestLength) {
  std::array<Byte, kServerHeaderBytesMax> header{};
  EXPECT_EQ(write_server_header(Opcode::kBinary, 125, header), 2u);
  EXPECT_EQ(to_hex(Bytes(header).first(2)), "827d");
  EXPECT_EQ(write_server_header(Opcode::kBinary, 126, header), 4u);
  EXPECT_EQ(to_hex(Bytes(header).first(4)), "827e007e");
  EXPECT_EQ(write_server_header(Opcode::kBinary, 65535, header), 4u);
  EXPECT_EQ(write_server_header(Opcode::kBinary, 65536, header), 10u);
  EXPECT_EQ(to_hex(Bytes(header)), "827f0000000000010000");
}

TEST(FrameCodecTest, UnmaskingIsItsOwnInverseAtEveryLength) {
  Prng prng(7);
  const std::array<Byte, 4> mask{0x12, 0x00, 0xFF, 0x80};
  for (size_t bytes = 0; bytes < 40; ++bytes) {
    ByteBuffer plain(bytes);
    for (Byte& byte : plain) byte = static_cast<Byte>(prng.below(256));
    ByteBuffer masked = plain;
    for (size_t i = 0; i < bytes; ++i) masked[i] = static_cast<Byte>(masked[i] ^ mask[i % 4]);
    unmask(masked, mask);
    EXPECT_EQ(masked, plain);
  }
}

TEST(FrameCodecTest, CloseCodesFollowTheRegistry) {
  for (const int good : {1000, 1001, 1002, 1003, 1007, 1011, 1013, 3000, 4999})
    EXPECT_TRUE(is_valid_close_code(static_cast<uint16_t>(good))) << good;
  for (const int bad : {0, 999, 1004, 1005, 1006, 1015, 2999, 5000})
    EXPECT_FALSE(is_valid_close_code(static_cast<uint16_t>(bad))) << bad;
}

// All messages and control frames of a stream, cut into reads of `step` bytes.
std::vector<std::string> read_all(Bytes stream, size_t step, size_t message_bytes_max) {
  BufferPool pool(256, 4);
  FrameReader reader(message_bytes_max, pool);
  std::vector<std::string> seen;
  std::vector<SharedBytes> kept;
  while (!stream.empty()) {
    const MutableBytes room = reader.prepare();
    const size_t bytes = std::min({step, room.size(), stream.size()});
    std::memcpy(room.data(), stream.data(), bytes);
    reader.commit(bytes);
    stream = stream.subspan(bytes);
    IncomingFrame frame;
    bool borrowed = false;
    FrameOutcome outcome = reader.next(frame);
    for (; outcome != FrameOutcome::kNeedMore; outcome = reader.next(frame)) {
      if (outcome == FrameOutcome::kViolation || outcome == FrameOutcome::kTooLarge) {
        seen.push_back(outcome == FrameOutcome::kViolation ? "violation" : "too large");
        return seen;
      }
      seen.push_back(std::to_string(static_cast<int>(frame.opcode)) + ":" +
                     std::string(as_text(frame.payload)));
      borrowed = borrowed || frame.owner == nullptr;
    }
    if (borrowed) kept.push_back(reader.detach());
    reader.release_if_empty();
  }
  EXPECT_FALSE(reader.has_partial_input());
  return seen;
}

TEST(FrameReaderTest, GivesTheSameMessagesHoweverTheBytesArrive) {
  const std::string big(3000, 'b');
  const ByteBuffer stream = ClientFrames()
                                .add(2, "one")
                                .add(2, "")
                                .add(9, "ping")
                                .add(2, "fra", false)
                                .add(9, "inside")
                                .add(0, "gme", false)
                                .add(0, "nt")
                                .add(1, "text")
                                .add(2, big)
                                .add(8, "")
                                .bytes();
  const std::vector<std::string> expected{"2:one",      "2:",     "9:ping",   "9:inside",
                                          "2:fragment", "1:text", "2:" + big, "8:"};
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}, size_t{100}, size_t{100'000}})
    EXPECT_EQ(read_all(stream, step, 4000), expected) << step;
}

TEST(FrameReaderTest, BoundsWholeAndFragmentedMessages) {
  using Seen = std::vector<std::string>;
  EXPECT_EQ(read_all(ClientFrames().add(2, "12345").bytes(), 100, 5), Seen{"2:12345"});
  EXPECT_EQ(read_all(ClientFrames().add(2, "123456").bytes(), 100, 5), Seen{"too large"});
  EXPECT_EQ(read_all(ClientFrames().add(2, "123", false).add(0, "456").bytes(), 100, 5),
            Seen{"too large"});
}

TEST(FrameReaderTest, RefusesFragmentsOutOfOrder) {
  using Seen = std::vector<std::string>;
  EXPECT_EQ(read_all(ClientFrames().add(0, "x").bytes(), 100, 50), Seen{"violation"});
  EXPECT_EQ(read_all(ClientFrames().add(2, "x", false).add(2, "y").bytes(), 100, 50),
            Seen{"violation"});
}

TEST(FrameReaderTest, AnAnnouncedLengthAloneReservesNothing) {
  BufferPool pool(256, 4);
  FrameReader reader(32 * 1024 * 1024, pool);
  ByteBuffer header;
  ASSERT_TRUE(parse_hex("82ff0000000001000000aabbccdd", header));  // 16 MiB announced.
  const MutableBytes room = reader.prepare();
  std::memcpy(room.data(), header.data(), header.size());
  reader.commit(header.size());
  IncomingFrame frame;
  EXPECT_EQ(reader.next(frame), FrameOutcome::kNeedMore);
  EXPECT_LE(reader.prepare().size(), 512u);
}

TEST(BufferPoolTest, BuffersComeBackFromTheirLastReader) {
  BufferPool pool(128, 2);
  auto first = pool.take();
  const Byte* address = first->data();
  SharedBytes shared = pool.share(std::move(first));
  SharedBytes second = shared;
  shared.reset();
  EXPECT_NE(pool.take()->data(), address);
  second.reset();
  EXPECT_EQ(pool.take()->data(), address);
}

}  // namespace
}  // namespace worldline::gateway::testing
