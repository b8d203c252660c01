// ScheduleQueue: order by due time, one entry per row, one running at a time [S 03/4.11].
#include "actors/schedule_queue.h"

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

ScheduleKey key(uint64_t row_id) {
  return {TableId(4096), row_id};
}

TEST(ScheduleQueue, GivesTheEarliestDueEntryFirst) {
  ScheduleQueue queue;
  queue.arm(key(1), Timestamp{300});
  queue.arm(key(2), Timestamp{100});
  EXPECT_EQ(queue.next_due(), Timestamp{100});
  EXPECT_FALSE(queue.take_due(Timestamp{99}));
  const auto first = queue.take_due(Timestamp{400});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->key, key(2));
  EXPECT_EQ(first->due, Timestamp{100});
}

TEST(ScheduleQueue, RunsOneEntryAtATime) {
  ScheduleQueue queue;
  queue.arm(key(1), Timestamp{1});
  queue.arm(key(2), Timestamp{2});
  ASSERT_TRUE(queue.take_due(Timestamp{10}));
  EXPECT_FALSE(queue.take_due(Timestamp{10}));
  EXPECT_FALSE(queue.next_due());
  queue.finished();
  EXPECT_TRUE(queue.take_due(Timestamp{10}));
}

TEST(ScheduleQueue, ReplacesTheEntryOfTheSameRow) {
  ScheduleQueue queue;
  queue.arm(key(1), Timestamp{5});
  queue.arm(key(1), Timestamp{50});
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_FALSE(queue.take_due(Timestamp{49}));
  EXPECT_TRUE(queue.take_due(Timestamp{50}));
}

TEST(ScheduleQueue, ForgetsEverythingOnClear) {
  ScheduleQueue queue;
  queue.arm(key(1), Timestamp{5});
  queue.clear();
  EXPECT_FALSE(queue.next_due());
}

}  // namespace
}  // namespace worldline::actors
