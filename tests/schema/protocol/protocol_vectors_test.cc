// tests/schema/protocol/protocol_vectors_test.cc: every message of vectors/ws-v2.json, which the
// npm serializers produced, decodes and encodes back to the same bytes [S 02/14, 02/17 check 7].
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "schema/protocol/client_message.h"
#include "schema/protocol/row_list.h"
#include "schema/protocol/server_message.h"

namespace worldline::protocol {
namespace {

nlohmann::json load_vectors() {
  std::ifstream file(WL_TEST_DATA "/vectors/ws-v2.json");
  return nlohmann::json::parse(file);
}

ByteBuffer from_hex(const std::string& text) {
  ByteBuffer bytes;
  EXPECT_TRUE(parse_hex(text, bytes)) << text;
  return bytes;
}

TEST(ProtocolVectors, ClientMessagesDecodeAndEncodeToTheSameBytes) {
  const auto vectors = load_vectors();
  size_t seen = 0;
  for (const auto& vector : vectors.at("messages")) {
    if (vector.at("direction") != "client_to_server") continue;
    SCOPED_TRACE(vector.at("name").get<std::string>());
    const ByteBuffer bytes = from_hex(vector.at("bsatn_hex"));
    std::vector<ClientMessage> messages;
    const Status status = decode_client_messages(bytes, Framing::kSingle, messages);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].index(), vector.at("tag").get<size_t>());
    ByteBuffer again;
    encode_client_message(messages[0], again);
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    ++seen;
  }
  EXPECT_EQ(seen, 8u);
}

TEST(ProtocolVectors, ServerMessagesDecodeAndEncodeToTheSameBytes) {
  const auto vectors = load_vectors();
  size_t seen = 0;
  for (const auto& vector : vectors.at("messages")) {
    if (vector.at("direction") != "server_to_client") continue;
    SCOPED_TRACE(vector.at("name").get<std::string>());
    const ByteBuffer bytes = from_hex(vector.at("bsatn_hex"));
    Bytes rest = bytes;
    const auto message = take_server_message(rest);
    ASSERT_TRUE(message.ok()) << message.status().message();
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(message->index(), vector.at("tag").get<size_t>());
    ByteBuffer again;
    encode_server_message(*message, again);
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    ++seen;
  }
  EXPECT_EQ(seen, 21u);
}

TEST(ProtocolVectors, RowListsFollowTheHintRule) {
  const auto vectors = load_vectors();
  for (const auto& vector : vectors.at("row_lists")) {
    SCOPED_TRACE(vector.at("name").get<std::string>());
    RowListBuilder rows;
    std::vector<std::string> row_hex;
    for (const auto& row : vector.at("row_bytes_hex")) {
      rows.add(from_hex(row));
      row_hex.push_back(row);
    }
    ByteBuffer encoded;
    rows.encode(encoded);
    EXPECT_EQ(to_hex(encoded), vector.at("bsatn_hex").get<std::string>());

    WireReader reader(encoded);
    const RowListView view = RowListView::read(reader);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    ASSERT_EQ(view.size(), row_hex.size());
    for (size_t i = 0; i < view.size(); ++i) EXPECT_EQ(to_hex(view[i]), row_hex[i]);
  }
}

TEST(ProtocolVectors, BatchedClientFramesHoldSeveralMessages) {
  const auto vectors = load_vectors();
  for (const auto& frame : vectors.at("frames")) {
    if (frame.at("direction") != "client_to_server") continue;
    SCOPED_TRACE(frame.at("name").get<std::string>());
    const ByteBuffer payload = from_hex(frame.at("payload_hex"));
    std::vector<ClientMessage> messages;
    ASSERT_TRUE(decode_client_messages(payload, Framing::kBatched, messages).ok());
    EXPECT_EQ(messages.size(), frame.at("messages").size());
  }
}

}  // namespace
}  // namespace worldline::protocol
