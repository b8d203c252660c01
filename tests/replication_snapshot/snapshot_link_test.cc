// Whole transfers between nodes over links that lose, repeat, delay and reorder; with stores that
// forget pages, delegates that have half of them, leaders that change, and newer checkpoints in
// between [S 08/3.8]. When the faults end, the snapshot is staged, and it is the offered one.
#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "replication/snapshot/incoming_transfers.h"
#include "replication/snapshot/snapshot_codec.h"
#include "tests/base/random_seeds.h"
#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

constexpr ReplicaId kSecondLeader{4};

struct LinkFaults {
  uint64_t loss_percent = 0;
  uint64_t repeat_percent = 0;
  uint64_t delay_ticks_max = 0;
  uint64_t forget_percent = 0;  // Per tick: the target's store loses a page.
  bool leader_changes = false;
  bool newer_checkpoint = false;
};

// A message on its way: of the service, or the offer that travels through the core.
struct InFlight {
  uint64_t due;
  ReplicaId to;
  ByteBuffer bytes;  // Empty: the offer.
  SnapshotOffer offer;
};

class TransferWorld {
 public:
  TransferWorld(uint64_t seed, const LinkFaults& faults) : rng_(seed), faults_(faults) {
    std::vector<size_t> sizes;
    for (uint64_t count = 5 + rng_.below(60); count > 0; --count)
      sizes.push_back(rng_.chance(15) ? kPieceBytesMax * (1 + rng_.below(3)) + rng_.below(100)
                                      : 1 + rng_.below(70'000));
    checkpoints_.push_back(make_checkpoint(rng_, 100, sizes));
    checkpoints_.push_back(make_checkpoint(rng_, 200, sizes, &checkpoints_[0]));
    for (const auto& [hash, page] : checkpoints_[0].pages)
      if (rng_.chance(3)) store_[hash] = page;  // An older checkpoint of the target.
  }

  void run(uint64_t faulty_ticks, uint64_t healthy_ticks) {
    while (now_ < faulty_ticks && staged_.empty()) tick();
    faults_ = {};
    const uint64_t end = now_ + healthy_ticks;
    while (now_ < end && staged_.empty()) tick();
    ASSERT_FALSE(staged_.empty()) << "after " << now_ << " ticks";
    check_staged();
  }
  uint64_t now() const { return now_; }
  uint64_t attempts() const { return last_id_; }

 private:
  const FakeCheckpoint& offered() const { return checkpoints_[current_]; }
  OutgoingTransfers& outgoing(ReplicaId node) { return outgoing_.at(node); }

  void tick() {
    ++now_;
    change_leader();
    if (!is_offered_ && now_ >= retry_at_) offer();
    deliver();
    for (auto& [node, transfers] : outgoing_) transfers.tick();
    incoming_.tick();
    forget();
    for (int round = 0; round < 20; ++round) exchange();
  }
  void change_leader() {
    if (!faults_.leader_changes || now_ % 40 != 0) return;
    outgoing(leader_).cancel_all(kFirstGroup);
    leader_ = leader_ == kLeaderNode ? kSecondLeader : kLeaderNode;
    ++term_;
    is_offered_ = false;
    if (faults_.newer_checkpoint && rng_.chance(2)) current_ = 1;
  }
  // What the core of the leader does: send_snapshot, again after a failure.
  void offer() {
    is_offered_ = true;
    OutgoingRequest request;
    request.offer = offered().offer(++last_id_, leader_, term_);
    request.begin = {TransferClass::kRepair, false, {kDelegate}};
    outgoing(leader_).request(request);
  }
  void forget() {
    if (rng_.below(100) >= faults_.forget_percent || store_.empty()) return;
    auto at = store_.begin();
    std::advance(at, static_cast<ptrdiff_t>(rng_.below(store_.size())));
    store_.erase(at);
  }

  // --- Links ---------------------------------------------------------------------------------
  void put_on_link(InFlight message) {
    for (uint64_t copies = 1 + (rng_.below(100) < faults_.repeat_percent ? 1 : 0); copies > 0;
         --copies) {
      if (rng_.below(100) < faults_.loss_percent) continue;
      message.due = now_ + rng_.below(faults_.delay_ticks_max + 1);
      links_.push_back(message);
    }
  }
  void send(const SnapMessage& message) {
    put_on_link({0, message.to, encode_snap_message(message), {}});
  }
  void deliver() {
    std::vector<InFlight> due;
    std::vector<InFlight> later;
    for (InFlight& message : links_)
      (message.due <= now_ ? due : later).push_back(std::move(message));
    links_ = std::move(later);
    if (faults_.delay_ticks_max > 0)
      for (size_t i = due.size(); i > 1; --i) std::swap(due[i - 1], due[rng_.below(i)]);
    for (const InFlight& message : due) receive(message);
  }
  void receive(const InFlight& message) {
    if (message.bytes.empty()) {
      if (message.offer.leader_term.value == term_) incoming_.offer(message.offer);
      return;
    }
    const auto decoded = decode_snap_message(message.bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    if (message.to == kTarget) {
      incoming_.recv(*decoded);
    } else {
      outgoing(message.to).recv(*decoded);
    }
  }

  // --- Stores --------------------------------------------------------------------------------
  SharedBytes page_at(ReplicaId node, const ContentHash& hash) const {
    // The delegate has every page but those of one half; it has no manifest of ours.
    if (node == kDelegate && (hash.low % 2 == 0 || hash == offered().manifest.manifest_hash))
      return nullptr;
    for (const FakeCheckpoint& checkpoint : checkpoints_)
      if (const SharedBytes page = checkpoint.find(hash)) return page;
    return nullptr;
  }
  void exchange() {
    for (auto& [node, transfers] : outgoing_) {
      const auto output = transfers.take_output();
      for (const SnapshotOffer& offer : output.offers) put_on_link({0, kTarget, {}, offer});
      for (const SnapMessage& message : output.send) send(message);
      for (const auto& load : output.loads) transfers.loaded(load, page_at(node, load.hash));
      for (const auto& finished : output.finished) {
        if (node != leader_ || finished.id != SnapshotId{last_id_}) continue;
        is_offered_ = false;
        retry_at_ = now_ + 1;
      }
    }
    serve_target(incoming_.take_output());
  }
  void serve_target(const IncomingTransfers::Output& output) {
    for (const SnapMessage& message : output.send) send(message);
    for (const auto& find : output.finds) {
      std::vector<bool> present;
      for (const ContentHash& hash : find.hashes) present.push_back(store_.contains(hash));
      incoming_.found(find.ticket, present);
    }
    for (const auto& store : output.stores) {
      ASSERT_EQ(storage::content_hash(*store.page.image), store.page.hash);
      store_[store.page.hash] = store.page.image;
      incoming_.stored(store.ticket, store.page.hash);
    }
    for (const auto& commit : output.commits) {
      std::vector<ContentHash> missing;
      for (const ContentHash& hash : commit.checkpoint.page_hashes)
        if (!store_.contains(hash)) missing.push_back(hash);
      incoming_.committed(commit.ticket, missing);
    }
    for (const SnapshotOffer& offer : output.staged) staged_.push_back(offer);
  }
  void check_staged() {
    const SnapshotOffer& staged = staged_.front();
    const auto of = std::find_if(checkpoints_.begin(), checkpoints_.end(), [&](const auto& c) {
      return c.manifest.manifest_hash == staged.manifest_hash;
    });
    ASSERT_NE(of, checkpoints_.end());
    EXPECT_EQ(staged.index, of->manifest.index);
    for (const auto& [hash, page] : of->pages) {
      ASSERT_TRUE(store_.contains(hash));
      EXPECT_EQ(*store_.at(hash), *page);
    }
    EXPECT_EQ(incoming_.running(), 0u);
  }

  Prng rng_;
  LinkFaults faults_;
  std::vector<FakeCheckpoint> checkpoints_;
  size_t current_ = 0;
  std::map<ReplicaId, OutgoingTransfers> outgoing_ = [] {
    std::map<ReplicaId, OutgoingTransfers> made;
    for (const ReplicaId node : {kLeaderNode, kDelegate, kSecondLeader})
      made.emplace(node, OutgoingTransfers(OutgoingLimits{}));
    return made;
  }();
  IncomingTransfers incoming_{IncomingLimits{}};
  Pages store_;  // Of the target.
  std::vector<InFlight> links_;
  std::vector<SnapshotOffer> staged_;
  ReplicaId leader_ = kLeaderNode;
  uint64_t term_ = 5;
  uint64_t last_id_ = 0;
  bool is_offered_ = false;
  uint64_t retry_at_ = 0;
  uint64_t now_ = 0;
};

struct WorldCase {
  const char* name;
  LinkFaults faults;
};
const WorldCase kWorldCases[] = {
    {"Healthy", {}},
    {"Lossy", {.loss_percent = 20}},
    {"VeryLossy", {.loss_percent = 60}},
    {"Repeating", {.repeat_percent = 50}},
    {"Reordering", {.delay_ticks_max = 15}},
    {"Forgetful", {.forget_percent = 30}},
    {"ChangingLeaders", {.loss_percent = 5, .delay_ticks_max = 3, .leader_changes = true}},
    {"Everything",
     {.loss_percent = 15,
      .repeat_percent = 15,
      .delay_ticks_max = 8,
      .forget_percent = 5,
      .leader_changes = true,
      .newer_checkpoint = true}},
};
class SnapshotLinkTest : public testing::TestWithParam<WorldCase> {};

TEST_P(SnapshotLinkTest, StagesTheOfferedCheckpointInTheEnd) {
  uint64_t ticks = 0;
  uint64_t attempts = 0;
  const std::vector<uint64_t> seeds = random_seeds(12);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    TransferWorld world(seed, GetParam().faults);
    world.run(60 * kTicksPerSecond, 120 * kTicksPerSecond);
    if (HasFatalFailure()) return;
    ticks += world.now();
    attempts += world.attempts();
  }
  std::printf("%s: %zu seeds, %llu ticks, %llu offers\n", GetParam().name, seeds.size(),
              static_cast<unsigned long long>(ticks), static_cast<unsigned long long>(attempts));
}
INSTANTIATE_TEST_SUITE_P(S08, SnapshotLinkTest, testing::ValuesIn(kWorldCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
