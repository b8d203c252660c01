// Bundles of transactions as bytes [S 08/4.1, S 05/3.4].
#include "storage/log/bundle_codec.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::storage {
namespace {

Bytes operator""_b(const char* text, size_t size) {
  return as_bytes({text, size});
}

TxInfo sample_info() {
  TxInfo info;
  info.timestamp = Timestamp{1'700'000'000'000'123};
  info.caller.le.fill(0xAB);
  info.connection_id.le.fill(0xCD);
  info.reducer = "transfer";
  info.args = "args"_b;
  return info;
}

std::shared_ptr<TxData> sample_tx(TxDataBuilder& builder) {
  builder.begin_table(TableId{4096}, nullptr);
  builder.add_delete(RowRef{0, 3}, "old row"_b);
  builder.add_insert(RowRef{0, 3}, "new row"_b);
  builder.add_insert(RowRef{2, 65535}, ""_b);
  builder.begin_table(TableId{4097}, nullptr);
  builder.add_delete(RowRef{1, 1}, "gone"_b);
  builder.set_truncated(true);
  return builder.finish(sample_info(), TxOffset{17}, true);
}

SharedBytes sample_payload() {
  TxDataBuilder builder;
  BundleEncoder encoder;
  encoder.append(*sample_tx(builder));
  encoder.append(*builder.finish({}, TxOffset{18}, false));
  return encoder.finish({{1, 2}, 99});
}

TEST(BundleCodecTest, ReadsBackWhatItWrote) {
  const Result<Bundle> bundle = decode_bundle(*sample_payload(), EphemeralRows::kKeep);
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  ASSERT_EQ(bundle->transactions.size(), 2u);
  const TxData& tx = *bundle->transactions[0];
  EXPECT_EQ(tx.offset, TxOffset{17});
  EXPECT_TRUE(tx.consumed_offset);
  EXPECT_EQ(tx.timestamp, sample_info().timestamp);
  EXPECT_EQ(tx.caller, sample_info().caller);
  EXPECT_EQ(tx.connection_id, sample_info().connection_id);
  EXPECT_EQ(tx.reducer, "transfer");
  EXPECT_EQ(as_text(tx.args), "args");
  ASSERT_EQ(tx.tables.size(), 2u);
  const TableDelta& first = tx.tables[0];
  EXPECT_EQ(first.table, TableId{4096});
  ASSERT_EQ(first.inserts.size(), 2u);
  EXPECT_EQ(as_text(first.inserts[0]), "new row");
  EXPECT_EQ(first.inserts.refs[1], (RowRef{2, 65535}));
  EXPECT_EQ(as_text(first.deletes[0]), "old row");
  EXPECT_EQ(first.deletes.refs[0], (RowRef{0, 3}));
  EXPECT_FALSE(bundle->transactions[1]->consumed_offset);
  EXPECT_EQ(bundle->trailer, (BundleTrailer{{1, 2}, 99}));
}

TEST(BundleCodecTest, LeavesOutTheRowsOfATruncatedTable) {
  const Result<Bundle> bundle = decode_bundle(*sample_payload(), EphemeralRows::kKeep);
  ASSERT_TRUE(bundle.ok());
  const TableDelta& delta = bundle->transactions[0]->tables[1];
  EXPECT_TRUE(delta.truncated);
  EXPECT_TRUE(delta.deletes.empty());
}

TEST(BundleCodecTest, SkipsEphemeralRowsAtReplay) {
  TxDataBuilder builder;
  builder.begin_table(TableId{5000}, nullptr);
  builder.set_ephemeral(true);
  builder.add_insert(RowRef{}, "view row"_b);
  BundleEncoder encoder;
  encoder.append(*builder.finish(sample_info(), TxOffset{1}, true));
  const SharedBytes payload = encoder.finish({});
  EXPECT_EQ(decode_bundle(*payload, EphemeralRows::kKeep)->transactions[0]->tables.size(), 1u);
  EXPECT_TRUE(decode_bundle(*payload, EphemeralRows::kSkip)->transactions[0]->tables.empty());
}

TEST(BundleCodecTest, AnnouncesItsSizeAndStartsAfresh) {
  TxDataBuilder builder;
  const auto tx = sample_tx(builder);
  BundleEncoder encoder;
  EXPECT_TRUE(encoder.empty());
  encoder.append(*tx);
  const size_t before = encoder.bytes();
  encoder.append(*tx);
  EXPECT_EQ(encoder.bytes() - before, BundleEncoder::encoded_bytes(*tx));
  EXPECT_EQ(encoder.transactions(), 2u);
  encoder.finish({});
  EXPECT_TRUE(encoder.empty());
  EXPECT_EQ(encoder.bytes(), 0u);
}

TEST(BundleCodecTest, RefusesEveryCut) {
  const SharedBytes payload = sample_payload();
  for (size_t size = 0; size < payload->size(); ++size)
    EXPECT_FALSE(decode_bundle(Bytes(*payload).first(size), EphemeralRows::kKeep).ok()) << size;
  ByteBuffer longer = *payload;
  longer.push_back(0);
  EXPECT_FALSE(decode_bundle(longer, EphemeralRows::kKeep).ok());
}

TEST(BundleCodecTest, SurvivesRandomDamage) {
  const SharedBytes payload = sample_payload();
  Prng rng(7);
  for (int round = 0; round < 20'000; ++round) {
    ByteBuffer bad = *payload;
    for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
      bad[rng.below(bad.size())] = static_cast<Byte>(rng.next());
    decode_bundle(bad, EphemeralRows::kKeep).status().ignore("it only must not misbehave");
  }
}

struct BadBundle {
  const char* name;
  size_t at;  // Byte to change; the layout is that of docs/formats/log-record.md.
  Byte value;
  StatusCode code;
};
class BadBundleTest : public testing::TestWithParam<BadBundle> {};

TEST_P(BadBundleTest, IsRefusedWithItsKind) {
  ByteBuffer bytes = *sample_payload();
  ASSERT_NE(bytes[GetParam().at], GetParam().value);
  bytes[GetParam().at] = GetParam().value;
  const Result<Bundle> bundle = decode_bundle(bytes, EphemeralRows::kKeep);
  EXPECT_EQ(bundle.status().code(), GetParam().code) << bundle.status().message();
}
constexpr size_t kTx = 8;            // First transaction head.
constexpr size_t kTable = kTx + 92;  // After the head, 8 B of name and 4 B of arguments.
constexpr size_t kTable2 = kTable + 24 + (2 + 1) * 10 + 14;
INSTANTIATE_TEST_SUITE_P(
    S08, BadBundleTest,
    testing::Values(BadBundle{"NewerVersion", 0, 2, StatusCode::kNotSupported},
                    BadBundle{"UnknownFlags", 1, 2, StatusCode::kNotSupported},
                    BadBundle{"NoTransactions", 4, 0, StatusCode::kCorruption},
                    BadBundle{"TooManyTransactions", 7, 1, StatusCode::kCorruption},
                    BadBundle{"BodyTooShort", kTx + 64, 3, StatusCode::kCorruption},
                    BadBundle{"TooManyTables", kTx + 75, 9, StatusCode::kCorruption},
                    BadBundle{"UnknownTxFlags", kTx + 78, 3, StatusCode::kNotSupported},
                    BadBundle{"UnknownTableFlags", kTable + 4, 8, StatusCode::kNotSupported},
                    BadBundle{"TruncatedWithRows", kTable + 4, 1, StatusCode::kCorruption},
                    BadBundle{"RowEndBeyondRows", kTable + 24, 99, StatusCode::kCorruption},
                    BadBundle{"TablesDescend", kTable2, 0, StatusCode::kCorruption}),
    [](const auto& test) { return test.param.name; });

TEST(BundleCodecTest, SaysWhetherItsTimestampsIncrease) {
  for (const bool times_increase : {false, true}) {
    TxDataBuilder builder;
    BundleEncoder encoder;
    encoder.append(*sample_tx(builder));
    const BundleTrailer trailer{{1, 2}, 99, times_increase};
    EXPECT_EQ(decode_bundle(*encoder.finish(trailer), EphemeralRows::kKeep)->trailer, trailer);
  }
}

TEST(BundleCodecTest, KeepsItsBytesOverReleases) {
  const char* const golden =
      "010000000200000011000000000000007b401e18240a0600abababababababababababab"
      "ababababababababababababababababababababcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
      "680000000400000002000000080001007472616e73666572617267730010000000000000"
      "02000000070000000100000007000000070000000700000000000000030002000000ffff"
      "6e657720726f77070000000000000003006f6c6420726f77011000000100000000000000"
      "000000000000000000000000120000000000000000000000000000000000000000000000"
      "000000000000000000000000000000000000000000000000000000000000000000000000"
      "000000000000000000000000000000000000000001000000000000000200000000000000"
      "6300000000000000";
  EXPECT_EQ(to_hex(*sample_payload()), golden);
}

TEST(BarrierCodecTest, ReadsBackWhatItWroteAndKeepsItsBytes) {
  Barrier barrier;
  barrier.leader = NodeId{1};
  barrier.incarnation = 2;
  barrier.wall = Timestamp{-3};
  barrier.cluster_time_ns = 4;
  barrier.next_offset = TxOffset{5};
  barrier.digest = {6, 7};
  const SharedBytes bytes = encode_barrier(barrier);
  EXPECT_EQ(*decode_barrier(*bytes), barrier);
  EXPECT_EQ(to_hex(*bytes),
            "0100000000000000"
            "0100000000000000"
            "0200000000000000"
            "fdffffffffffffff"
            "0400000000000000"
            "0500000000000000"
            "0600000000000000"
            "0700000000000000");
  EXPECT_EQ(decode_barrier(Bytes(*bytes).first(63)).status().code(), StatusCode::kCorruption);
  ByteBuffer newer = *bytes;
  newer[0] = 2;
  EXPECT_EQ(decode_barrier(newer).status().code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace worldline::storage
