// One leaving transfer [S 08/3.8].
#include "replication/snapshot/snapshot_sender.h"

#include <gtest/gtest.h>

#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

constexpr int64_t kAnyCredit = INT64_MAX / 2;

class SnapshotSenderTest : public testing::Test {
 protected:
  SnapshotSenderTest()
      : rng_(1), checkpoint_(make_checkpoint(rng_, 100, {500, 2 * kPieceBytesMax + 10})) {}

  SnapshotSender sender(SnapshotSender::Role role = SnapshotSender::Role::kLeader) const {
    return {checkpoint_.offer(1), role};
  }
  SnapMessage from_target(SnapBody body) const {
    return message_of(checkpoint_.offer(1), kTarget, kLeaderNode, std::move(body));
  }
  ContentHash page(size_t i) const { return checkpoint_.manifest.page_hashes[i]; }

  Prng rng_;
  FakeCheckpoint checkpoint_;
};

TEST_F(SnapshotSenderTest, AnswersInOrderOnePageAtATime) {
  SnapshotSender sender = this->sender();
  sender.recv(from_target(SnapWant{{{page(0), 0}, {page(1), 0}}}));
  EXPECT_EQ(sender.advance(kAnyCredit), page(0));
  EXPECT_FALSE(sender.advance(kAnyCredit)) << "one is being loaded";
  sender.loaded(page(1), checkpoint_.find(page(1)));  // Not what was asked for.
  EXPECT_TRUE(sender.take_messages().empty());
  sender.loaded(page(0), checkpoint_.find(page(0)));
  EXPECT_EQ(sender.advance(kAnyCredit), page(1));
  const auto pieces = bodies<SnapPiece>(sender.take_messages());
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].total_bytes, 500u);
  EXPECT_EQ(*pieces[0].bytes, *checkpoint_.find(page(0)));
  EXPECT_EQ(sender.take_spent(), 500u);
  EXPECT_EQ(sender.take_spent(), 0u);
}

TEST_F(SnapshotSenderTest, LoadsALongPageOnceForAllItsPieces) {
  SnapshotSender sender = this->sender();
  sender.recv(from_target(SnapWant{{{page(1), 0}}}));
  ASSERT_EQ(sender.advance(kAnyCredit), page(1));
  sender.loaded(page(1), checkpoint_.find(page(1)));
  sender.recv(from_target(SnapWant{{{page(1), kPieceBytesMax}, {page(1), 2 * kPieceBytesMax}}}));
  EXPECT_FALSE(sender.advance(kAnyCredit));
  const auto pieces = bodies<SnapPiece>(sender.take_messages());
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].bytes->size(), kPieceBytesMax);
  EXPECT_EQ(pieces[2].bytes->size(), 10u);
  ByteBuffer whole;
  for (const SnapPiece& piece : pieces) append(whole, *piece.bytes);
  EXPECT_EQ(whole, *checkpoint_.find(page(1)));
  // Gone from memory now.
  sender.recv(from_target(SnapWant{{{page(1), 0}}}));
  EXPECT_EQ(sender.advance(kAnyCredit), page(1));
}

TEST_F(SnapshotSenderTest, SendsNothingWithoutCreditAndIsNotToBlameForThatSilence) {
  SnapshotSender sender = this->sender();
  sender.recv(from_target(SnapWant{{{page(0), 0}}}));
  for (uint32_t i = 0; i < 10 * kSilenceTicksMax; ++i) {
    sender.tick();
    EXPECT_FALSE(sender.advance(0));
  }
  EXPECT_FALSE(sender.outcome());
  EXPECT_EQ(sender.wants(), kPieceBytesMax);
  EXPECT_EQ(sender.advance(1), page(0));
}

TEST_F(SnapshotSenderTest, IgnoresRepeatedExcessiveAndForeignRequests) {
  SnapshotSender sender = this->sender();
  SnapWant want;
  for (uint64_t i = 0; i < kTransferWindow; ++i) want.pieces.push_back({{i, i}, 0});
  for (int i = 0; i < 3; ++i) sender.recv(from_target(want));
  EXPECT_EQ(sender.wants(), kTransferWindow * kPieceBytesMax);
  for (uint64_t i = 100; i < 200; ++i) sender.recv(from_target(SnapWant{{{{i, i}, 0}}}));
  EXPECT_EQ(sender.wants(), 2 * kTransferWindow * kPieceBytesMax);
  SnapMessage foreign = from_target(SnapAck{1, 1, true});
  foreign.from = ReplicaId{99};
  sender.recv(foreign);
  SnapMessage old = from_target(SnapAck{1, 1, true});
  old.id = SnapshotId{77};
  sender.recv(old);
  EXPECT_FALSE(sender.outcome());
}

struct EndCase {
  const char* name;
  SnapBody answer;
  std::optional<TransferOutcome> outcome;
};
const EndCase kEndCases[] = {
    {"Staged", SnapAck{5, 5, true}, TransferOutcome::kStaged},
    {"Progress", SnapAck{4, 5, false}, std::nullopt},
    {"Busy", SnapAbort{AbortReason::kBusy}, TransferOutcome::kBusy},
    {"Superseded", SnapAbort{AbortReason::kSuperseded}, TransferOutcome::kSuperseded},
    {"Failed", SnapAbort{AbortReason::kFailed}, TransferOutcome::kFailed},
    {"Unknown", SnapAbort{AbortReason::kUnknown}, TransferOutcome::kFailed},
};
class SnapshotSenderEndTest : public SnapshotSenderTest,
                              public testing::WithParamInterface<EndCase> {};

TEST_P(SnapshotSenderEndTest, IsWhatTheReceiverSays) {
  SnapshotSender sender = this->sender();
  sender.recv(from_target(GetParam().answer));
  EXPECT_EQ(sender.outcome(), GetParam().outcome);
  // The first word counts.
  sender.recv(from_target(SnapAck{5, 5, true}));
  EXPECT_EQ(sender.outcome(), GetParam().outcome.value_or(TransferOutcome::kStaged));
}
INSTANTIATE_TEST_SUITE_P(S08, SnapshotSenderEndTest, testing::ValuesIn(kEndCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(SnapshotSenderTest, FailsAfterTenSecondsOfSilence) {
  SnapshotSender sender = this->sender();
  for (uint32_t i = 1; i < kSilenceTicksMax; ++i) sender.tick();
  EXPECT_FALSE(sender.outcome());
  sender.recv(from_target(SnapAck{1, 5, false}));
  for (uint32_t i = 1; i < kSilenceTicksMax; ++i) sender.tick();
  EXPECT_FALSE(sender.outcome());
  sender.tick();
  EXPECT_EQ(sender.outcome(), TransferOutcome::kFailed);
  EXPECT_EQ(bodies<SnapAbort>(sender.take_messages()).size(), 1u);
}

TEST_F(SnapshotSenderTest, OffersANewerCheckpointWhenAPageOfItsOwnIsGone) {
  SnapshotSender sender = this->sender();
  sender.recv(from_target(SnapWant{{{page(0), 0}}}));
  ASSERT_TRUE(sender.advance(kAnyCredit));
  sender.loaded(page(0), nullptr);
  EXPECT_EQ(sender.outcome(), TransferOutcome::kSuperseded);
  EXPECT_EQ(bodies<SnapAbort>(sender.take_messages()).at(0).reason, AbortReason::kSuperseded);
}

TEST_F(SnapshotSenderTest, OnlySaysSoWhenADelegateDoesNotHaveAPage) {
  SnapshotSender sender = this->sender(SnapshotSender::Role::kDelegate);
  sender.recv(from_target(SnapWant{{{page(0), 0}, {page(1), 0}}}));
  ASSERT_TRUE(sender.advance(kAnyCredit));
  sender.loaded(page(0), nullptr);
  EXPECT_FALSE(sender.outcome());
  EXPECT_EQ(bodies<SnapMissing>(sender.take_messages()).at(0).hash, page(0));
  EXPECT_EQ(sender.advance(kAnyCredit), page(1));
  // It is not told of the end, so silence is no failure of anybody.
  sender.loaded(page(1), checkpoint_.find(page(1)));
  sender.recv(from_target(SnapAck{1, 1, true}));
  for (uint32_t i = 0; i < kSilenceTicksMax; ++i) sender.tick();
  EXPECT_EQ(sender.outcome(), TransferOutcome::kCancelled);
}

}  // namespace
}  // namespace worldline::replication
