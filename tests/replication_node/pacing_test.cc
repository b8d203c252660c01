// What keeps crowds and slow peers in bounds: wheel, pacer, outbox, fetch queue [S
// 08/1.9, 3.1, 3.3].
#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/node/append_outbox.h"
#include "replication/node/tick_wheel.h"
#include "replication/node/wake_pacer.h"

namespace worldline::replication {
namespace {

using namespace std::chrono_literals;

constexpr BootTime kBegin{1s};

TEST(TickWheel, RingsEachAlarmOnceAndInOrderOfGroups) {
  TickWheel wheel;
  wheel.set_alarm(GroupId{9}, NodeTick{5});
  wheel.set_alarm(GroupId{3}, NodeTick{5});
  wheel.set_alarm(GroupId{4}, NodeTick{7});
  wheel.set_alarm(GroupId{3}, NodeTick{6});  // Replaces the earlier one.
  EXPECT_EQ(wheel.take_due(NodeTick{4}), std::vector<GroupId>{});
  EXPECT_EQ(wheel.take_due(NodeTick{6}), (std::vector<GroupId>{GroupId{3}, GroupId{9}}));
  EXPECT_EQ(wheel.next_alarm(), NodeTick{7});
  wheel.forget(GroupId{4});
  EXPECT_EQ(wheel.next_alarm(), std::nullopt);
}

// Q8: in no second more than the rate and one tick's burst, whatever the rhythm of the calls.
TEST(WakePacer, KeepsTheRateOverEverySecond) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    WakePacer pacer(2000, kBegin);
    for (uint64_t group = 1; group <= 10'000; ++group) pacer.push(GroupId{group}, NodeTick{0});
    std::vector<BootTime> admitted;
    BootTime now = kBegin;
    while (pacer.waiting_count() > 0) {
      now += Micros{1 + static_cast<Micros::rep>(prng.below(60'000))};
      for (size_t i = pacer.take(now).size(); i > 0; --i) admitted.push_back(now);
    }
    ASSERT_EQ(admitted.size(), 10'000u);
    for (size_t i = 0; i + 2051 < admitted.size(); ++i)
      EXPECT_GT(admitted[i + 2051] - admitted[i], 1s) << "group number " << i;
  }
}

TEST(WakePacer, AdmitsTheCatalogFirstThenTheLastUsed) {
  WakePacer pacer(2000, kBegin);
  pacer.push(GroupId{5}, NodeTick{10});
  pacer.push(GroupId{6}, NodeTick{90});
  pacer.push(GroupId{7}, NodeTick{10});
  pacer.push(kCatalogGroupId, NodeTick{0});
  pacer.push(GroupId{8}, NodeTick{50});
  pacer.remove(GroupId{7});
  EXPECT_EQ(pacer.take(kBegin + 25ms),
            (std::vector<GroupId>{kCatalogGroupId, GroupId{6}, GroupId{8}, GroupId{5}}));
}

TEST(WakePacer, SavesNoMoreThanATicksWorth) {
  WakePacer pacer(40, kBegin);
  for (uint64_t group = 1; group <= 50; ++group) pacer.push(GroupId{group}, NodeTick{0});
  EXPECT_EQ(pacer.take(kBegin + 1h).size(), 1u);
  EXPECT_EQ(pacer.take(kBegin + 1h).size(), 0u);
  EXPECT_EQ(pacer.take(kBegin + 1h + 25ms).size(), 1u);
}

Envelope append_of(GroupId group, size_t payload_bytes, uint64_t seq) {
  Append append;
  append.seq = seq;
  Entry entry;
  entry.payload = std::make_shared<const ByteBuffer>(payload_bytes);
  append.entries.push_back(entry);
  Envelope message;
  message.group = group;
  message.body = append;
  return message;
}

uint64_t seq_of(const Envelope& message) {
  return std::get<Append>(message.body).seq;
}

TEST(AppendOutbox, HandsOverUpToTheBudgetAndServesGroupsInTurnAfterwards) {
  const size_t one = message_bytes(append_of(GroupId{2}, 1000, 0));
  AppendOutbox outbox(2 * one, 100 * one);
  uint64_t seq = 0;
  std::vector<std::pair<uint64_t, uint64_t>> order;  // Group, seq.
  for (const uint64_t group : {2u, 2u, 2u, 2u, 3u, 3u, 4u, 1u, 1u}) {
    Envelope message = append_of(GroupId{group}, 1000, ++seq);
    if (outbox.offer(message) == AppendOutbox::Outcome::kSend) order.emplace_back(group, seq);
  }
  EXPECT_EQ(order.size(), 2u);
  EXPECT_EQ(outbox.unsent_bytes(), 2 * one);
  while (outbox.waiting_bytes() > 0) {
    for (const Envelope& message : outbox.sent(one))
      order.emplace_back(message.group.value, seq_of(message));
  }
  // The catalog's two before their turn, then 2, 3, 4, 2, 3: groups share, each in its own order.
  const std::vector<std::pair<uint64_t, uint64_t>> expected{{2, 1}, {2, 2}, {1, 8}, {1, 9}, {2, 3},
                                                            {3, 5}, {4, 7}, {2, 4}, {3, 6}};
  EXPECT_EQ(order, expected);
}

TEST(AppendOutbox, SendsAMessageLargerThanItsBudgetAlone) {
  AppendOutbox outbox(1000, 100'000);
  Envelope huge = append_of(GroupId{2}, 50'000, 1);
  EXPECT_EQ(outbox.offer(huge), AppendOutbox::Outcome::kSend);
  Envelope small = append_of(GroupId{3}, 10, 2);
  EXPECT_EQ(outbox.offer(small), AppendOutbox::Outcome::kWaiting);
  EXPECT_EQ(outbox.sent(message_bytes(append_of(GroupId{2}, 50'000, 1))).size(), 1u);
}

TEST(AppendOutbox, DropsBeyondItsSecondLimitAndForgetsWithItsStream) {
  const size_t one = message_bytes(append_of(GroupId{2}, 1000, 0));
  AppendOutbox outbox(one, 2 * one);
  for (const auto expected : {AppendOutbox::Outcome::kSend, AppendOutbox::Outcome::kWaiting,
                              AppendOutbox::Outcome::kWaiting, AppendOutbox::Outcome::kDropped}) {
    Envelope message = append_of(GroupId{2}, 1000, 1);
    EXPECT_EQ(outbox.offer(message), expected);
  }
  EXPECT_EQ(outbox.waiting_bytes(), 2 * one);
  outbox.forget(GroupId{2});
  EXPECT_EQ(outbox.waiting_bytes(), 0u);
  outbox.reset();
  EXPECT_TRUE(outbox.has_room());
}

// I-28: whatever happens, everything is accounted for and comes back to zero.
TEST(AppendOutbox, AccountsForEveryByte) {
  Prng prng(7);
  AppendOutbox outbox(20'000, 60'000);
  std::map<GroupId, uint64_t> next_seq;
  std::deque<size_t> in_transport;
  const auto handed_over = [&](const Envelope& message) {
    EXPECT_GT(seq_of(message), next_seq[message.group]) << "order of group";
    next_seq[message.group] = seq_of(message);
    in_transport.push_back(message_bytes(message));
  };
  for (uint64_t step = 1; step <= 5000; ++step) {
    if (prng.chance(2)) {
      Envelope message = append_of(GroupId{1 + prng.below(5)}, prng.below(6000), step);
      if (outbox.offer(message) == AppendOutbox::Outcome::kSend) handed_over(message);
    } else if (!in_transport.empty()) {
      const size_t bytes = in_transport.front();
      in_transport.pop_front();
      for (const Envelope& message : outbox.sent(bytes)) handed_over(message);
    }
    EXPECT_LE(outbox.waiting_bytes(), 60'000u);
  }
  while (!in_transport.empty()) {
    const size_t bytes = in_transport.front();
    in_transport.pop_front();
    for (const Envelope& message : outbox.sent(bytes)) handed_over(message);
  }
  EXPECT_EQ(outbox.unsent_bytes(), 0u);
  EXPECT_EQ(outbox.waiting_bytes(), 0u);
}

WaitingFetch fetch_of(uint64_t group, bool is_catch_up, uint64_t node = 2) {
  WaitingFetch fetch;
  fetch.group = GroupId{group};
  fetch.node = NodeId{node};
  fetch.peer = ReplicaId{group * 10 + node};
  fetch.is_catch_up = is_catch_up;
  fetch.bytes_max = 1 * limits::MiB;
  return fetch;
}

TEST(FetchQueue, SharesTheBudgetOfCatchingUp) {
  FetchQueue queue(10 * limits::MiB, kBegin);
  const auto has_room = [](NodeId) { return true; };
  size_t done = 0;
  for (Micros at = 0ms; at <= 10s; at += 25ms) {
    for (uint64_t group = 2; group <= 4; ++group) queue.push(fetch_of(group, true));
    done += queue.take(kBegin + at, has_room).size();
  }
  // 10 MiB per second over ten seconds, and what the bucket held at the start.
  EXPECT_GE(done, 99u);
  EXPECT_LE(done, 102u);
}

TEST(FetchQueue, LetsLiveTrafficPassAndWaitsForTheOutbox) {
  FetchQueue queue(1 * limits::MiB, kBegin);
  for (uint64_t i = 2; i <= 4; ++i) queue.push(fetch_of(i, true));
  queue.push(fetch_of(5, false));
  queue.push(fetch_of(6, false, 3));
  queue.push(fetch_of(1, true));
  const auto only_node_2 = [](NodeId node) { return node == NodeId{2}; };
  std::vector<uint64_t> order;
  for (const WaitingFetch& fetch : queue.take(kBegin, only_node_2))
    order.push_back(fetch.group.value);
  EXPECT_EQ(order, (std::vector<uint64_t>{1, 5}));  // The catalog first; the rest owes.
  queue.forget(GroupId{3});
  EXPECT_EQ(queue.waiting_count(), 3u);
}

}  // namespace
}  // namespace worldline::replication
