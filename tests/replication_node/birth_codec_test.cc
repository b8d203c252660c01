// Bytes between seeds [S 08/3.9].
#include "replication/node/birth_codec.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/replication_node/test_uuids.h"

namespace worldline::replication {
namespace {

Genesis some_genesis() {
  Genesis genesis;
  genesis.cluster = uuid_of(9);
  genesis.token_hash = 0x1122334455667788;
  genesis.seeds = {{uuid_of(1), NodeId{1}, ReplicaId{1}, "a:1"},
                   {uuid_of(2), NodeId{2}, ReplicaId{2}, std::string(255, 'b')}};
  return genesis;
}

std::vector<BirthMessage> some_messages() {
  SeedHello plain{uuid_of(1), 7, 42, true, 8, {}};
  SeedHello member = plain;
  member.cluster = uuid_of(3);
  return {plain,
          member,
          PledgeRequest{uuid_of(1), 5, 42, 77},
          Pledge{uuid_of(2), uuid_of(1), 5, true},
          Pledge{uuid_of(2), uuid_of(1), 6, false},
          GenesisOffer{7, some_genesis()}};
}

TEST(BirthCodec, GivesEveryMessageBack) {
  for (const BirthMessage& message : some_messages()) {
    const ByteBuffer bytes = encode_birth(message);
    EXPECT_LE(bytes.size(), kBirthMessageBytesMax);
    const Result<BirthMessage> back = decode_birth(bytes);
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(back.value().index(), message.index());
    EXPECT_EQ(encode_birth(back.value()), bytes);
  }
  EXPECT_EQ(decode_genesis(encode_genesis(some_genesis())).value(), some_genesis());
}

// The bytes are stored and spoken between versions: they may not change.
TEST(BirthCodec, ItsBytesAreFixed) {
  EXPECT_EQ(to_hex(encode_birth(Pledge{uuid_of(2), uuid_of(1), 5, true})),
            "0103"
            "02000000000000000000000000000007"
            "01000000000000000000000000000007"
            "0500000000000000"
            "01");
  EXPECT_EQ(to_hex(encode_birth(SeedHello{uuid_of(1), 7, 42, true, 8, uuid_of(3)})),
            "0101"
            "01000000000000000000000000000007"
            "0700000000000000"
            "2a00000000000000"
            "01"
            "0800000000000000"
            "01"
            "03000000000000000000000000000007");
  Genesis genesis = some_genesis();
  genesis.seeds.resize(1);
  const std::string genesis_text =
      "09000000000000000000000000000007"
      "8877665544332211"
      "0100"
      "01000000000000000000000000000007"
      "0100000000000000"
      "0100000000000000"
      "0300613a31";
  EXPECT_EQ(to_hex(encode_birth(GenesisOffer{7, genesis})),
            "0104"
            "0700000000000000" +
                genesis_text);
  EXPECT_EQ(to_hex(encode_genesis(genesis)), "0105" + genesis_text);
}

TEST(BirthCodec, RefusesWhatIsCutOrHasMore) {
  for (const BirthMessage& message : some_messages()) {
    const ByteBuffer bytes = encode_birth(message);
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_FALSE(decode_birth(Bytes(bytes).first(length)).ok()) << "cut to " << length;
    ByteBuffer longer = bytes;
    longer.push_back(0);
    EXPECT_EQ(decode_birth(longer).status().code(), StatusCode::kInvalidArgument);
  }
  const ByteBuffer stored = encode_genesis(some_genesis());
  for (size_t length = 0; length < stored.size(); ++length)
    EXPECT_FALSE(decode_genesis(Bytes(stored).first(length)).ok()) << "cut to " << length;
}

TEST(BirthCodec, RefusesNewerVersionsAndKindsByName) {
  ByteBuffer bytes = encode_birth(Pledge{});
  bytes[0] = 2;
  EXPECT_EQ(decode_birth(bytes).status().code(), StatusCode::kNotSupported);
  bytes[0] = 1;
  bytes[1] = 9;
  EXPECT_EQ(decode_birth(bytes).status().code(), StatusCode::kNotSupported);
  EXPECT_FALSE(decode_genesis(encode_birth(Pledge{})).ok());
  EXPECT_FALSE(decode_genesis(encode_birth(GenesisOffer{7, some_genesis()})).ok());
  EXPECT_FALSE(decode_birth(encode_genesis(some_genesis())).ok()) << "stored, never spoken";
  EXPECT_FALSE(decode_genesis(ByteBuffer(kBirthMessageBytesMax + 1, 1)).ok());
  EXPECT_FALSE(decode_birth(ByteBuffer(kBirthMessageBytesMax + 1, 1)).ok());
}

// Whatever bytes come: a message that encodes to the same bytes, or a refusal.
TEST(BirthCodec, SurvivesDamage) {
  Prng prng(11);
  const std::vector<BirthMessage> messages = some_messages();
  for (int i = 0; i < 20'000; ++i) {
    ByteBuffer bytes = encode_birth(messages[prng.below(messages.size())]);
    for (uint64_t k = 1 + prng.below(3); k > 0; --k)
      bytes[prng.below(bytes.size())] = static_cast<Byte>(prng.below(256));
    const Result<BirthMessage> back = decode_birth(bytes);
    if (!back.ok()) continue;
    EXPECT_EQ(encode_birth(back.value()), bytes);
  }
}

}  // namespace
}  // namespace worldline::replication
