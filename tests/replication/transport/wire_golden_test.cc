// The bytes of version 1, one frame of each kind with every field set. They never change: a change
// of these bytes is a change of the protocol [proto/replication.proto].
#include <gtest/gtest.h>

#include "tests/replication/transport/wire_fixture.h"

namespace worldline::replication::testing {
namespace {

constexpr const char* kGolden[] = {
#include "tests/replication/transport/testdata/wire_v1.inc"
};

TEST(WireGoldenTest, WritesTheBytesOfVersionOne) {
  const std::vector<WireMessage> messages = one_of_each();
  ASSERT_EQ(messages.size(), std::size(kGolden));
  for (size_t i = 0; i < messages.size(); ++i)
    EXPECT_EQ(to_hex(as_bytes(encoded(messages[i]))), kGolden[i]) << "frame " << i;
}

TEST(WireGoldenTest, ReadsTheBytesOfVersionOne) {
  const std::vector<WireMessage> messages = one_of_each();
  for (size_t i = 0; i < messages.size(); ++i) {
    ByteBuffer bytes;
    ASSERT_TRUE(parse_hex(kGolden[i], bytes));
    const auto decoded = decode_text(as_text(bytes), traffic_class_of(messages[i]));
    ASSERT_TRUE(decoded.ok()) << "frame " << i << ": " << decoded.status().message();
    ASSERT_EQ(decoded.value().messages.size(), 1u) << "frame " << i;
    EXPECT_EQ(encoded(decoded.value().messages[0]), encoded(messages[i])) << "frame " << i;
  }
}

// Fields 6 to 9 once held messages of snapshot transfer, one by one.
TEST(WireGoldenTest, CountsTheReservedFramesAsUnknown) {
  for (const char* hex :
       {"0dde585e42100132390a0908071046184720d20912150a10abababababababababababababababab108020"
        "12150a10abababababababababababababababab108020",
        "0da6f51b6d10013a3b0a0908071046184720d20912150a10abababababababababababababababab1080201888"
        "2722146161616161616161616161616161616161616161",
        "0df1b14879100142220a0908071046184720d20912150a10abababababababababababababababab108020",
        "0db0854ed410014a200a0908071046184720d20910011a1174776f207472616e73666572732072756e"}) {
    ByteBuffer bytes;
    ASSERT_TRUE(parse_hex(hex, bytes));
    const auto decoded = decode_text(as_text(bytes), TrafficClass::kBulk);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    EXPECT_TRUE(decoded.value().messages.empty());
    EXPECT_EQ(decoded.value().unknown_count, 1u);
  }
}

}  // namespace
}  // namespace worldline::replication::testing
