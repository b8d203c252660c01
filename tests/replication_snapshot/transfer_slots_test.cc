// Who may run [S 08/3.8 rule 5].
#include "replication/snapshot/transfer_slots.h"

#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

SlotRequest request_of(uint64_t group, TransferClass transfer_class = TransferClass::kRebalance,
                       bool is_needed = false) {
  return {{GroupId{group}, ReplicaId{1}}, transfer_class, is_needed};
}

// What runs already (group, needed), what waits in this order, and which runs next; 0 = none.
struct SlotCase {
  const char* name;
  std::vector<SlotRequest> running;
  std::vector<SlotRequest> waiting;
  uint64_t next;
};
const SlotCase kSlotCases[] = {
    {"NobodyWaits", {}, {}, 0},
    {"TheFirst", {}, {request_of(1), request_of(2)}, 1},
    {"Full", {request_of(1), request_of(2)}, {request_of(3)}, 0},
    {"ClassBeforeArrival",
     {request_of(1)},
     {request_of(2), request_of(3, TransferClass::kRepair), request_of(4, TransferClass::kCatalog)},
     4},
    {"ArrivalWithinAClass",
     {request_of(1)},
     {request_of(2, TransferClass::kRepair), request_of(3, TransferClass::kRepair)},
     2},
    {"TheReservedSlot",
     {request_of(1), request_of(2)},
     {request_of(3, TransferClass::kCatalog), request_of(4, TransferClass::kQuorum, true)},
     4},
    {"TheReservedSlotIsTakenToo",
     {request_of(1), request_of(2), request_of(3, TransferClass::kQuorum, true)},
     {request_of(4, TransferClass::kQuorum, true)},
     0},
    {"NeededOnesLeaveNoOpenSlotToOthers",
     {request_of(1, TransferClass::kQuorum, true), request_of(2, TransferClass::kQuorum, true)},
     {request_of(3)},
     0},
};
class TransferSlotsTest : public testing::TestWithParam<SlotCase> {};

TEST_P(TransferSlotsTest, GoToTheMostUrgentThatMayRun) {
  TransferSlots slots({});
  for (const SlotRequest& request : GetParam().running) ASSERT_TRUE(slots.try_take(request));
  for (const SlotRequest& request : GetParam().waiting) ASSERT_TRUE(slots.enqueue(request));
  const auto next = slots.take_next();
  EXPECT_EQ(next ? next->key.group.value : 0, GetParam().next);
  EXPECT_TRUE(!next || slots.is_running(next->key));
}
INSTANTIATE_TEST_SUITE_P(S08, TransferSlotsTest, testing::ValuesIn(kSlotCases),
                         [](const auto& test) { return test.param.name; });

TEST(TransferSlotsLimitTest, ReplacesARequestOfTheSameKeyAndRefusesBeyondItsLimit) {
  TransferSlots slots({.open = 0, .reserved = 0, .waiting_max = 2});
  EXPECT_TRUE(slots.enqueue(request_of(1)));
  EXPECT_TRUE(slots.enqueue(request_of(2)));
  EXPECT_TRUE(slots.enqueue(request_of(1, TransferClass::kCatalog)));
  EXPECT_FALSE(slots.enqueue(request_of(3)));
  EXPECT_EQ(slots.waiting(), 2u);
  slots.release(request_of(1).key);
  EXPECT_FALSE(slots.is_waiting(request_of(1).key));
  EXPECT_TRUE(slots.enqueue(request_of(3)));
  EXPECT_FALSE(slots.take_next());
}

TEST(TransferSlotsLimitTest, FreesASlotOnce) {
  TransferSlots slots({});
  ASSERT_TRUE(slots.try_take(request_of(1)));
  ASSERT_TRUE(slots.try_take(request_of(2)));
  EXPECT_FALSE(slots.try_take(request_of(3)));
  slots.release(request_of(1).key);
  slots.release(request_of(1).key);
  EXPECT_EQ(slots.running(), 1u);
  EXPECT_TRUE(slots.try_take(request_of(3)));
}

}  // namespace
}  // namespace worldline::replication
