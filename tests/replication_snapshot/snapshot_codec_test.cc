// Snapshot messages as bytes.
#include "replication/snapshot/snapshot_codec.h"

#include <gtest/gtest.h>

#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

std::vector<SnapMessage> samples() {
  const SnapshotOffer offer = {
      SnapshotId{9}, kFirstGroup, kLeaderNode, kTarget, Term{1}, {}, {}, {}, {}, 0};
  const auto bytes = std::make_shared<const ByteBuffer>(ByteBuffer{1, 2, 3});
  const std::vector<SnapBody> all = {
      SnapBegin{TransferClass::kQuorum, true, {ReplicaId{4}, ReplicaId{5}}},
      SnapBegin{},
      SnapWant{{{{1, 2}, 3}, {{4, 5}, kPieceBytesMax}}},
      SnapWant{},
      SnapPiece{{6, 7}, 10, 13, bytes},
      SnapMissing{{8, 9}},
      SnapAck{3, 5, true},
      SnapAbort{AbortReason::kBusy},
      SnapAbort{AbortReason::kUnknown},
  };
  std::vector<SnapMessage> messages;
  for (const SnapBody& body : all)
    messages.push_back(message_of(offer, kLeaderNode, kTarget, body));
  return messages;
}

TEST(SnapshotCodecTest, ReadsBackWhatItWrote) {
  for (const SnapMessage& message : samples()) {
    const ByteBuffer bytes = encode_snap_message(message);
    const auto read = decode_snap_message(bytes);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->id, message.id);
    EXPECT_EQ(read->group, message.group);
    EXPECT_EQ(read->from, message.from);
    EXPECT_EQ(read->to, message.to);
    EXPECT_EQ(read->body.index(), message.body.index());
    EXPECT_EQ(encode_snap_message(*read), bytes);
  }
}

TEST(SnapshotCodecTest, RefusesEveryCutAndEveryTail) {
  for (const SnapMessage& message : samples()) {
    ByteBuffer bytes = encode_snap_message(message);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(decode_snap_message(Bytes(bytes).first(size)).status().code(),
                StatusCode::kInvalidArgument)
          << size;
    bytes.push_back(0);
    EXPECT_EQ(decode_snap_message(bytes).status().code(), StatusCode::kInvalidArgument);
  }
}

// One number of a message is changed: where, in how many bytes, to what.
struct WrongCase {
  const char* name;
  size_t sample;
  size_t at;  // Behind version, id, group, from and to: 33 B.
  std::vector<Byte> bytes;
  StatusCode code = StatusCode::kInvalidArgument;
};
const WrongCase kWrongCases[] = {
    {"Version", 0, 0, {2}, StatusCode::kNotSupported},
    {"KindZero", 0, 33, {0}},
    {"KindUnknown", 0, 33, {7}},
    {"Class", 0, 34, {5}},
    {"Flag", 0, 35, {2}},
    {"TooManyDelegates", 0, 36, {3}},
    {"TooManyPieces", 2, 34, {9}},
    {"PieceBeyondItsPage", 4, 58, {12}},
    {"PieceBehindItsPage", 4, 50, {14}},
    {"PieceOfAnEndlessPage", 4, 58, {0, 0, 0, 0, 0, 0, 0, 1}},
    {"PieceBeyondTheLimit", 4, 66, {1, 0, 16, 0}},
    {"StagedFlag", 6, 50, {9}},
    {"Reason", 7, 34, {5}},
};
class SnapshotCodecWrongTest : public testing::TestWithParam<WrongCase> {};

TEST_P(SnapshotCodecWrongTest, IsRefused) {
  ByteBuffer bytes = encode_snap_message(samples()[GetParam().sample]);
  ASSERT_TRUE(decode_snap_message(bytes).ok());
  std::copy(GetParam().bytes.begin(), GetParam().bytes.end(),
            bytes.begin() + static_cast<ptrdiff_t>(GetParam().at));
  EXPECT_EQ(decode_snap_message(bytes).status().code(), GetParam().code);
}
INSTANTIATE_TEST_SUITE_P(S08, SnapshotCodecWrongTest, testing::ValuesIn(kWrongCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
