// One arriving transfer [S 08/3.8].
#include "replication/snapshot/snapshot_receiver.h"

#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

constexpr int64_t kMuch = INT64_MAX / 2;

// A receiver with a store beside it; the test plays the sources.
class ReceiverHarness {
 public:
  explicit ReceiverHarness(const FakeCheckpoint& checkpoint, std::vector<ReplicaId> delegates = {})
      : checkpoint_(checkpoint),
        receiver_(checkpoint.offer(1), {TransferClass::kRepair, false, std::move(delegates)}) {}

  // Lets it ask, and answers what concerns its store.
  void run(int64_t credit = kMuch) {
    for (bool again = true; again;) {
      receiver_.advance(credit);
      SnapshotReceiver::Output output = receiver_.take_output();
      again = !output.find.empty() || !output.store.empty() || output.commit;
      for (SnapMessage& message : output.send) {
        if (const auto* want = std::get_if<SnapWant>(&message.body))
          for (const PieceRequest& piece : want->pieces) asked_.push_back({message.to, piece});
        sent_.push_back(std::move(message));
      }
      if (!output.find.empty()) {
        std::vector<bool> present;
        for (const ContentHash& hash : output.find) present.push_back(store_.contains(hash));
        receiver_.found(present);
      }
      for (const ReceivedPage& page : output.store) {
        EXPECT_EQ(storage::content_hash(*page.image), page.hash);
        store_[page.hash] = page.image;
        receiver_.stored(page.hash);
      }
      if (output.commit) commit(*output.commit);
    }
  }
  void commit(const storage::Checkpoint& manifest) {
    EXPECT_EQ(manifest.manifest_hash, checkpoint_.manifest.manifest_hash);
    if (std::exchange(hold_commit_, false)) return;
    std::vector<ContentHash> missing;
    for (const ContentHash& hash : manifest.page_hashes)
      if (!store_.contains(hash)) missing.push_back(hash);
    receiver_.committed(missing);
  }
  // Answers everything asked of `source` so far, as `having` has it.
  size_t answer(ReplicaId source, const FakeCheckpoint& having) {
    size_t answered = 0;
    for (auto& [asked_source, piece] : std::exchange(asked_, {})) {
      if (asked_source != source) {
        asked_.push_back({asked_source, piece});
        continue;
      }
      ++answered;
      deliver(source, answer_to(piece, having));
    }
    run();
    return answered;
  }
  static SnapBody answer_to(const PieceRequest& piece, const FakeCheckpoint& having) {
    const SharedBytes page = having.find(piece.hash);
    if (page == nullptr) return SnapMissing{piece.hash};
    const Byte* from = page->data() + piece.offset;
    const size_t count = std::min(kPieceBytesMax, page->size() - piece.offset);
    return SnapPiece{piece.hash, piece.offset, page->size(),
                     std::make_shared<const ByteBuffer>(from, from + count)};
  }
  void deliver(ReplicaId source, SnapBody body) {
    receiver_.recv(message_of(receiver_.offer(), source, kTarget, std::move(body)));
  }
  void finish_from(ReplicaId source) {
    run();
    while (!receiver_.outcome() && answer(source, checkpoint_) > 0) continue;
  }
  void ticks(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      receiver_.tick();
      run();
    }
  }

  const FakeCheckpoint& checkpoint_;
  SnapshotReceiver receiver_;
  Pages store_;
  std::vector<std::pair<ReplicaId, PieceRequest>> asked_;
  std::vector<SnapMessage> sent_;
  bool hold_commit_ = false;
};

class SnapshotReceiverTest : public testing::Test {
 protected:
  Prng rng_{1};
  const FakeCheckpoint checkpoint_ = make_checkpoint(rng_, 100, std::vector<size_t>(40, 700));
};

TEST_F(SnapshotReceiverTest, FetchesManifestAndPagesAWindowAtATime) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  ASSERT_EQ(harness.asked_.size(), 1u);
  EXPECT_EQ(harness.asked_[0].second.hash, checkpoint_.manifest.manifest_hash);
  harness.answer(kLeaderNode, checkpoint_);
  EXPECT_EQ(harness.asked_.size(), kTransferWindow);
  while (!harness.receiver_.outcome()) {
    ASSERT_GT(harness.answer(kLeaderNode, checkpoint_), 0u);
    EXPECT_LE(harness.asked_.size(), kTransferWindow);
  }
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
  EXPECT_EQ(harness.store_.size(), 40u);
  const auto acks = bodies<SnapAck>(harness.sent_);
  EXPECT_GE(acks.size(), 40u) << "each page is acknowledged";
  EXPECT_TRUE(acks.back().is_staged);
  EXPECT_EQ(acks.back().pages_done, 40u);
  EXPECT_EQ(harness.receiver_.take_spent(), 40 * 700 + checkpoint_.manifest_bytes->size());
}

TEST_F(SnapshotReceiverTest, FetchesOnlyWhatIsNotHereYet) {
  ReceiverHarness harness(checkpoint_);
  size_t here = 0;
  for (const auto& [hash, page] : checkpoint_.pages)
    if (here++ < 30) harness.store_[hash] = page;
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  size_t fetched = 0;
  while (!harness.receiver_.outcome()) fetched += harness.answer(kLeaderNode, checkpoint_);
  EXPECT_EQ(fetched, 10u);
}

TEST_F(SnapshotReceiverTest, AsksForNothingWithoutCredit) {
  ReceiverHarness harness(checkpoint_);
  harness.run(0);
  EXPECT_TRUE(harness.asked_.empty());
  EXPECT_GT(harness.receiver_.wants(), 0u);
  harness.run(1);
  EXPECT_EQ(harness.asked_.size(), 1u);
}

TEST_F(SnapshotReceiverTest, FetchesOneLongPageAtATimeBesideShortOnes) {
  const std::vector<size_t> sizes = {20 * kPieceBytesMax, 15 * kPieceBytesMax + 1, 100, 200};
  const FakeCheckpoint checkpoint = make_checkpoint(rng_, 100, sizes);
  ReceiverHarness harness(checkpoint);
  harness.run();
  harness.answer(kLeaderNode, checkpoint);
  while (!harness.receiver_.outcome()) {
    EXPECT_LE(harness.asked_.size(), kTransferWindow);
    std::set<ContentHash, storage::ByHash> long_ones;
    for (const auto& [source, piece] : harness.asked_)
      if (piece.offset > 0) long_ones.insert(piece.hash);
    EXPECT_LE(long_ones.size(), 1u);
    ASSERT_GT(harness.answer(kLeaderNode, checkpoint), 0u);
  }
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
  EXPECT_EQ(harness.store_.size(), 4u);
}

TEST_F(SnapshotReceiverTest, StagesAnEmptyCheckpoint) {
  const FakeCheckpoint empty = make_checkpoint(rng_, 100, {});
  ReceiverHarness harness(empty);
  harness.finish_from(kLeaderNode);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}

// --- Manifests that cannot be used ---------------------------------------------------------------

struct ManifestCase {
  const char* name;
  void (*change)(SnapshotOffer&, FakeCheckpoint&);
  const char* failure;
};
const ManifestCase kManifestCases[] = {
    {"Garbage",
     [](SnapshotOffer&, FakeCheckpoint& from) {
       from.manifest_bytes = std::make_shared<const ByteBuffer>(100, Byte{7});
     },
     "hash does not match"},
    {"AnotherOne",
     [](SnapshotOffer&, FakeCheckpoint& from) {
       Prng rng(99);
       from.manifest_bytes = make_checkpoint(rng, 100, {10}).manifest_bytes;
     },
     "another hash"},
    {"AnotherIndex", [](SnapshotOffer& offer, FakeCheckpoint&) { offer.index = LogIndex{101}; },
     "cut at index 100"},
    {"AnotherTerm", [](SnapshotOffer& offer, FakeCheckpoint&) { offer.term = Term{9}; },
     "cut at index 100 term 3"},
    {"AnotherChain", [](SnapshotOffer& offer, FakeCheckpoint&) { offer.chain = Chain{9}; },
     "cut at index 100"},
    {"AnotherGroup", [](SnapshotOffer& offer, FakeCheckpoint&) { offer.group = GroupId{8}; },
     "it is of group 7"},
};
class ManifestTest : public testing::TestWithParam<ManifestCase> {};

TEST_P(ManifestTest, MustBeTheOneThatWasOffered) {
  Prng rng(1);
  FakeCheckpoint checkpoint = make_checkpoint(rng, 100, {10, 20});
  SnapshotOffer offer = checkpoint.offer(1);
  GetParam().change(offer, checkpoint);
  SnapshotReceiver receiver(offer, {});
  receiver.advance(kMuch);
  const auto asked = bodies<SnapWant>(receiver.take_output().send).at(0).pieces.at(0);
  EXPECT_EQ(asked.hash, offer.manifest_hash);
  receiver.recv(message_of(
      offer, kLeaderNode, kTarget,
      SnapPiece{asked.hash, 0, checkpoint.manifest_bytes->size(), checkpoint.manifest_bytes}));
  EXPECT_EQ(receiver.outcome(), TransferOutcome::kFailed);
  EXPECT_NE(receiver.failure().find(GetParam().failure), std::string::npos) << receiver.failure();
  const auto output = receiver.take_output();
  EXPECT_TRUE(output.find.empty());
  EXPECT_EQ(bodies<SnapAbort>(output.send).at(0).reason, AbortReason::kFailed);
}
INSTANTIATE_TEST_SUITE_P(S08, ManifestTest, testing::ValuesIn(kManifestCases),
                         [](const auto& test) { return test.param.name; });

// --- Pieces that do not fit ----------------------------------------------------------------------

struct PieceCase {
  const char* name;
  void (*change)(SnapMessage&, SnapPiece&);
};
const PieceCase kPieceCases[] = {
    {"AnotherTransfer", [](SnapMessage& message, SnapPiece&) { message.id = SnapshotId{2}; }},
    {"AStranger", [](SnapMessage& message, SnapPiece&) { message.from = ReplicaId{77}; }},
    {"ADelegateNotAsked", [](SnapMessage& message, SnapPiece&) { message.from = kDelegate; }},
    {"NotAskedFor",
     [](SnapMessage&, SnapPiece& piece) {
       piece.hash = {1, 2};
     }},
    {"AnotherOffset", [](SnapMessage&, SnapPiece& piece) { piece.offset = 1; }},
    {"Empty",
     [](SnapMessage&, SnapPiece& piece) {
       piece.total_bytes = 0;
       piece.bytes = std::make_shared<const ByteBuffer>();
     }},
    {"TooShort",
     [](SnapMessage&, SnapPiece& piece) {
       piece.bytes = std::make_shared<const ByteBuffer>(piece.bytes->size() - 1);
     }},
    {"TooLarge", [](SnapMessage&, SnapPiece& piece) { piece.total_bytes = kPageBytesMax + 1; }},
};
class StrayPieceTest : public testing::TestWithParam<PieceCase> {};

TEST_P(StrayPieceTest, ChangesNothing) {
  Prng rng(1);
  const FakeCheckpoint checkpoint = make_checkpoint(rng, 100, {700, 800});
  ReceiverHarness harness(checkpoint, {kDelegate});
  harness.run();
  harness.answer(kLeaderNode, checkpoint);
  ASSERT_FALSE(harness.asked_.empty());
  const auto [source, asked] = harness.asked_[0];
  SnapBody body = ReceiverHarness::answer_to(asked, checkpoint);
  SnapMessage message = message_of(checkpoint.offer(1), source, kTarget, SnapMissing{});
  GetParam().change(message, std::get<SnapPiece>(body));
  if (GetParam().name == std::string("ADelegateNotAsked"))
    message.from = source == kDelegate ? kLeaderNode : kDelegate;
  message.body = body;
  harness.receiver_.recv(message);
  harness.run();
  EXPECT_TRUE(harness.store_.empty());
  EXPECT_FALSE(harness.receiver_.outcome());
  // What was asked for still arrives.
  while (!harness.receiver_.outcome() &&
         harness.answer(kDelegate, checkpoint) + harness.answer(kLeaderNode, checkpoint) > 0)
    continue;
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}
INSTANTIATE_TEST_SUITE_P(S08, StrayPieceTest, testing::ValuesIn(kPieceCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(SnapshotReceiverTest, NeverStoresADamagedPageAndTurnsToTheNextSource) {
  FakeCheckpoint damaged = checkpoint_;
  const ContentHash bad = checkpoint_.manifest.page_hashes[0];
  auto bytes = std::make_shared<ByteBuffer>(*damaged.pages.at(bad));
  (*bytes)[5] ^= 1;
  damaged.pages[bad] = bytes;
  ReceiverHarness harness(checkpoint_, {kDelegate});
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  while (harness.answer(kDelegate, damaged) > 0) continue;
  ASSERT_EQ(harness.asked_.size(), 1u);
  EXPECT_EQ(harness.asked_[0].first, kLeaderNode);
  EXPECT_EQ(harness.asked_[0].second.hash, bad);
  harness.answer(kLeaderNode, checkpoint_);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}

TEST_F(SnapshotReceiverTest, GivesUpWhenPagesKeepComingDamaged) {
  FakeCheckpoint damaged = checkpoint_;
  for (auto& [hash, page] : damaged.pages)
    page = std::make_shared<const ByteBuffer>(page->size(), Byte{0});
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.answer(kLeaderNode, damaged);
  harness.answer(kLeaderNode, damaged);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kFailed);
  EXPECT_TRUE(harness.store_.empty());
}

// --- Sources -------------------------------------------------------------------------------------

TEST_F(SnapshotReceiverTest, TakesFromTheLeaderWhatADelegateDoesNotHave) {
  FakeCheckpoint half = checkpoint_;
  for (size_t i = 0; i < 40; i += 2) half.pages.erase(checkpoint_.manifest.page_hashes[i]);
  ReceiverHarness harness(checkpoint_, {kDelegate});
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  size_t from_leader = 0;
  while (!harness.receiver_.outcome()) {
    harness.answer(kDelegate, half);
    from_leader += harness.answer(kLeaderNode, checkpoint_);
  }
  EXPECT_EQ(from_leader, 20u);
}

struct LostCase {
  const char* name;
  void (*lose)(ReceiverHarness&);
};
const LostCase kLostCases[] = {
    {"Silent", [](ReceiverHarness& harness) { harness.ticks(kSilenceTicksMax + 1); }},
    {"Busy",
     [](ReceiverHarness& harness) { harness.deliver(kDelegate, SnapAbort{AbortReason::kBusy}); }},
    {"Broken", [](ReceiverHarness& harness) { harness.receiver_.source_lost(kDelegate); }},
};
class LostDelegateTest : public testing::TestWithParam<LostCase> {};

TEST_P(LostDelegateTest, IsReplacedByTheLeader) {
  Prng rng(1);
  const FakeCheckpoint checkpoint = make_checkpoint(rng, 100, std::vector<size_t>(20, 300));
  ReceiverHarness harness(checkpoint, {kDelegate});
  harness.run();
  harness.answer(kLeaderNode, checkpoint);
  harness.answer(kDelegate, checkpoint);
  harness.asked_.clear();
  GetParam().lose(harness);
  harness.asked_.erase(std::remove_if(harness.asked_.begin(), harness.asked_.end(),
                                      [](const auto& ask) { return ask.first == kDelegate; }),
                       harness.asked_.end());
  harness.finish_from(kLeaderNode);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}
INSTANTIATE_TEST_SUITE_P(S08, LostDelegateTest, testing::ValuesIn(kLostCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(SnapshotReceiverTest, FailsWhenTheLeaderIsSilentForTenSeconds) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  harness.ticks(kSilenceTicksMax - 1);
  EXPECT_FALSE(harness.receiver_.outcome());
  harness.ticks(1);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kFailed);
}

TEST_F(SnapshotReceiverTest, AsksAgainForWhatDidNotCome) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.asked_.clear();  // Lost.
  harness.ticks(3 * kTicksPerSecond - 1);
  EXPECT_TRUE(harness.asked_.empty());
  harness.ticks(1);
  EXPECT_EQ(harness.asked_.size(), 1u);
  harness.finish_from(kLeaderNode);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}

TEST_F(SnapshotReceiverTest, EndsWhenTheLeaderSaysSo) {
  ReceiverHarness harness(checkpoint_, {kDelegate});
  harness.run();
  harness.deliver(kDelegate, SnapAbort{AbortReason::kSuperseded});
  EXPECT_FALSE(harness.receiver_.outcome()) << "a delegate decides nothing";
  harness.deliver(kLeaderNode, SnapAbort{AbortReason::kSuperseded});
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kSuperseded);
}

// --- Going on ------------------------------------------------------------------------------------

TEST_F(SnapshotReceiverTest, GoesOnUnderANewLeaderThatOffersTheSameCheckpoint) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  harness.answer(kLeaderNode, checkpoint_);
  const size_t stored = harness.store_.size();
  ASSERT_GT(stored, 0u);
  const SnapshotOffer again = checkpoint_.offer(55, ReplicaId{9}, 6);
  ASSERT_TRUE(harness.receiver_.rebind(again, {}));
  harness.asked_.clear();
  harness.run();
  size_t fetched = 0;
  while (!harness.receiver_.outcome()) {
    const size_t answered = harness.answer(ReplicaId{9}, checkpoint_);
    ASSERT_GT(answered, 0u);
    fetched += answered;
  }
  EXPECT_EQ(fetched, 40 - stored);
  EXPECT_EQ(harness.sent_.back().to, ReplicaId{9});
  EXPECT_EQ(harness.sent_.back().id, SnapshotId{55});
}

TEST_F(SnapshotReceiverTest, DoesNotTakeAnotherCheckpointForTheSame) {
  ReceiverHarness harness(checkpoint_);
  const FakeCheckpoint other = make_checkpoint(rng_, 200, {10}, &checkpoint_);
  EXPECT_FALSE(harness.receiver_.rebind(other.offer(2), {}));
  EXPECT_EQ(harness.receiver_.offer().id, SnapshotId{1});
}

TEST_F(SnapshotReceiverTest, FetchesWhatVanishedBeforeTheCommit) {
  ReceiverHarness harness(checkpoint_);
  for (const auto& [hash, page] : checkpoint_.pages) harness.store_[hash] = page;
  harness.hold_commit_ = true;
  harness.run();
  harness.answer(kLeaderNode, checkpoint_);
  EXPECT_FALSE(harness.receiver_.outcome());
  // An older checkpoint that held these pages was deleted meanwhile.
  std::vector<ContentHash> missing;
  for (size_t i = 0; i < 5; ++i) missing.push_back(checkpoint_.manifest.page_hashes[i]);
  for (const ContentHash& hash : missing) harness.store_.erase(hash);
  harness.receiver_.committed(missing);
  harness.run();
  EXPECT_EQ(harness.asked_.size(), 5u);
  harness.answer(kLeaderNode, checkpoint_);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kStaged);
}

TEST_F(SnapshotReceiverTest, GivesUpWhenPagesVanishAgainAndAgain) {
  ReceiverHarness harness(checkpoint_);
  const ContentHash page = checkpoint_.manifest.page_hashes[0];
  harness.run();
  harness.hold_commit_ = true;
  while (harness.answer(kLeaderNode, checkpoint_) > 0) continue;
  for (int round = 0; round < 4 && !harness.receiver_.outcome(); ++round) {
    harness.hold_commit_ = true;
    harness.receiver_.committed({page});
    harness.run();
    harness.answer(kLeaderNode, checkpoint_);
  }
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kFailed);
}

TEST_F(SnapshotReceiverTest, TellsTheLeaderThatItIsAliveWhileItsDiskWorks) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.hold_commit_ = true;
  while (harness.answer(kLeaderNode, checkpoint_) > 0) continue;
  harness.sent_.clear();
  harness.ticks(30 * kTicksPerSecond);
  EXPECT_EQ(bodies<SnapAck>(harness.sent_).size(), 30u);
  EXPECT_FALSE(harness.receiver_.outcome());
  harness.ticks(31 * kTicksPerSecond);
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kFailed) << "but not for ever";
}

TEST_F(SnapshotReceiverTest, FailsWithItsStore) {
  ReceiverHarness harness(checkpoint_);
  harness.run();
  harness.receiver_.failed(Status::io_error("no space"));
  EXPECT_EQ(harness.receiver_.outcome(), TransferOutcome::kFailed);
  EXPECT_EQ(harness.receiver_.failure(), "no space");
  harness.run();
  EXPECT_EQ(bodies<SnapAbort>(harness.sent_).size(), 1u);
}

}  // namespace
}  // namespace worldline::replication
