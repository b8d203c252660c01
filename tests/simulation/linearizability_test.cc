// The judge must be right before it may judge: known histories, and random ones against a naive
// search over all orders.
#include "tests/simulation/linearizability.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/simulation/chance.h"

namespace worldline::simulation {
namespace {

using Kind = RegisterOp::Kind;
constexpr uint64_t kStepsMax = 1'000'000;

RegisterOp read(uint64_t called, uint64_t returned, uint64_t seen) {
  RegisterOp op;
  op.called = called;
  op.returned = returned;
  op.seen = seen;
  return op;
}
RegisterOp write(uint64_t called, uint64_t returned, uint64_t value) {
  RegisterOp op;
  op.kind = Kind::kWrite;
  op.called = called;
  op.returned = returned;
  op.value = value;
  return op;
}
struct Swap {
  uint64_t expected;
  uint64_t value;
  uint64_t seen;
};
RegisterOp swap(uint64_t called, uint64_t returned, const Swap& what) {
  RegisterOp op = write(called, returned, what.value);
  op.kind = Kind::kCompareAndSet;
  op.expected = what.expected;
  op.seen = what.seen;
  return op;
}
RegisterOp on_key(uint32_t key, RegisterOp op) {
  op.key = key;
  return op;
}

struct HistoryCase {
  const char* name;
  std::vector<RegisterOp> history;
  bool is_linearizable;
};
const HistoryCase kHistoryCases[] = {
    {"Empty", {}, true},
    {"ReadOfTheFirstValue", {read(1, 2, 0)}, true},
    {"ReadOfWhatNobodyWrote", {read(1, 2, 7)}, false},
    {"WriteThenRead", {write(1, 2, 7), read(3, 4, 7)}, true},
    {"LostWrite", {write(1, 2, 7), read(3, 4, 0)}, false},
    {"OverlappingReadMaySeeOld", {write(1, 4, 7), read(2, 3, 0)}, true},
    {"OverlappingReadMaySeeNew", {write(1, 4, 7), read(2, 3, 7)}, true},
    {"NewThenOldByTwoReaders", {write(1, 10, 7), read(2, 3, 7), read(4, 5, 0)}, false},
    {"NewAndOldOverlapping", {write(1, 10, 7), read(2, 5, 7), read(4, 6, 0)}, true},
    {"StaleReadAfterTwoWrites", {write(1, 2, 7), write(3, 4, 8), read(5, 6, 7)}, false},
    {"ConcurrentWritesInEitherOrder",
     {write(1, 4, 7), write(2, 3, 8), read(5, 6, 7), read(7, 8, 7)},
     true},
    {"ConcurrentWritesInBothOrders",
     {write(1, 4, 7), write(2, 3, 8), read(5, 6, 7), read(7, 8, 8)},
     false},
    {"SwapThatMatched", {swap(1, 2, {0, 7, 0}), read(3, 4, 7)}, true},
    {"SwapThatDidNotMatch", {write(1, 2, 9), swap(3, 4, {0, 7, 9}), read(5, 6, 9)}, true},
    {"SwapThatSawWhatWasNotThere", {write(1, 2, 9), swap(3, 4, {0, 7, 0})}, false},
    {"TwoSwapsWonFromOneValue", {swap(1, 4, {0, 7, 0}), swap(2, 3, {0, 8, 0})}, false},
    {"UnknownWriteThatTookEffect", {write(1, kNotReturned, 7), read(5, 6, 7)}, true},
    {"UnknownWriteThatNeverDid", {write(1, kNotReturned, 7), read(5, 6, 0)}, true},
    {"UnknownWriteThatTookEffectLate",
     {write(1, kNotReturned, 7), read(5, 6, 0), read(7, 8, 7)},
     true},
    {"UnknownWriteThatTookEffectTwice",
     {write(1, kNotReturned, 7), read(2, 3, 7), write(4, 5, 8), read(6, 7, 7)},
     false},
    {"UnknownWriteBetweenAndBack",
     {write(1, kNotReturned, 7), read(2, 3, 7), read(4, 5, 0)},
     false},
    {"UnknownWriteThatWasSeenBeforeItsCall", {read(1, 2, 7), write(3, kNotReturned, 7)}, false},
    {"UnknownSwapThatTookEffect",
     {write(1, 2, 3), swap(3, kNotReturned, {3, 7, 0}), read(5, 6, 7)},
     true},
    {"UnknownSwapThatCouldNot",
     {write(1, 2, 4), swap(3, kNotReturned, {3, 7, 0}), read(5, 6, 7)},
     false},
    {"UnknownSwapThatProvesAnUnknownWrite",
     {write(1, kNotReturned, 3), swap(2, kNotReturned, {3, 7, 0}), read(5, 6, 7)},
     true},
    {"UnknownReadsSayNothing", {read(1, kNotReturned, 99), write(2, 3, 7), read(4, 5, 7)}, true},
    {"RegistersAreIndependent",
     {on_key(0, write(1, 2, 7)), on_key(1, read(3, 4, 0)), on_key(0, read(5, 6, 7))},
     true},
    {"ViolationInTheSecondRegister",
     {on_key(0, write(1, 2, 7)), on_key(1, write(3, 4, 8)), on_key(1, read(5, 6, 0))},
     false},
};

class HistoryTest : public testing::TestWithParam<HistoryCase> {};

TEST_P(HistoryTest, IsJudged) {
  const HistoryVerdict verdict = check_registers(GetParam().history, kStepsMax);
  EXPECT_EQ(verdict.verdict == Verdict::kLinearizable, GetParam().is_linearizable) << verdict.text;
  EXPECT_NE(verdict.verdict, Verdict::kBudgetSpent);
  EXPECT_EQ(verdict.text.empty(), GetParam().is_linearizable);
}
INSTANTIATE_TEST_SUITE_P(S08, HistoryTest, testing::ValuesIn(kHistoryCases),
                         [](const auto& test) { return test.param.name; });

// Tries every order and every subset of the unknown ones.
bool has_an_order(const std::vector<RegisterOp>& ops, std::vector<bool>& done, uint64_t value) {
  bool all_done = true;
  for (size_t i = 0; i < ops.size(); ++i)
    all_done = all_done && (done[i] || ops[i].returned == kNotReturned);
  if (all_done) return true;
  for (size_t i = 0; i < ops.size(); ++i) {
    if (done[i]) continue;
    bool may_be_next = true;
    for (size_t j = 0; j < ops.size(); ++j)
      may_be_next = may_be_next && (done[j] || j == i || ops[j].returned > ops[i].called);
    if (!may_be_next) continue;
    const RegisterOp& op = ops[i];
    const bool is_known = op.returned != kNotReturned;
    if (is_known && op.kind != Kind::kWrite && op.seen != value) continue;
    const bool sets =
        op.kind == Kind::kWrite || (op.kind == Kind::kCompareAndSet && op.expected == value);
    done[i] = true;
    if (has_an_order(ops, done, sets ? op.value : value)) return true;
    done[i] = false;
  }
  return false;
}

// Few operations, values close together, so that about half of the histories are wrong.
std::vector<RegisterOp> draw_history(Chance& chance) {
  std::vector<RegisterOp> ops(chance.between(1, 6));
  std::vector<uint64_t> moments(2 * ops.size());
  for (size_t i = 0; i < moments.size(); ++i) moments[i] = i + 1;
  for (size_t i = moments.size(); i > 1; --i) std::swap(moments[i - 1], moments[chance.below(i)]);
  for (size_t i = 0; i < ops.size(); ++i) {
    RegisterOp& op = ops[i];
    op.kind = static_cast<Kind>(chance.below(3));
    op.called = std::min(moments[2 * i], moments[2 * i + 1]);
    op.returned = std::max(moments[2 * i], moments[2 * i + 1]);
    if (chance.with(0.2)) op.returned = kNotReturned;
    op.value = i + 1;
    op.expected = chance.below(ops.size() + 1);
    op.seen = chance.below(ops.size() + 1);
    op.id = i;
  }
  return ops;
}

TEST(LinearizabilityTest, AgreesWithTryingEverything) {
  Chance chance(11, Purpose::kClient);
  size_t wrong = 0;
  constexpr size_t kHistories = 20'000;
  for (size_t i = 0; i < kHistories; ++i) {
    const std::vector<RegisterOp> ops = draw_history(chance);
    std::vector<bool> done(ops.size(), false);
    const bool expected = has_an_order(ops, done, 0);
    wrong += expected ? 0 : 1;
    std::string text;
    for (const RegisterOp& op : ops) text += print_op(op) + "\n";
    ASSERT_EQ(check_registers(ops, kStepsMax).verdict == Verdict::kLinearizable, expected) << text;
  }
  // Neither answer may be rare, or the comparison says little.
  EXPECT_GT(wrong, kHistories / 10);
  EXPECT_LT(wrong, kHistories * 9 / 10);
}

TEST(LinearizabilityTest, GivesUpAtItsBudget) {
  std::vector<RegisterOp> ops;
  for (uint64_t i = 1; i <= 24; ++i) ops.push_back(write(i, 100 + i, i));
  ops.push_back(read(200, 201, 99));
  EXPECT_EQ(check_registers(ops, 1000).verdict, Verdict::kBudgetSpent);
}

TEST(LinearizabilityTest, ALongHistoryOfManyClientsIsCheap) {
  // A register behind a lock: operations of eight clients overlap, each takes effect half way.
  Chance chance(3, Purpose::kClient);
  std::vector<RegisterOp> ops;
  uint64_t value = 0;
  for (uint64_t i = 1; i <= 4000; ++i) {
    const uint64_t moment = 100 + 10 * i;
    RegisterOp op = chance.with(0.5) ? write(0, 0, i) : read(0, 0, value);
    if (op.kind == Kind::kWrite) value = i;
    op.called = moment - chance.between(1, 40);
    op.returned = moment + chance.between(1, 40);
    ops.push_back(op);
  }
  const HistoryVerdict verdict = check_registers(ops, kStepsMax);
  EXPECT_EQ(verdict.verdict, Verdict::kLinearizable) << verdict.text;
  EXPECT_LT(verdict.steps, 200'000u);
}

}  // namespace
}  // namespace worldline::simulation
