// Numbering, chaining and splitting of a leader's entries.
#include "storage/log/group_appender.h"

#include <gtest/gtest.h>

#include "storage/log/entry_codec.h"
#include "storage/log/part_codec.h"

namespace worldline::storage {
namespace {

using std::chrono::nanoseconds;

GroupEnd birth_end() {
  GroupEnd end;
  end.group = GroupId{3};
  end.hard_state.replica = ReplicaId{8};
  end.hard_state.term = Term{4};
  end.tail = {LogIndex{1}, Term{1}, genesis_chain(GroupId{3})};
  end.cluster_time_ns = 1'000;
  return end;
}

std::shared_ptr<TxData> tx_of(size_t row_bytes) {
  TxDataBuilder builder;
  builder.begin_table(TableId{4096}, nullptr);
  builder.add_insert(RowRef{}, ByteBuffer(row_bytes, 5));
  return builder.finish({}, TxOffset{0}, true);
}

TEST(GroupAppenderTest, BeginsATermWithItsVoteAndABarrier) {
  GroupAppender appender(birth_end(), {});
  const LogJob job = appender.begin_term({{NodeId{2}, 5},
                                          Timestamp{77},
                                          GroupAppender::SteadyTime(nanoseconds(500)),
                                          TxOffset{9},
                                          {1, 2}});
  EXPECT_EQ(job.hard_state->term, Term{5});
  EXPECT_EQ(job.hard_state->vote, ReplicaId{8});
  ASSERT_EQ(job.entries.size(), 1u);
  const LogEntry& entry = job.entries.front();
  EXPECT_EQ(entry.kind(), EntryKind::kNoop);
  EXPECT_EQ(entry.index(), LogIndex{2});
  EXPECT_EQ(entry.term(), Term{5});
  EXPECT_TRUE(chain_follows(entry, genesis_chain(GroupId{3})));
  const auto barrier = decode_barrier(*entry.payload);
  EXPECT_EQ(barrier->next_offset, TxOffset{9});
  EXPECT_EQ(barrier->cluster_time_ns, 1'500u);
  EXPECT_EQ(appender.last(), LogIndex{2});
}

TEST(GroupAppenderTest, SealsOneChainedEntryPerBundle) {
  GroupAppender appender(birth_end(), {});
  Chain chain = genesis_chain(GroupId{3});
  for (uint64_t i = 0; i < 3; ++i) {
    appender.add(*tx_of(10));
    appender.add(*tx_of(10));
    const LogJob job = appender.seal({i, 0}, GroupAppender::SteadyTime(nanoseconds(i)));
    ASSERT_EQ(job.entries.size(), 1u);
    EXPECT_FALSE(job.hard_state.has_value());
    EXPECT_EQ(job.entries[0].index(), LogIndex{2 + i});
    EXPECT_TRUE(chain_follows(job.entries[0], chain));
    chain = job.entries[0].chain();
    const auto bundle = decode_bundle(*job.entries[0].payload, EphemeralRows::kKeep);
    EXPECT_EQ(bundle->transactions.size(), 2u);
    EXPECT_EQ(bundle->trailer, (BundleTrailer{{i, 0}, 1'000 + i}));
  }
}

TEST(GroupAppenderTest, LetsClusterTimeStandWhenTheClockGoesBack) {
  GroupAppender appender(birth_end(), GroupAppender::SteadyTime(nanoseconds(100)));
  appender.add(*tx_of(1));
  appender.seal({}, GroupAppender::SteadyTime(nanoseconds(50)));
  EXPECT_EQ(appender.cluster_time_ns(), 1'000u);
}

// [S 08/4.2]: what the core counts as uncommitted.
TEST(BundleBuilderTest, SaysHowManyTransactionsAnEntryMakesCount) {
  BundleBuilder builder(0, {}, {});
  for (int i = 0; i < 3; ++i) builder.add(*tx_of(10));
  const auto small = builder.seal({}, 1, {});
  ASSERT_EQ(small.size(), 1u);
  EXPECT_EQ(small[0].transactions, 3u);
  builder.add(*tx_of(10));
  builder.add(*tx_of(10 * limits::MiB));
  const auto pieces = builder.seal({}, 2, {});
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].transactions + pieces[1].transactions, 0u);
  EXPECT_EQ(pieces[2].transactions, 2u);
}

// [S 08/2 I-20]: what breaks it is not logged.
TEST(BundleBuilderDeathTest, EndsRatherThanLogATransactionThatIsNotLater) {
  BundleBuilder builder(0, {}, Timestamp{10});
  TxDataBuilder txs;
  TxInfo info;
  info.timestamp = Timestamp{11};
  builder.add(*txs.finish(info, TxOffset{0}, true));
  EXPECT_DEATH(builder.add(*txs.finish(info, TxOffset{1}, true)), "last_timestamp_");
  info.timestamp = Timestamp{12};
  builder.add(*txs.finish(info, TxOffset{1}, true));
  const auto bundle = decode_bundle(*builder.seal({}, 1, {}).front().payload, EphemeralRows::kKeep);
  EXPECT_TRUE(bundle->trailer.times_increase);
  EXPECT_EQ(bundle->transactions.size(), 2u);
}

TEST(GroupAppenderTest, IsFullAtItsByteAndTransactionLimits) {
  GroupAppender appender(birth_end(), {});
  appender.add(*tx_of(limits::kBundleBytesTarget));
  EXPECT_TRUE(appender.full());
  appender.seal({}, {});
  for (size_t i = 0; i < limits::kBundleCallsMax; ++i) {
    EXPECT_FALSE(appender.full());
    appender.add(*tx_of(1));
  }
  EXPECT_TRUE(appender.full());
}

TEST(GroupAppenderTest, SplitsAnOversizedBundleIntoPiecesThatAssemble) {
  GroupAppender appender(birth_end(), {});
  appender.add(*tx_of(10 * limits::MiB));
  const LogJob job = appender.seal({1, 2}, {});
  ASSERT_EQ(job.entries.size(), 3u);
  PartAssembler parts;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(job.entries[i].kind(), EntryKind::kPart);
    const Result<bool> whole = parts.add(*job.entries[i].payload);
    ASSERT_TRUE(whole.ok());
    EXPECT_EQ(*whole, i == 2);
  }
  const auto bundle = decode_bundle(parts.take(), EphemeralRows::kKeep);
  ASSERT_TRUE(bundle.ok());
  EXPECT_EQ(bundle->transactions[0]->tables[0].inserts.rows.size(), 10 * limits::MiB);
  EXPECT_EQ(bundle->trailer.digest, (Digest128{1, 2}));

  PartAssembler skipped;
  ASSERT_TRUE(skipped.add(*job.entries[0].payload).ok());
  EXPECT_EQ(skipped.add(*job.entries[2].payload).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(PartAssembler().add({}).status().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace worldline::storage
