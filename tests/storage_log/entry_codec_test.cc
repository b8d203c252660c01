// The envelope of log entries [S 08/3.6]: what is sealed is accepted, what is damaged is not.
#include "storage/log/entry_codec.h"

#include <gtest/gtest.h>

#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

ByteBuffer stored(const LogEntry& entry) {
  ByteBuffer bytes;
  append_le(bytes, entry.header);
  append(bytes, *entry.payload);
  return bytes;
}

LogEntry sample() {
  return seal_entry({EntryKind::kBundle, Term{3}, LogIndex{9}, Chain{0x1122334455667788}},
                    payload_of("the payload"));
}

TEST(Crc32cTest, GivesTheCheckValueOfTheCastagnoliPolynomial) {
  EXPECT_EQ(crc32c(0, as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(crc32c(0, as_bytes("1234")), as_bytes("56789")), 0xE3069283u);
}

TEST(EntryCodecTest, AcceptsWhatItSealed) {
  const LogEntry entry = sample();
  const Result<LogEntry> read = decode_entry(stored(entry));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->index(), LogIndex{9});
  EXPECT_EQ(read->term(), Term{3});
  EXPECT_EQ(read->kind(), EntryKind::kBundle);
  EXPECT_TRUE(equal(*read->payload, *entry.payload));
  EXPECT_TRUE(chain_follows(*read, Chain{0x1122334455667788}));
  EXPECT_FALSE(chain_follows(*read, Chain{0x1122334455667789}));
}

TEST(EntryCodecTest, RefusesEverySingleFlippedBitAndEveryCut) {
  const ByteBuffer good = stored(sample());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteBuffer bad = good;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1u << (bit % 8)));
    const Result<LogEntry> read = decode_entry(bad);
    // The chain is not under the checksum: it is compared with the entry before.
    const bool is_refused = !read.ok() || !chain_follows(*read, Chain{0x1122334455667788});
    EXPECT_TRUE(is_refused) << "bit " << bit;
  }
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_entry(Bytes(good).first(size)).ok()) << size;
}

TEST(EntryCodecTest, KeepsItsBytesOverReleases) {
  const char* const golden =
      "010300000b00000003000000000000000900000000000000"
      "600872f66dc745b0"  // Chain.
      "ede412a1"          // Checksum.
      "00000000746865207061796c6f6164";
  EXPECT_EQ(to_hex(stored(sample())), golden);
}

TEST(EntryCodecTest, GivesEachGroupItsOwnChain) {
  EXPECT_NE(genesis_chain(GroupId{1}), genesis_chain(GroupId{2}));
}

struct NewerCase {
  const char* name;
  size_t at;
  Byte value;
};
class NewerFormatTest : public testing::TestWithParam<NewerCase> {};

TEST_P(NewerFormatTest, IsRefusedAsNotSupportedAndNotAsDamage) {
  LogEntry entry = sample();
  ByteBuffer bytes = stored(entry);
  bytes[GetParam().at] = GetParam().value;
  EntryHeader header = load_le<EntryHeader>(bytes.data());
  header.crc = crc32c(crc32c(0, Bytes(bytes).first(offsetof(EntryHeader, chain))), *entry.payload);
  store_le(bytes.data(), header);
  EXPECT_EQ(decode_entry(bytes).status().code(), StatusCode::kNotSupported);
}
INSTANTIATE_TEST_SUITE_P(S08, NewerFormatTest,
                         testing::Values(NewerCase{"Format", 0, 2}, NewerCase{"Kind", 1, 200},
                                         NewerCase{"KindZero", 1, 0}, NewerCase{"Flags", 2, 1}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::storage
