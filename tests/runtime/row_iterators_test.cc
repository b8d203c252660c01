// tests/runtime/row_iterators_test.cc: the iterator protocol [S 03/2.6].
#include "runtime/row_iterators.h"

#include <gtest/gtest.h>

namespace worldline::runtime {
namespace {

using Advance = RowIterators::Advance;

uint32_t open_with(RowIterators& iterators, const std::vector<size_t>& row_sizes) {
  RowIterators::Rows* const rows = iterators.open();
  if (rows == nullptr) return 0;
  Byte fill = 0;
  for (const size_t size : row_sizes) EXPECT_TRUE(rows->add(ByteBuffer(size, ++fill)));
  return iterators.publish(*rows);
}

TEST(RowIterators, EmptyScanIsExhaustedByItsFirstAdvanceAndGone) {
  RowIterators iterators;
  const uint32_t number = open_with(iterators, {});
  ByteBuffer buffer(16);
  const auto first = iterators.advance(number, buffer);
  EXPECT_EQ(first.kind, Advance::kDone);
  EXPECT_EQ(first.bytes, 0u);
  EXPECT_EQ(iterators.advance(number, buffer).kind, Advance::kNoSuchIter);
}

TEST(RowIterators, TooSmallBufferLearnsTheChunkSizeAndNothingIsLost) {
  RowIterators iterators;
  const uint32_t number = open_with(iterators, {10, 20});
  ByteBuffer buffer(29);
  const auto refused = iterators.advance(number, buffer);
  EXPECT_EQ(refused.kind, Advance::kTooSmall);
  EXPECT_EQ(refused.bytes, 30u);
  buffer.resize(30);
  const auto taken = iterators.advance(number, buffer);
  EXPECT_EQ(taken.kind, Advance::kDone);
  EXPECT_EQ(taken.bytes, 30u);
  EXPECT_EQ(buffer[9], 1);
  EXPECT_EQ(buffer[10], 2);
}

TEST(RowIterators, ChunksEndAtTheFirstRowBoundaryPast32KiB) {
  RowIterators iterators;
  // 20 + 20 KiB make the first chunk, a row of 100 KiB is a chunk of its own, then the rest.
  const uint32_t number = open_with(iterators, {20 * 1024, 20 * 1024, 100 * 1024, 7});
  ByteBuffer buffer(64 * 1024);
  auto result = iterators.advance(number, buffer);
  EXPECT_EQ(result.kind, Advance::kMore);
  EXPECT_EQ(result.bytes, 40u * 1024);
  result = iterators.advance(number, buffer);
  EXPECT_EQ(result.kind, Advance::kTooSmall);
  EXPECT_EQ(result.bytes, 100u * 1024);
  buffer.resize(200 * 1024);
  result = iterators.advance(number, buffer);
  EXPECT_EQ(result.kind, Advance::kDone);
  EXPECT_EQ(result.bytes, 100u * 1024 + 7);
}

TEST(RowIterators, AsManyWholeChunksAsFitAreCopiedAtOnce) {
  RowIterators iterators;
  const uint32_t number = open_with(iterators, std::vector<size_t>(10, 33 * 1024));
  ByteBuffer buffer(100 * 1024);
  const auto result = iterators.advance(number, buffer);
  EXPECT_EQ(result.kind, Advance::kMore);
  EXPECT_EQ(result.bytes, 99u * 1024);
  EXPECT_EQ(iterators.remaining_bytes(number), 7u * 33 * 1024);
}

TEST(RowIterators, ExactlyFullLastChunkIsDone) {
  RowIterators iterators;
  const uint32_t number = open_with(iterators, {33 * 1024});
  ByteBuffer buffer(33 * 1024);
  const auto result = iterators.advance(number, buffer);
  EXPECT_EQ(result.kind, Advance::kDone);
  EXPECT_EQ(result.bytes, 33u * 1024);
}

TEST(RowIterators, NumbersAreNeverUsedTwiceEvenAfterTheEndOfACall) {
  RowIterators iterators;
  const uint32_t first = open_with(iterators, {1});
  const uint32_t second = open_with(iterators, {1});
  EXPECT_NE(first, second);
  EXPECT_TRUE(iterators.close(first));
  EXPECT_FALSE(iterators.close(first));
  iterators.close_all();
  EXPECT_EQ(iterators.open_count(), 0u);
  EXPECT_FALSE(iterators.close(second));
  const uint32_t third = open_with(iterators, {1});
  EXPECT_GT(third, second);
  EXPECT_FALSE(iterators.close(0));
}

TEST(RowIterators, UsedUpNumbersAreAnErrorNeverTheEnd) {
  RowIterators half((uint32_t{1} << 31) - 2);
  EXPECT_EQ(open_with(half, {}), (uint32_t{1} << 31) - 1);
  EXPECT_FALSE(half.is_worn());
  EXPECT_EQ(open_with(half, {}), uint32_t{1} << 31);
  EXPECT_TRUE(half.is_worn()) << "its instance is to be replaced";
  RowIterators last(UINT32_MAX - 1);
  EXPECT_EQ(open_with(last, {}), UINT32_MAX);
  EXPECT_EQ(last.open(), nullptr);
  last.close_all();
  EXPECT_EQ(last.open(), nullptr) << "no number is used twice";
}

TEST(RowIterators, RowsBeyondTheBytesOfOneCallAreNotCopied) {
  RowIterators iterators;
  const ByteBuffer row(kOpenIteratorBytesMax / 8);
  const uint32_t first = open_with(iterators, std::vector<size_t>(5, row.size()));
  RowIterators::Rows* const rows = iterators.open();
  ASSERT_NE(rows, nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rows->add(row));
  EXPECT_FALSE(rows->add(ByteBuffer(1)));
  EXPECT_TRUE(rows->add({})) << "exactly full is allowed";
  iterators.drop(*rows);
  EXPECT_EQ(iterators.open_bytes(), 5 * row.size());
  EXPECT_TRUE(iterators.close(first));
  RowIterators::Rows* const again = iterators.open();
  ASSERT_NE(again, nullptr);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(again->add(row));
  EXPECT_FALSE(again->add(ByteBuffer(1)));
}

TEST(RowIterators, TooManyOpenOnesAreRefused) {
  RowIterators iterators;
  for (size_t i = 0; i < kOpenIteratorsMax; ++i) ASSERT_NE(open_with(iterators, {1}), 0u);
  EXPECT_EQ(iterators.open(), nullptr);
  iterators.close_all();
  EXPECT_NE(iterators.open(), nullptr);
}

}  // namespace
}  // namespace worldline::runtime
