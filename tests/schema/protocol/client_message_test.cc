// tests/schema/protocol/client_message_test.cc: what is refused, with which text [S 02/7.1, 02/8].
#include "schema/protocol/client_message.h"

#include <gtest/gtest.h>

namespace worldline::protocol {
namespace {

struct BadMessage {
  const char* name;
  const char* hex;
  Framing framing;
  const char* error;
  size_t decoded_before;
};

constexpr BadMessage kBadMessages[] = {
    {"EmptyV3Frame", "", Framing::kBatched,
     "v3 websocket binary payload must contain at least one v2 client message", 0},
    {"EmptyV2Frame", "", Framing::kSingle, "data too short for u8: Expected 1, given 0", 0},
    {"UnknownTag", "05", Framing::kSingle, "unknown tag 0x5 for sum type ClientMessage", 0},
    {"ReducerFlag", "030100000007010000006100000000", Framing::kSingle,
     "invalid call reducer flag 7", 0},
    {"ProcedureFlag", "040100000001010000006100000000", Framing::kSingle,
     "invalid call procedure flag 1", 0},
    {"UnsubscribeFlag", "01050000000000000002", Framing::kSingle,
     "unknown tag 0x2 for sum type UnsubscribeFlags", 0},
    {"TruncatedName", "03010000000009000000616263", Framing::kSingle,
     "data too short for [u8]: Expected 9, given 3", 0},
    {"NameNotUtf8",
     "0301000000000100000080"
     "00000000",
     Framing::kSingle, "invalid utf8", 0},
    {"HugeQueryCount", "000000000000000000ffffffff", Framing::kSingle,
     "data too short for array: Expected 17179869180, given 0", 0},
    {"TrailingBytesOnV2", "0106000000000000000000", Framing::kSingle,
     "v2 websocket message has 1 bytes after its end", 0},
    {"SecondOfBatchIsBad", "0106000000000000000009", Framing::kBatched,
     "unknown tag 0x9 for sum type ClientMessage", 1},
};

class BadMessageTest : public testing::TestWithParam<BadMessage> {};

TEST_P(BadMessageTest, IsRefusedWithItsReasonAfterTheGoodOnesBeforeIt) {
  const BadMessage& c = GetParam();
  ByteBuffer payload;
  ASSERT_TRUE(parse_hex(c.hex, payload));
  std::vector<ClientMessage> messages;
  const Status status = decode_client_messages(payload, c.framing, messages);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), c.error);
  EXPECT_EQ(messages.size(), c.decoded_before);
}
INSTANTIATE_TEST_SUITE_P(S02, BadMessageTest, testing::ValuesIn(kBadMessages),
                         [](const auto& test) { return test.param.name; });

TEST(ClientMessageTest, ArgumentsAndNamesBorrowTheFrame) {
  const CallReducer call{7, "add_user", as_bytes("xyz")};
  ByteBuffer frame;
  encode_client_message(call, frame);
  std::vector<ClientMessage> messages;
  ASSERT_TRUE(decode_client_messages(frame, Framing::kBatched, messages).ok());
  const auto& decoded = std::get<CallReducer>(messages.at(0));
  EXPECT_EQ(decoded, call);
  EXPECT_GE(decoded.args.data(), frame.data());
  EXPECT_LE(decoded.args.data() + decoded.args.size(), frame.data() + frame.size());
}

}  // namespace
}  // namespace worldline::protocol
