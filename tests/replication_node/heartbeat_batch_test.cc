// Coalesced heartbeats: lists, differences, answers from the table [S 08/3.2].
#include <map>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/node/heartbeat_receiver.h"
#include "replication/node/heartbeat_sender.h"
#include "tests/base/random_seeds.h"

namespace worldline::replication {
namespace {

const NodeId kLeaderNode{1};

HeartbeatItem item_of(uint64_t group, uint64_t commit = 5, uint64_t term = 2) {
  HeartbeatItem item;
  item.group = GroupId{group};
  item.from = ReplicaId{group * 10 + 1};
  item.to = ReplicaId{group * 10 + 2};
  item.term = Term{term};
  item.config_index = LogIndex{1};
  item.commit = LogIndex{commit};
  return item;
}

HeartbeatRow row_of(const HeartbeatItem& item) {
  HeartbeatRow row;
  row.replica = item.to;
  row.term = item.term;
  row.leader = item.from;
  row.config_index = item.config_index;
  row.commit = row.applied = row.last = item.commit;
  row.is_plain = true;
  return row;
}

NodeHeader header_of(uint64_t incarnation = 1, uint64_t time = 0) {
  NodeHeader header;
  header.incarnation = incarnation;
  header.monotonic_ns = time;
  return header;
}

// As RaftNode builds it when no group has to be asked.
HeartbeatReply reply_to(const HeartbeatBatch& batch, const HeartbeatReceiver::Outcome& outcome) {
  HeartbeatReply reply;
  reply.seq_echo = batch.seq;
  reply.monotonic_ns_echo = batch.header.monotonic_ns;
  if (!outcome.is_understood) return reply;
  reply.item_count = static_cast<uint32_t>(outcome.list->size());
  reply.ok = all_bits(outcome.list->size());
  const auto clear = [&reply](uint32_t place) {
    reply.ok[place / 8] = static_cast<Byte>(reply.ok[place / 8] & ~(1 << (place % 8)));
  };
  for (const HeartbeatAnswer& answer : outcome.answers) clear(answer.place);
  for (const uint32_t place : outcome.for_groups) clear(place);
  reply.answers = outcome.answers;
  return reply;
}

// Whatever list follows whatever base, the difference gives the list back.
TEST(HeartbeatList, ADifferenceGivesTheListBack) {
  for (const uint64_t seed : random_seeds(300)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Prng prng(seed);
    HeartbeatItems base;
    HeartbeatItems list;
    for (uint64_t group = 1; group <= 40; ++group) {
      HeartbeatItem item = item_of(group, 5 + prng.below(3));
      if (!prng.chance(4)) base.push_back(item);
      if (prng.chance(5)) item.commit.value += prng.below(1000);
      if (prng.chance(9)) item.read_ctx += prng.below(3);
      if (prng.chance(9)) item.term.value += 1;
      if (prng.chance(20)) item.commit.value -= 1;  // A new leader may know of less.
      if (!prng.chance(4)) list.push_back(item);
    }
    HeartbeatBatch batch;
    encode_list(list, &base, batch);
    const auto shared = std::make_shared<const HeartbeatItems>(base);
    const Result<HeartbeatList> decoded = decode_list(batch, shared);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_EQ(decoded.value()->size(), list.size());
    for (size_t i = 0; i < list.size(); ++i)
      EXPECT_TRUE(is_same_item((*decoded.value())[i], list[i])) << i;
  }
}

TEST(HeartbeatList, ALightGroupCostsOneBit) {
  const auto list = std::make_shared<const HeartbeatItems>([] {
    HeartbeatItems items;
    for (uint64_t group = 1; group <= 1000; ++group) items.push_back(item_of(group));
    return items;
  }());
  HeartbeatBatch batch;
  encode_list(*list, list.get(), batch);
  EXPECT_TRUE(batch.full.empty());
  EXPECT_TRUE(batch.changed.empty());
  EXPECT_EQ(batch.light.size(), 125u);
  EXPECT_EQ(decode_list(batch, list).value(), list) << "the same list is the same object";
}

struct BadBatch {
  const char* name;
  void (*spoil)(HeartbeatBatch&);
};
const BadBatch kBadBatches[] = {
    {"ItemsOutOfOrder",
     [](HeartbeatBatch& b) {
       b.full = {item_of(9), item_of(8)};
     }},
    {"AGroupTwice", [](HeartbeatBatch& b) { b.full = {item_of(2)}; }},
    {"AChangeBehindTheBase",
     [](HeartbeatBatch& b) {
       b.changed = {{3, 1, 0}};
     }},
    {"AChangeOfALightItem",
     [](HeartbeatBatch& b) {
       b.changed = {{0, 1, 0}};
     }},
    {"ChangesOutOfOrder",
     [](HeartbeatBatch& b) {
       b.light = {4}, b.changed = {{1, 1, 0}, {0, 1, 0}};
     }},
    {"ABitBehindTheBase", [](HeartbeatBatch& b) { b.light = {0x0F}; }},
    {"TooManyBits",
     [](HeartbeatBatch& b) {
       b.light = {7, 0};
     }},
};

TEST(HeartbeatList, RefusesWhatNoSenderMakes) {
  const auto base =
      std::make_shared<const HeartbeatItems>(HeartbeatItems{item_of(1), item_of(2), item_of(3)});
  for (const BadBatch& c : kBadBatches) {
    SCOPED_TRACE(c.name);
    HeartbeatBatch batch;
    encode_list(*base, base.get(), batch);
    c.spoil(batch);
    EXPECT_EQ(decode_list(batch, base).status().code(), StatusCode::kInvalidArgument);
  }
}

// --- The two ends
// ------------------------------------------------------------------------------------

struct Ends {
  HeartbeatSender sender;
  HeartbeatReceiver receiver;
  uint64_t tick = 10;

  // One interval; the batch or the reply may be lost.
  HeartbeatReceiver::Outcome beat(bool batch_arrives = true, bool reply_arrives = true) {
    tick += 3;
    const HeartbeatBatch batch = sender.make_batch(header_of(1, tick));
    last_full = batch.full.size() + batch.changed.size();
    if (!batch_arrives) return {};
    auto outcome = receiver.on_batch(kLeaderNode, batch, NodeTick{tick});
    EXPECT_TRUE(outcome.ok());
    if (reply_arrives) answers = sender.on_reply(reply_to(batch, outcome.value()));
    return outcome.value();
  }
  HeartbeatSender::Answers answers;
  size_t last_full = 0;
};

TEST(HeartbeatBatch, StandingItemsFallSilentAndAreRenewedTogether) {
  Ends ends;
  for (uint64_t group = 2; group <= 20; ++group) {
    ends.receiver.update(GroupId{group}, row_of(item_of(group)));
    ends.sender.stand(item_of(group));
  }
  ends.beat();
  EXPECT_EQ(ends.last_full, 19u);
  for (int i = 0; i < 3; ++i) {
    const auto outcome = ends.beat();
    EXPECT_EQ(ends.last_full, 0u);
    EXPECT_TRUE(outcome.answers.empty());
    EXPECT_TRUE(outcome.for_groups.empty());
    EXPECT_TRUE(ends.answers.is_valid);
    EXPECT_TRUE(ends.answers.given.empty());
    EXPECT_TRUE(ends.answers.silent.empty());
  }
  EXPECT_TRUE(ends.receiver.is_silent(GroupId{7}));
  const std::optional<HeardItem> heard = ends.receiver.take_heard(GroupId{7});
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->at, NodeTick{ends.tick});
  EXPECT_EQ(ends.receiver.take_heard(GroupId{7}), std::nullopt) << "told once";
}

TEST(HeartbeatBatch, ALostBatchOrReplyIsMadeGood) {
  Ends ends;
  for (uint64_t group = 2; group <= 4; ++group) {
    ends.receiver.update(GroupId{group}, row_of(item_of(group)));
    ends.sender.stand(item_of(group));
  }
  ends.beat();
  ends.sender.withdraw(GroupId{3});
  ends.sender.stand(item_of(5));
  ends.receiver.update(GroupId{5}, row_of(item_of(5)));
  ends.beat(false);
  EXPECT_EQ(ends.last_full, 1u);
  ends.beat(true, false);
  EXPECT_EQ(ends.last_full, 1u) << "the base is the last batch that was confirmed";
  EXPECT_FALSE(ends.receiver.is_silent(GroupId{3}));
  EXPECT_TRUE(ends.receiver.is_silent(GroupId{5}));
  ends.beat();
  EXPECT_EQ(ends.last_full, 1u);
  ends.beat();
  EXPECT_EQ(ends.last_full, 0u);
}

TEST(HeartbeatBatch, EverythingIsFullForANewLifeOfTheReceiver) {
  Ends ends;
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  ends.sender.stand(item_of(2));
  ends.beat();
  ends.beat();
  EXPECT_EQ(ends.last_full, 0u);
  ends.receiver = {};
  EXPECT_FALSE(ends.beat().is_understood);
  EXPECT_FALSE(ends.answers.is_valid);
  const auto outcome = ends.beat();
  EXPECT_EQ(ends.last_full, 1u);
  EXPECT_EQ(outcome.for_groups.size(), 1u) << "no row here: somebody must say so";
}

TEST(HeartbeatBatch, ANewLifeOfTheSenderEndsAllSilence) {
  Ends ends;
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  ends.sender.stand(item_of(2));
  ends.beat();
  ends.beat();
  ASSERT_TRUE(ends.receiver.is_silent(GroupId{2}));
  HeartbeatSender reborn;
  const auto outcome =
      ends.receiver.on_batch(kLeaderNode, reborn.make_batch(header_of(2)), NodeTick{40});
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.value().lapsed, std::vector<GroupId>{GroupId{2}});
  EXPECT_FALSE(ends.receiver.is_silent(GroupId{2}));
  const auto old =
      ends.receiver.on_batch(kLeaderNode, ends.sender.make_batch(header_of(1)), NodeTick{41});
  EXPECT_TRUE(old.value().is_stale);
}

TEST(HeartbeatBatch, ARepeatedBatchIsIgnored) {
  Ends ends;
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  ends.sender.offer(item_of(2));
  const HeartbeatBatch batch = ends.sender.make_batch(header_of());
  EXPECT_FALSE(ends.receiver.on_batch(kLeaderNode, batch, NodeTick{3}).value().is_stale);
  EXPECT_TRUE(ends.receiver.on_batch(kLeaderNode, batch, NodeTick{4}).value().is_stale);
}

// Per-group answers are required: a live node does not imply a live replica of the same term.
struct RowCase {
  const char* name;
  void (*change)(HeartbeatRow&);
  enum Answer { kSilent, kFromTable, kFromGroup } answer;
};
const RowCase kRows[] = {
    {"Same", [](HeartbeatRow&) {}, RowCase::kSilent},
    {"KnowsMore", [](HeartbeatRow& r) { r.commit = r.applied = r.last = LogIndex{9}; },
     RowCase::kFromTable},
    {"HasALongerTail", [](HeartbeatRow& r) { r.last = LogIndex{9}; }, RowCase::kFromTable},
    {"AppliedLess", [](HeartbeatRow& r) { r.applied = LogIndex{4}; }, RowCase::kFromTable},
    {"OtherConfig", [](HeartbeatRow& r) { r.config_index = LogIndex{3}; }, RowCase::kFromTable},
    {"CommitIsNews", [](HeartbeatRow& r) { r.commit = LogIndex{4}; }, RowCase::kFromGroup},
    {"HigherTerm", [](HeartbeatRow& r) { r.term = Term{3}; }, RowCase::kFromGroup},
    {"LowerTerm", [](HeartbeatRow& r) { r.term = Term{1}; }, RowCase::kFromGroup},
    {"OtherLeader", [](HeartbeatRow& r) { r.leader = ReplicaId{99}; }, RowCase::kFromGroup},
    {"NoLeader", [](HeartbeatRow& r) { r.leader = ReplicaId{}; }, RowCase::kFromGroup},
    {"OtherReplica", [](HeartbeatRow& r) { r.replica = ReplicaId{99}; }, RowCase::kFromGroup},
    {"NotPlain", [](HeartbeatRow& r) { r.is_plain = false; }, RowCase::kFromGroup},
};

TEST(HeartbeatBatch, TheTableAnswersOnlyWhatTheGroupWouldSay) {
  for (const RowCase& c : kRows) {
    SCOPED_TRACE(c.name);
    for (const bool changes_later : {false, true}) {
      Ends ends;
      const HeartbeatItem item = item_of(2);
      HeartbeatRow row = row_of(item);
      ends.receiver.update(GroupId{2}, row);
      ends.sender.stand(item);
      if (changes_later) ends.beat();
      c.change(row);
      ends.receiver.update(GroupId{2}, row);
      const auto outcome = ends.beat();
      EXPECT_EQ(ends.receiver.is_silent(GroupId{2}), c.answer == RowCase::kSilent);
      EXPECT_EQ(outcome.answers.size(), c.answer == RowCase::kFromTable ? 1u : 0u);
      EXPECT_EQ(outcome.for_groups.size(), c.answer == RowCase::kFromGroup ? 1u : 0u);
      // Whoever has to answer is named again in every batch that only repeats itself.
      const auto again = ends.beat();
      EXPECT_EQ(again.for_groups.size(), outcome.for_groups.size());
      EXPECT_EQ(again.answers.size(), outcome.answers.size());
      EXPECT_EQ(ends.answers.silent.size(), outcome.for_groups.size());
    }
  }
}

TEST(HeartbeatBatch, AReplicaThatIsGoneIsNamed) {
  Ends ends;
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  ends.sender.stand(item_of(2));
  ends.beat();
  ends.receiver.erase(GroupId{2});
  EXPECT_EQ(ends.beat().for_groups.size(), 1u);
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  EXPECT_TRUE(ends.beat().for_groups.empty());
  EXPECT_TRUE(ends.receiver.is_silent(GroupId{2}));
}

TEST(HeartbeatBatch, AGroupThatIsNoLongerListedLapses) {
  Ends ends;
  ends.receiver.update(GroupId{2}, row_of(item_of(2)));
  ends.sender.stand(item_of(2));
  ends.beat();
  ends.beat();
  const uint64_t last_listed = ends.tick;
  ends.sender.withdraw(GroupId{2});
  EXPECT_EQ(ends.beat().lapsed, std::vector<GroupId>{GroupId{2}});
  const std::optional<HeardItem> heard = ends.receiver.take_heard(GroupId{2});
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->at, NodeTick{last_listed}) << "the batch without it is no heartbeat";
}

struct BadReply {
  const char* name;
  void (*spoil)(HeartbeatReply&);
};
const BadReply kBadReplies[] = {
    {"OtherCount", [](HeartbeatReply& r) { r.item_count = 4; }},
    {"NoBits", [](HeartbeatReply& r) { r.ok.clear(); }},
    {"AnAnswerBesideABit",
     [](HeartbeatReply& r) {
       r.answers.push_back({1, {}, {}, {}, 0, {}, {}});
     }},
    {"AnAnswerForNoItem",
     [](HeartbeatReply& r) {
       r.answers.push_back({3, {}, {}, {}, 0, {}, {}});
     }},
};

TEST(HeartbeatBatch, AReplyThatMakesNoSenseStartsAfresh) {
  for (const BadReply& c : kBadReplies) {
    SCOPED_TRACE(c.name);
    Ends ends;
    for (uint64_t group = 2; group <= 4; ++group) {
      ends.receiver.update(GroupId{group}, row_of(item_of(group)));
      ends.sender.stand(item_of(group));
    }
    ends.beat();
    ends.beat();
    EXPECT_EQ(ends.last_full, 0u);
    const HeartbeatBatch batch = ends.sender.make_batch(header_of(1, 99));
    auto outcome = ends.receiver.on_batch(kLeaderNode, batch, NodeTick{99});
    HeartbeatReply reply = reply_to(batch, outcome.value());
    c.spoil(reply);
    EXPECT_FALSE(ends.sender.on_reply(reply).is_valid);
    ends.tick = 100;
    ends.beat();
    EXPECT_EQ(ends.last_full, 3u);
  }
}

TEST(HeartbeatBatch, AnEchoOfAnotherTimeIsNoReply) {
  Ends ends;
  ends.sender.stand(item_of(2));
  const HeartbeatBatch batch = ends.sender.make_batch(header_of(1, 50));
  HeartbeatReply reply;
  reply.seq_echo = batch.seq;
  reply.monotonic_ns_echo = 49;
  reply.item_count = 1;
  reply.ok = all_bits(1);
  EXPECT_FALSE(ends.sender.on_reply(reply).is_valid);
  reply.monotonic_ns_echo = 50;
  EXPECT_TRUE(ends.sender.on_reply(reply).is_valid);
  EXPECT_FALSE(ends.sender.on_reply(reply).is_valid) << "the same reply twice";
}

// Whatever is lost, both ends agree on the list of every batch that arrives.
TEST(HeartbeatBatch, BothEndsAgreeUnderLoss) {
  for (const uint64_t seed : random_seeds(100)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Prng prng(seed);
    Ends ends;
    std::map<GroupId, HeartbeatItem> standing;
    for (int step = 0; step < 300; ++step) {
      std::map<GroupId, HeartbeatItem> expected;
      for (uint64_t k = prng.below(4); k > 0; --k) {
        HeartbeatItem item = item_of(1 + prng.below(30), 5 + prng.below(4), 1 + prng.below(2));
        if (prng.chance(3)) {
          ends.sender.withdraw(item.group);
          standing.erase(item.group);
          expected.erase(item.group);
        } else if (prng.chance(2)) {
          ends.sender.stand(item);
          standing[item.group] = item;
          expected.erase(item.group);
        } else {
          ends.sender.offer(item);
          expected[item.group] = item;
          standing.erase(item.group);
        }
      }
      if (prng.chance(50)) ends.sender.start_afresh();
      if (prng.chance(80)) ends.receiver = {};
      const auto outcome = ends.beat(!prng.chance(5), !prng.chance(5));
      for (const auto& [group, item] : standing) expected.emplace(group, item);
      if (!outcome.is_understood) continue;
      ASSERT_EQ(outcome.list->size(), expected.size()) << "step " << step;
      for (const HeartbeatItem& item : *outcome.list)
        EXPECT_TRUE(is_same_item(item, expected.at(item.group))) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace worldline::replication
