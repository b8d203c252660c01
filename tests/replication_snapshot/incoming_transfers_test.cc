// All transfers that arrive at a node [S 08/3.8].
#include "replication/snapshot/incoming_transfers.h"

#include <gtest/gtest.h>

#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

class IncomingTransfersTest : public testing::Test {
 protected:
  IncomingTransfersTest() : rng_(1), checkpoint_(make_checkpoint(rng_, 100, {500, 600, 700})) {}

  SnapshotOffer offer(uint64_t id, uint64_t term = 5, uint64_t group = kFirstGroup.value) const {
    SnapshotOffer out = checkpoint_.offer(id, kLeaderNode, term);
    out.group = GroupId{group};
    return out;
  }
  void begin(const SnapshotOffer& offer, const SnapBegin& body = {}) {
    transfers_.recv(message_of(offer, kLeaderNode, kTarget, body));
  }
  void start(const SnapshotOffer& offer, const SnapBegin& body = {}) {
    transfers_.offer(offer);
    begin(offer, body);
  }
  // Plays leader and store until nothing happens.
  void settle() {
    for (int round = 0; round < 100; ++round) {
      transfers_.tick();
      auto output = transfers_.take_output();
      for (const auto& find : output.finds)
        transfers_.found(find.ticket, std::vector<bool>(find.hashes.size(), false));
      for (const auto& store : output.stores) transfers_.stored(store.ticket, store.page.hash);
      for (const auto& commit : output.commits) transfers_.committed(commit.ticket, {});
      for (const SnapMessage& message : output.send) {
        const auto* want = std::get_if<SnapWant>(&message.body);
        if (want == nullptr) continue;
        for (const PieceRequest& piece : want->pieces) {
          const SharedBytes page = checkpoint_.find(piece.hash);
          transfers_.recv({message.id, message.group, message.to, message.from,
                           SnapPiece{piece.hash, piece.offset, page->size(), page}});
        }
      }
      keep(std::move(output));
    }
  }
  void keep(IncomingTransfers::Output output) {
    for (const auto& offer : output.staged) staged_.push_back(offer);
    for (const auto& note : output.ended) ended_.push_back(note);
    for (const GroupId group : output.discards) discards_.push_back(group);
    for (SnapMessage& message : output.send) sent_.push_back(std::move(message));
  }

  Prng rng_;
  FakeCheckpoint checkpoint_;
  IncomingTransfers transfers_{IncomingLimits{}};
  std::vector<SnapshotOffer> staged_;
  std::vector<IncomingTransfers::Note> ended_;
  std::vector<GroupId> discards_;
  std::vector<SnapMessage> sent_;
};

TEST_F(IncomingTransfersTest, StagesWhatItWasOffered) {
  start(offer(1));
  settle();
  ASSERT_EQ(staged_.size(), 1u);
  EXPECT_EQ(staged_[0], offer(1));
  EXPECT_EQ(transfers_.running(), 0u);
  EXPECT_TRUE(discards_.empty());
}

TEST_F(IncomingTransfersTest, WaitsForOfferAndBeginInEitherOrderButNotForLong) {
  begin(offer(1));
  EXPECT_EQ(transfers_.running(), 0u);
  transfers_.offer(offer(1));
  EXPECT_EQ(transfers_.running(), 1u);

  transfers_.offer(offer(1, 5, 8));
  EXPECT_EQ(transfers_.running(), 1u);
  for (uint32_t i = 0; i < kTicksPerSecond; ++i) transfers_.tick();
  EXPECT_EQ(transfers_.running(), 2u) << "without a word from the leader's service";
}

TEST_F(IncomingTransfersTest, DoesNotTakeAStrangersBeginForTheLeaders) {
  transfers_.offer(offer(1));
  transfers_.recv(message_of(offer(1), ReplicaId{99}, kTarget, SnapBegin{}));
  EXPECT_EQ(transfers_.running(), 0u);
  begin(offer(1));
  EXPECT_EQ(transfers_.running(), 1u);
}

struct OrderCase {
  const char* name;
  std::pair<uint64_t, uint64_t> first, second;  // Id and term.
  bool second_counts;
};
const OrderCase kOrderCases[] = {
    {"TwiceTheSame", {10, 5}, {10, 5}, false},        {"OvertakenOnTheWay", {10, 5}, {9, 5}, false},
    {"NewerOfTheSameLeader", {10, 5}, {11, 5}, true}, {"DeposedLeader", {10, 5}, {99, 4}, false},
    {"NewLeaderWithALowerId", {10, 5}, {3, 6}, true},
};
class OfferOrderTest : public IncomingTransfersTest,
                       public testing::WithParamInterface<OrderCase> {};

TEST_P(OfferOrderTest, DecidesWhichOneCounts) {
  const auto [id, term] = GetParam().first;
  start(offer(id, term));
  transfers_.take_output();
  const auto [second_id, second_term] = GetParam().second;
  SnapshotOffer second = offer(second_id, second_term);
  second.manifest_hash = {7, 7};  // Another checkpoint.
  start(second);
  transfers_.tick();
  const auto output = transfers_.take_output();
  EXPECT_EQ(transfers_.running(), 1u);
  const auto wants = bodies<SnapWant>(output.send);
  const bool asks_for_second =
      !wants.empty() && wants.back().pieces.at(0).hash == second.manifest_hash;
  EXPECT_EQ(asks_for_second, GetParam().second_counts);
  EXPECT_EQ(output.ended.size(), GetParam().second_counts ? 1u : 0u);
}
INSTANTIATE_TEST_SUITE_P(S08, OfferOrderTest, testing::ValuesIn(kOrderCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(IncomingTransfersTest, AnswersBusyWithoutASlotUnlessAMajorityNeedsIt) {
  start(offer(1, 5, 1));
  start(offer(2, 5, 2));
  transfers_.take_output();
  start(offer(3, 5, 3));
  EXPECT_EQ(bodies<SnapAbort>(transfers_.take_output().send).at(0).reason, AbortReason::kBusy);
  EXPECT_EQ(transfers_.running(), 2u);
  start(offer(4, 5, 4), {TransferClass::kQuorum, true, {}});
  EXPECT_EQ(transfers_.running(), 3u);
  start(offer(5, 5, 5), {TransferClass::kQuorum, true, {}});
  EXPECT_EQ(bodies<SnapAbort>(transfers_.take_output().send).at(0).reason, AbortReason::kBusy);
}

TEST_F(IncomingTransfersTest, IgnoresAnswersToATransferOfThePast) {
  start(offer(1));
  transfers_.tick();
  auto output = transfers_.take_output();
  const auto want = bodies<SnapWant>(output.send).at(0);
  transfers_.recv(message_of(offer(1), kLeaderNode, kTarget,
                             SnapPiece{want.pieces[0].hash, 0, checkpoint_.manifest_bytes->size(),
                                       checkpoint_.manifest_bytes}));
  output = transfers_.take_output();
  ASSERT_EQ(output.finds.size(), 1u);
  const auto old = output.finds[0];
  SnapshotOffer newer = offer(2);
  newer.manifest_hash = {7, 7};
  start(newer);
  transfers_.found(old.ticket, std::vector<bool>(old.hashes.size(), true));
  transfers_.stored(old.ticket, old.hashes[0]);
  transfers_.committed(old.ticket, {});
  transfers_.failed(old.ticket, Status::io_error("old"));
  transfers_.tick();
  EXPECT_EQ(transfers_.running(), 1u);
  EXPECT_TRUE(transfers_.take_output().staged.empty());
}

TEST_F(IncomingTransfersTest, KeepsWhatWasStagedForAnHourAfterAnEnd) {
  start(offer(1));
  transfers_.tick();
  transfers_.recv(message_of(offer(1), kLeaderNode, kTarget, SnapAbort{AbortReason::kFailed}));
  EXPECT_EQ(transfers_.running(), 0u);
  for (uint32_t i = 0; i < 3'590 * kTicksPerSecond; ++i) transfers_.tick();
  EXPECT_TRUE(transfers_.take_output().discards.empty());
  for (uint32_t i = 0; i < 10 * kTicksPerSecond; ++i) transfers_.tick();
  EXPECT_EQ(transfers_.take_output().discards, std::vector<GroupId>{kFirstGroup});
  for (uint32_t i = 0; i < 7'200 * kTicksPerSecond; ++i) transfers_.tick();
  EXPECT_TRUE(transfers_.take_output().discards.empty()) << "once";
}

TEST_F(IncomingTransfersTest, KeepsWhatWasInstalledAndDropsWhatIsOfNoUse) {
  start(offer(1));
  settle();
  ASSERT_EQ(staged_.size(), 1u);
  transfers_.installed(kFirstGroup);
  for (uint32_t i = 0; i < 7'200 * kTicksPerSecond; ++i) transfers_.tick();
  EXPECT_TRUE(transfers_.take_output().discards.empty());

  start(offer(2));
  transfers_.take_output();
  transfers_.cancel(kFirstGroup);
  const auto output = transfers_.take_output();
  EXPECT_EQ(output.discards, std::vector<GroupId>{kFirstGroup});
  EXPECT_EQ(bodies<SnapAbort>(output.send).at(0).reason, AbortReason::kSuperseded);
  EXPECT_EQ(transfers_.running(), 0u);
}

TEST_F(IncomingTransfersTest, ForgetsGroupsThatPeersOnlyNamed) {
  for (uint64_t group = 1; group <= 1'000; ++group) begin(offer(1, 5, group));
  for (uint32_t i = 0; i < 2 * kTicksPerSecond; ++i) transfers_.tick();
  transfers_.offer(offer(1, 5, 4));
  EXPECT_EQ(transfers_.running(), 0u) << "its begin is gone";
}

}  // namespace
}  // namespace worldline::replication
