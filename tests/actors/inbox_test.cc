// Inbox: batches in order of arrival, one wake per batch, limits that refuse.
#include "actors/inbox.h"

#include <atomic>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

TEST(Inbox, WakesTheOwnerOnceForEachBatch) {
  Inbox<int> inbox(100);
  int one = 1;
  int two = 2;
  EXPECT_EQ(*inbox.push(one, 1), Wake::kYes);
  EXPECT_EQ(*inbox.push(two, 1), Wake::kNo);
  EXPECT_EQ(inbox.take(), (std::vector<int>{1, 2}));
  EXPECT_EQ(*inbox.push(one, 1), Wake::kYes);
}

TEST(Inbox, RefusesBeyondItsBytesAndLeavesTheItem) {
  Inbox<std::string> inbox(10);
  std::string large = "first";
  ASSERT_TRUE(inbox.push(large, 11).ok());  // Below the limit when it came.
  std::string refused = "second";
  const auto pushed = inbox.push(refused, 1);
  EXPECT_EQ(pushed.status().code(), StatusCode::kOverloaded);
  EXPECT_EQ(refused, "second");
  EXPECT_TRUE(inbox.push(refused, 1, Admission::kAlways).ok());
  EXPECT_EQ(inbox.take().size(), 2u);
  EXPECT_EQ(inbox.bytes(), 0u);
}

TEST(Inbox, RefusesEverythingAfterCloseButKeepsWhatIsInside) {
  Inbox<int> inbox(10);
  int item = 7;
  ASSERT_TRUE(inbox.push(item, 1).ok());
  inbox.close(Status::corruption("damaged"));
  inbox.close(Status::unavailable("too late to say"));
  EXPECT_EQ(inbox.push(item, 1, Admission::kAlways).status().message(), "damaged");
  EXPECT_EQ(inbox.take(), std::vector<int>{7});
}

TEST(Inbox, LosesNothingBetweenManySendersAndOneOwner) {
  constexpr int kSenders = 4;
  constexpr int kItems = 5000;
  Inbox<int> inbox(1 << 30);
  std::atomic<int> wakes{0};
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender)
    senders.emplace_back([&, sender] {
      for (int i = 0; i < kItems; ++i) {
        int item = sender * kItems + i;
        if (*inbox.push(item, 1) == Wake::kYes) wakes.fetch_add(1);
      }
    });
  std::vector<int> seen;
  int batches = 0;
  while (seen.size() < size_t{kSenders} * kItems) {
    const auto batch = inbox.take();
    if (!batch.empty()) ++batches;
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  for (auto& sender : senders) sender.join();
  std::vector<int> last(kSenders, -1);
  for (const int item : seen) {  // Each sender's items keep their order.
    EXPECT_GT(item, last[static_cast<size_t>(item / kItems)]);
    last[static_cast<size_t>(item / kItems)] = item;
  }
  EXPECT_EQ(batches, wakes.load());
}

}  // namespace
}  // namespace worldline::actors
