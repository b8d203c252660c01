// tests/schema/protocol/server_message_test.cc: the streaming encoders against the decoder, and
// damaged messages [S 02/7.2].
#include "schema/protocol/server_message.h"

#include <gtest/gtest.h>

#include "schema/protocol/server_encoder.h"

namespace worldline::protocol {
namespace {

ByteBuffer sample_update() {
  RowListBuilder inserts;
  inserts.add(as_bytes("row one"));
  inserts.add(as_bytes("row 2"));
  RowListBuilder deletes;
  ByteBuffer out;
  encode_transaction_update_head(1, out);
  encode_query_set_head(9, 2, out);
  encode_table_update_head("event", 1, out);
  encode_event_tag(out);
  inserts.encode(out);
  encode_table_update_head("user", 1, out);
  encode_persistent_rows(inserts, deletes, out);
  return out;
}

TEST(ServerMessageTest, StreamedUpdateReadsBackAsBuilt) {
  const ByteBuffer encoded = sample_update();
  Bytes rest = encoded;
  const auto message = take_server_message(rest);
  ASSERT_TRUE(message.ok()) << message.status().message();
  const auto& update = std::get<TransactionUpdate>(*message);
  ASSERT_EQ(update.query_sets.size(), 1u);
  EXPECT_EQ(update.query_sets[0].query_set_id, 9u);
  ASSERT_EQ(update.query_sets[0].tables.size(), 2u);
  EXPECT_TRUE(update.query_sets[0].tables[0].rows.at(0).is_event);
  const auto& user = update.query_sets[0].tables[1];
  EXPECT_EQ(user.table, "user");
  EXPECT_EQ(as_text(user.rows.at(0).inserts[1]), "row 2");
  EXPECT_EQ(user.rows.at(0).deletes.size(), 0u);
}

TEST(ServerMessageTest, ReducerErrorIsAStringInsideBytes) {
  ByteBuffer encoded;
  encode_reducer_error(2, Timestamp{1700000000000000}, "name must not be empty", encoded);
  EXPECT_EQ(to_hex(encoded).substr(0, 44), "060200000000401e18240a0600021a00000016000000");
  Bytes rest = encoded;
  const auto message = take_server_message(rest);
  ASSERT_TRUE(message.ok());
  const auto& error = std::get<ReducerErr>(std::get<ReducerResult>(*message).outcome);
  EXPECT_EQ(reducer_error_text(error), "name must not be empty");
  EXPECT_EQ(reducer_error_text(ReducerErr{as_bytes("abc")}), std::nullopt);
}

TEST(ServerMessageTest, EveryTruncationOfAMessageIsRefused) {
  const ByteBuffer encoded = sample_update();
  for (size_t bytes = 0; bytes < encoded.size(); ++bytes) {
    Bytes rest = Bytes(encoded).first(bytes);
    EXPECT_FALSE(take_server_message(rest).ok()) << bytes;
  }
}

TEST(ServerMessageTest, MessagesBackToBackAreTakenOneByOne) {
  ByteBuffer body;
  encode_reducer_ok_head(1, Timestamp{5}, 0, body);
  encode_procedure_error(2, "No such procedure", body);
  encode_subscription_error(std::nullopt, 4, "boom", body);
  Bytes rest = body;
  EXPECT_TRUE(std::holds_alternative<ReducerResult>(take_server_message(rest).value()));
  EXPECT_TRUE(std::holds_alternative<ProcedureResult>(take_server_message(rest).value()));
  EXPECT_TRUE(std::holds_alternative<SubscriptionError>(take_server_message(rest).value()));
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace worldline::protocol
