// ReaderPool: runs every read once, off the caller's thread, and stops what runs when it ends.
#include "actors/reader_pool.h"

#include <future>

#include <gtest/gtest.h>

namespace worldline::actors {
namespace {

PendingReadPtr make_read(uint64_t id, ReadWork work) {
  static const SystemClock clock;
  return std::make_shared<PendingRead>(id, std::move(work), ReadLimits{}, clock);
}

TEST(ReaderPool, RunsEveryReadOnceAndTellsItsEnd) {
  constexpr uint64_t kReads = 200;
  std::atomic<uint64_t> ran{0};
  std::atomic<uint64_t> told{0};
  std::promise<void> all;
  ReaderPool pool(3);
  for (uint64_t id = 1; id <= kReads; ++id) {
    const auto work = [&ran](const Status&, query::ReadBudget&) {
      ++ran;
      return ReadAnswer{};
    };
    ASSERT_TRUE(pool.submit(make_read(id, work),
                            [&](uint64_t) {
                              if (++told == kReads) all.set_value();
                            })
                    .ok());
  }
  all.get_future().wait();
  EXPECT_EQ(ran, kReads);
}

TEST(ReaderPool, LeavesAReaderToOthersWhileOneReadIsLong) {
  std::promise<void> finish;
  std::promise<uint64_t> first_end;
  ReaderPool pool(2);
  const auto held = [wait = finish.get_future().share()](const Status&, query::ReadBudget&) {
    wait.wait();
    return ReadAnswer{};
  };
  const auto quick = [](const Status&, query::ReadBudget&) { return ReadAnswer{}; };
  ASSERT_TRUE(pool.submit(make_read(1, held), [](uint64_t) {}).ok());
  ASSERT_TRUE(pool.submit(make_read(2, quick), [&](uint64_t id) { first_end.set_value(id); }).ok());
  EXPECT_EQ(first_end.get_future().get(), 2u);
  finish.set_value();
}

TEST(ReaderPool, CancelsWhatRunsWhenItEndsAndRefusesMoreThanItsLimit) {
  std::promise<void> started;
  const auto endless = [&started](const Status&, query::ReadBudget& budget) {
    started.set_value();
    while (budget.look_at(0)) {
    }
    return ReadAnswer{};
  };
  {
    ReaderPool pool(1);
    ASSERT_TRUE(pool.submit(make_read(1, endless), [](uint64_t) {}).ok());
    started.get_future().wait();
    const auto never = [](const Status&, query::ReadBudget&) {
      ADD_FAILURE() << "dropped, not run";
      return ReadAnswer{};
    };
    for (size_t i = 0; i < ReaderPool::kWaitingMax; ++i)
      ASSERT_TRUE(pool.submit(make_read(2 + i, never), [](uint64_t) {}).ok());
    EXPECT_EQ(pool.submit(make_read(9, never), [](uint64_t) {}).code(), StatusCode::kOverloaded);
  }
}

}  // namespace
}  // namespace worldline::actors
