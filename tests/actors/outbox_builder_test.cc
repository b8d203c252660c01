// OutboxBuilder: own bytes and shared splices come out as the messages back to back.
#include "actors/outbox_builder.h"

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

SharedBytes shared(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
}

std::string concatenation(const OutboundBatch& batch) {
  std::string text;
  for (const auto& piece : batch.pieces)
    text += as_text(Bytes(*piece.bytes).subspan(piece.begin, piece.end - piece.begin));
  return text;
}

TEST(OutboxBuilder, KeepsOwnBytesAndSplicesInCallOrder) {
  OutboxBuilder outbox;
  append(outbox.own(), as_bytes("ab"));
  outbox.splice(shared("CDE"));
  append(outbox.own(), as_bytes("f"));
  outbox.end_message();
  outbox.splice(shared(""));
  append(outbox.own(), as_bytes("gh"));
  outbox.end_message();
  const auto batch = outbox.finish();
  EXPECT_EQ(concatenation(*batch), "abCDEfgh");
  EXPECT_EQ(batch->message_ends, (std::vector<uint32_t>{6, 8}));
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxBuilder, SharesSplicedBytesInsteadOfCopying) {
  OutboxBuilder outbox;
  const SharedBytes update = shared("update");
  outbox.splice(update);
  outbox.end_message();
  const auto batch = outbox.finish();
  ASSERT_EQ(batch->pieces.size(), 1u);
  EXPECT_EQ(batch->pieces[0].bytes.get(), update.get());
}

TEST(OutboxBuilder, GivesOnePieceForManySmallMessages) {
  OutboxBuilder outbox;
  for (int i = 0; i < 40; ++i) {
    outbox.own().push_back(static_cast<Byte>(i));
    outbox.end_message();
  }
  const auto batch = outbox.finish();
  EXPECT_EQ(batch->pieces.size(), 1u);
  EXPECT_EQ(batch->message_ends.size(), 40u);
  EXPECT_EQ(batch->bytes(), 40u);
}

}  // namespace
}  // namespace worldline::actors
