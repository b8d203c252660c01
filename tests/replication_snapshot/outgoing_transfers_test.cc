// All transfers that leave a node [S 08/3.8].
#include "replication/snapshot/outgoing_transfers.h"

#include <gtest/gtest.h>

#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

class OutgoingTransfersTest : public testing::Test {
 protected:
  OutgoingTransfersTest() : rng_(1), checkpoint_(make_checkpoint(rng_, 100, {500, 600})) {}

  OutgoingRequest request(uint64_t group, uint64_t id, TransferClass transfer_class,
                          bool is_needed = false) const {
    OutgoingRequest out;
    out.offer = checkpoint_.offer(id);
    out.offer.group = GroupId{group};
    out.begin = {transfer_class, is_needed, {}};
    return out;
  }
  OutgoingRequest request(uint64_t group, uint64_t id) const {
    return request(group, id, TransferClass::kRebalance);
  }
  static SnapMessage answer(const OutgoingRequest& request, SnapBody body) {
    return message_of(request.offer, kTarget, kLeaderNode, std::move(body));
  }
  std::vector<uint64_t> offered() {
    std::vector<uint64_t> groups;
    for (const SnapshotOffer& offer : transfers_.take_output().offers)
      groups.push_back(offer.group.value);
    return groups;
  }

  Prng rng_;
  FakeCheckpoint checkpoint_;
  OutgoingTransfers transfers_{OutgoingLimits{}};
};

TEST_F(OutgoingTransfersTest, OffersBeginsAndPins) {
  const OutgoingRequest asked = request(1, 10, TransferClass::kRepair);
  transfers_.request(asked);
  const auto output = transfers_.take_output();
  ASSERT_EQ(output.offers.size(), 1u);
  EXPECT_EQ(output.offers[0], asked.offer);
  EXPECT_EQ(bodies<SnapBegin>(output.send).at(0).transfer_class, TransferClass::kRepair);
  ASSERT_EQ(output.pins.size(), 1u);
  EXPECT_EQ(output.pins[0].index, LogIndex{100});
}

TEST_F(OutgoingTransfersTest, StartsTwoAndOneThatAMajorityNeedsAndThenByClass) {
  for (uint64_t group = 1; group <= 3; ++group) transfers_.request(request(group, group));
  EXPECT_EQ(offered(), (std::vector<uint64_t>{1, 2}));
  transfers_.request(request(4, 4, TransferClass::kCatalog));
  EXPECT_TRUE(offered().empty());
  transfers_.request(request(5, 5, TransferClass::kQuorum, true));
  EXPECT_EQ(offered(), std::vector<uint64_t>{5});
  EXPECT_EQ(transfers_.waiting(), 2u);
  transfers_.recv(answer(request(5, 5), SnapAck{1, 1, true}));
  EXPECT_TRUE(offered().empty()) << "the reserved slot is not theirs";
  transfers_.recv(answer(request(1, 1), SnapAck{1, 1, true}));
  EXPECT_EQ(offered(), std::vector<uint64_t>{4}) << "the catalog first, though it came later";
}

struct FinishCase {
  const char* name;
  SnapBody answer;
  TransferOutcome outcome;
  uint32_t waits_ticks;  // Before the next attempt starts.
};
const FinishCase kFinishCases[] = {
    {"Staged", SnapAck{1, 1, true}, TransferOutcome::kStaged, 0},
    {"Failed", SnapAbort{AbortReason::kFailed}, TransferOutcome::kFailed, kTicksPerSecond},
    {"Busy", SnapAbort{AbortReason::kBusy}, TransferOutcome::kBusy, kTicksPerSecond},
    {"Superseded", SnapAbort{AbortReason::kSuperseded}, TransferOutcome::kSuperseded,
     kTicksPerSecond},
};
class OutgoingFinishTest : public OutgoingTransfersTest,
                           public testing::WithParamInterface<FinishCase> {};

TEST_P(OutgoingFinishTest, IsToldUnpinsAndDelaysTheNextAttempt) {
  transfers_.request(request(1, 10));
  transfers_.take_output();
  transfers_.recv(answer(request(1, 10), GetParam().answer));
  const auto output = transfers_.take_output();
  ASSERT_EQ(output.finished.size(), 1u);
  EXPECT_EQ(output.finished[0].outcome, GetParam().outcome);
  EXPECT_EQ(output.finished[0].id, SnapshotId{10});
  ASSERT_EQ(output.pins.size(), 1u);
  EXPECT_FALSE(output.pins[0].index);
  EXPECT_EQ(transfers_.running(), 0u);
  transfers_.request(request(1, 11));
  uint32_t ticks = 0;
  while (offered().empty()) {
    transfers_.tick();
    ASSERT_LT(++ticks, 1'000u);
  }
  EXPECT_EQ(ticks, GetParam().waits_ticks);
}
INSTANTIATE_TEST_SUITE_P(S08, OutgoingFinishTest, testing::ValuesIn(kFinishCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(OutgoingTransfersTest, WaitsLongerAfterEachFailure) {
  std::vector<uint32_t> waits;
  for (uint64_t id = 1; id <= 8; ++id) {
    transfers_.request(request(1, id));
    uint32_t ticks = 0;
    for (; offered().empty(); ++ticks) transfers_.tick();
    waits.push_back(ticks / kTicksPerSecond);
    transfers_.recv(answer(request(1, id), SnapAbort{AbortReason::kFailed}));
  }
  EXPECT_EQ(waits, (std::vector<uint32_t>{0, 1, 2, 4, 8, 16, 30, 30}));
}

TEST_F(OutgoingTransfersTest, ReplacesATransferByANewerOneForTheSamePeer) {
  transfers_.request(request(1, 10));
  transfers_.take_output();
  transfers_.request(request(1, 11));
  const auto output = transfers_.take_output();
  ASSERT_EQ(output.finished.size(), 1u);
  EXPECT_EQ(output.finished[0].id, SnapshotId{10});
  EXPECT_EQ(output.finished[0].outcome, TransferOutcome::kSuperseded);
  ASSERT_EQ(output.offers.size(), 1u);
  EXPECT_EQ(output.offers[0].id, SnapshotId{11});
  // While it waits for a slot too.
  transfers_.request(request(2, 20));
  transfers_.request(request(3, 30));
  transfers_.request(request(3, 31));
  EXPECT_EQ(transfers_.waiting(), 1u);
  EXPECT_EQ(transfers_.take_output().finished.at(0).id, SnapshotId{30});
}

TEST_F(OutgoingTransfersTest, EndsAllOfAGroupWhoseLeadershipIsLost) {
  transfers_.request(request(1, 10));
  transfers_.request(request(2, 20));
  OutgoingRequest other = request(1, 11);
  other.offer.target = ReplicaId{8};
  transfers_.request(other);
  transfers_.take_output();
  transfers_.cancel_all(GroupId{1});
  const auto output = transfers_.take_output();
  EXPECT_EQ(output.finished.size(), 2u);
  for (const auto& finished : output.finished)
    EXPECT_EQ(finished.outcome, TransferOutcome::kCancelled);
  EXPECT_EQ(transfers_.running(), 1u);
}

// Rule 4: the log is kept for a gibibyte or ten minutes; then a newer snapshot is offered.
TEST_F(OutgoingTransfersTest, DropsThePinWhenTheLogGrowsTooFarOrTooLong) {
  const OutgoingRequest asked = request(1, 10);
  transfers_.request(asked);
  transfers_.on_log_grew(GroupId{2}, 10 * limits::GiB);
  transfers_.on_log_grew(GroupId{1}, limits::GiB);
  transfers_.tick();
  EXPECT_EQ(transfers_.running(), 1u);
  transfers_.on_log_grew(GroupId{1}, 1);
  transfers_.tick();
  auto output = transfers_.take_output();
  ASSERT_EQ(output.finished.size(), 1u);
  EXPECT_EQ(output.finished[0].outcome, TransferOutcome::kSuperseded);

  OutgoingTransfers slow{OutgoingLimits{}};
  slow.request(asked);
  uint32_t ticks = 0;
  while (slow.running() == 1) {
    slow.recv(answer(asked, SnapAck{++ticks, 1'000'000, false}));  // It does make progress.
    slow.tick();
    ASSERT_LE(ticks, 600 * kTicksPerSecond + 1);
  }
  EXPECT_EQ(ticks, 600 * kTicksPerSecond + 1);
}

// Bytes sent to each group in some ticks, while all of `groups` always ask for more.
std::map<GroupId, uint64_t> send_for(OutgoingTransfers& transfers, uint32_t ticks,
                                     const std::vector<OutgoingRequest>& requests) {
  std::map<GroupId, uint64_t> sent;
  for (uint32_t tick = 0; tick < ticks; ++tick) {
    for (const OutgoingRequest& request : requests)
      transfers.recv(message_of(request.offer, kTarget, kLeaderNode, SnapWant{{{{tick, 1}, 0}}}));
    transfers.tick();
    for (bool again = true; std::exchange(again, false);) {
      const auto output = transfers.take_output();
      for (const auto& load : output.loads) {
        again = true;
        transfers.loaded(load, std::make_shared<const ByteBuffer>(kPieceBytesMax));
      }
      for (const SnapMessage& message : output.send)
        if (const auto* piece = std::get_if<SnapPiece>(&message.body))
          sent[message.group] += piece->bytes->size();
    }
  }
  return sent;
}

TEST_F(OutgoingTransfersTest, SharesItsRateAmongTransfersAsLongAsTheyRun) {
  constexpr uint64_t kRate = 4 * kPieceBytesMax;
  constexpr uint64_t kSeconds = 20;
  OutgoingLimits limits_in;
  limits_in.bytes_per_second = kRate;
  OutgoingTransfers transfers(limits_in);
  const std::vector<OutgoingRequest> both = {request(1, 1), request(2, 2)};
  for (const OutgoingRequest& one : both) transfers.request(one);
  auto sent = send_for(transfers, kSeconds * kTicksPerSecond, both);
  EXPECT_LE(sent[GroupId{1}] + sent[GroupId{2}], (kSeconds + 1) * kRate + 2 * kPieceBytesMax);
  EXPECT_GE(sent[GroupId{1}] + sent[GroupId{2}], (kSeconds - 2) * kRate);
  EXPECT_LE(std::max(sent[GroupId{1}], sent[GroupId{2}]),
            std::min(sent[GroupId{1}], sent[GroupId{2}]) + 3 * kPieceBytesMax);
  // The first one ends in the middle of its requests: all is left to the second.
  transfers.recv(answer(both[0], SnapAbort{AbortReason::kFailed}));
  sent = send_for(transfers, kSeconds * kTicksPerSecond, {both[1]});
  EXPECT_GE(sent[GroupId{2}], (kSeconds - 2) * kRate);
}

// --- As a delegate -------------------------------------------------------------------------------

TEST_F(OutgoingTransfersTest, ServesPagesItDidNotOffer) {
  const SnapshotOffer theirs = checkpoint_.offer(77, ReplicaId{9});
  const ContentHash page = checkpoint_.manifest.page_hashes[0];
  transfers_.tick();
  transfers_.recv(message_of(theirs, kTarget, kDelegate, SnapWant{{{page, 0}}}));
  transfers_.tick();
  auto output = transfers_.take_output();
  EXPECT_TRUE(output.offers.empty());
  ASSERT_EQ(output.loads.size(), 1u);
  transfers_.loaded(output.loads[0], checkpoint_.find(page));
  output = transfers_.take_output();
  ASSERT_EQ(output.send.size(), 1u);
  EXPECT_EQ(output.send[0].id, SnapshotId{77});
  EXPECT_EQ(output.send[0].from, kDelegate);
  EXPECT_EQ(output.send[0].to, kTarget);
  EXPECT_TRUE(output.finished.empty() && output.pins.empty()) << "the leader answers for it";
}

TEST_F(OutgoingTransfersTest, IsBusyAsADelegateWhenItsSlotsAreTaken) {
  transfers_.request(request(1, 1));
  transfers_.request(request(2, 2));
  transfers_.take_output();
  const SnapshotOffer theirs = checkpoint_.offer(77, ReplicaId{9});
  transfers_.recv(message_of(theirs, ReplicaId{50}, kDelegate, SnapWant{{{{1, 1}, 0}}}));
  const auto output = transfers_.take_output();
  EXPECT_EQ(bodies<SnapAbort>(output.send).at(0).reason, AbortReason::kBusy);
  EXPECT_EQ(output.send[0].to, ReplicaId{50});
}

TEST_F(OutgoingTransfersTest, AnswersAWantOfAnEndedTransferOfItsOwn) {
  transfers_.request(request(7, 10));
  transfers_.take_output();
  SnapMessage old = answer(request(7, 9), SnapWant{{{{1, 1}, 0}}});
  transfers_.recv(old);
  EXPECT_EQ(bodies<SnapAbort>(transfers_.take_output().send).at(0).reason, AbortReason::kUnknown);
}

}  // namespace
}  // namespace worldline::replication
