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

}  // namespace
}  // namespace worldline::replication::testing
