// Bytes of a membership: one form each, everything else refused with its reason.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/membership.h"
#include "tests/base/random_seeds.h"
#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using testing::membership;

ByteBuffer bytes_of(const std::string& hex) {
  ByteBuffer bytes;
  EXPECT_TRUE(parse_hex(hex, bytes)) << hex;
  return bytes;
}

// --- Golden bytes --------------------------------------------------------------------------------

struct GoldenCase {
  const char* name;
  const char* membership;
  const char* hex;
};
// version, count, then per member: replica, node, roles, length and text of the failure domain.
constexpr GoldenCase kGoldenCases[] = {
    {"OneVoter", "1",
     "0101"
     "0100000000000000650000000000000001067a6f6e652d31"},
    {"EveryRole", "3 4 & 1 3 learners 2 next 1",
     "0104"
     "010000000000000065000000000000000a067a6f6e652d31"
     "0200000000000000660000000000000004067a6f6e652d32"
     "0300000000000000670000000000000003067a6f6e652d33"
     "0400000000000000680000000000000001067a6f6e652d34"},
    {"LongIds", "72623859790382856",  // 0x0102030405060708
     "0101"
     "08070605040302016c070605040302010116"
     "7a6f6e652d3732363233383539373930333832383536"},
};
class MembershipGoldenTest : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(MembershipGoldenTest, KeepsItsBytes) {
  const Membership written = membership(GetParam().membership);
  EXPECT_EQ(to_hex(encode_membership(written)), GetParam().hex);
  const auto read = decode_membership(bytes_of(GetParam().hex));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, written);
}
INSTANTIATE_TEST_SUITE_P(Version1, MembershipGoldenTest, ::testing::ValuesIn(kGoldenCases),
                         [](const auto& test) { return test.param.name; });

// --- Round trips ---------------------------------------------------------------------------------

Membership random_membership(Prng& prng) {
  Membership made;
  const bool is_joint = prng.chance(2);
  for (uint64_t id = 1; id <= 30; ++id) {
    const ReplicaId replica{id * id * id};
    const uint64_t role = prng.below(8);
    const bool is_voter = (role == 0 || role == 1) && made.voters.size() < kVotersMax;
    const bool is_outgoing =
        is_joint && (role == 1 || role == 2) && made.voters_outgoing.size() < kVotersMax;
    const bool has_place = made.learners.size() + made.learners_next.size() < kLearnersMax;
    if (is_voter) made.voters.push_back(replica);
    if (is_outgoing) made.voters_outgoing.push_back(replica);
    if (is_outgoing && !is_voter && has_place && prng.chance(2))
      made.learners_next.push_back(replica);
    if (role == 3 && has_place) made.learners.push_back(replica);
  }
  if (made.voters.empty()) made.voters.push_back(ReplicaId{40'000});
  for (const ReplicaId replica : made.replicas())
    made.members.push_back({replica, NodeId{prng.next() | 1},
                            std::string(prng.below(kFailureDomainBytesMax + 1), 'd')});
  return made;
}

TEST(MembershipCodec, ReadsBackWhatItWrote) {
  for (const uint64_t seed : random_seeds(500)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Prng prng(seed);
    const Membership written = random_membership(prng);
    ASSERT_TRUE(written.validate().ok()) << written.validate().message();
    const auto read = decode_membership(encode_membership(written));
    ASSERT_TRUE(read.ok()) << read.status().message();
    ASSERT_EQ(*read, written);
  }
}

TEST(MembershipCodec, HoldsTheLargestMembership) {
  Membership largest = membership(
      "1 2 3 4 5 6 7 & 8 9 10 11 12 13 14 "
      "learners 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30");
  for (MemberInfo& member : largest.members)
    member.failure_domain.assign(kFailureDomainBytesMax, 'x');
  const ByteBuffer bytes = encode_membership(largest);
  EXPECT_EQ(bytes.size(), 2 + 30 * (8 + 8 + 1 + 1 + 255));
  const auto read = decode_membership(bytes);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, largest);
}

// --- Malformed bytes -----------------------------------------------------------------------------

struct MalformedCase {
  const char* name;
  const char* hex;
  StatusCode code;
  const char* text;
};
constexpr MalformedCase kMalformedCases[] = {
    {"Empty", "", StatusCode::kCorruption, "0 B are too few"},
    {"VersionOnly", "01", StatusCode::kCorruption, "1 B are too few"},
    {"VersionZero", "0000", StatusCode::kCorruption, "version 0"},
    {"NewerVersion", "0201", StatusCode::kNotSupported, "version 2 is newer than 1"},
    {"NewerVersionOnly", "ff", StatusCode::kNotSupported, "version 255 is newer than 1"},
    {"NoMembers", "0100", StatusCode::kCorruption, "no voters"},
    {"TooManyMembers", "011f", StatusCode::kCorruption, "31 members exceed the limit of 30"},
    {"CutInReplica", "010101000000", StatusCode::kCorruption, "cut off in member 1"},
    {"CutInDomain", "01010100000000000000650000000000000001037a6f", StatusCode::kCorruption,
     "cut off in member 1"},
    {"CutInSecond",
     "0102"
     "010000000000000065000000000000000100"
     "02",
     StatusCode::kCorruption, "cut off in member 2"},
    {"BytesBehind", "010101000000000000006500000000000000010000", StatusCode::kCorruption,
     "1 B follow the last member"},
    {"UnknownRole", "0101010000000000000065000000000000001100", StatusCode::kCorruption,
     "replica 1 has unknown roles 0x11"},
    {"NoRole",
     "0102"
     "010000000000000065000000000000000100"
     "020000000000000066000000000000000000",
     StatusCode::kCorruption, "replica 2 is listed without a role"},
    {"ReplicaZero", "0101000000000000000065000000000000000100", StatusCode::kCorruption,
     "replica id 0 in voters"},
    {"NodeZero", "0101010000000000000000000000000000000100", StatusCode::kCorruption,
     "replica 1 has no node"},
    {"LearnerOnly", "0101010000000000000065000000000000000400", StatusCode::kCorruption,
     "no voters"},
    {"Descending",
     "0102"
     "020000000000000066000000000000000100"
     "010000000000000065000000000000000100",
     StatusCode::kCorruption, "voters are not ascending at replica 1"},
    {"TwiceWithDifferentRoles",
     "0102"
     "010000000000000065000000000000000100"
     "010000000000000065000000000000000200",
     StatusCode::kCorruption, "members are not ascending at replica 1"},
    {"VoterAndLearner", "0101010000000000000065000000000000000500", StatusCode::kCorruption,
     "replica 1 is in both learners and voters"},
    {"NextLearnerIsNoVoter",
     "0102"
     "010000000000000065000000000000000100"
     "020000000000000066000000000000000800",
     StatusCode::kCorruption, "replica 2 is a next learner but no outgoing voter"},
};
class MembershipMalformedTest : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(MembershipMalformedTest, IsRefusedWithItsReason) {
  const Status status = decode_membership(bytes_of(GetParam().hex)).status();
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_NE(status.message().find(GetParam().text), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(Version1, MembershipMalformedTest, ::testing::ValuesIn(kMalformedCases),
                         [](const auto& test) { return test.param.name; });

TEST(MembershipCodec, RefusesEveryCut) {
  const ByteBuffer good = encode_membership(membership("3 4 & 1 3 learners 2 next 1"));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(decode_membership(Bytes(good).first(size)).status().code(), StatusCode::kCorruption)
        << size;
}

TEST(MembershipCodec, NeverReadsTheSameFromDifferentBytes) {
  const Membership written = membership("3 4 & 1 3 learners 2 next 1");
  const ByteBuffer good = encode_membership(written);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteBuffer other = good;
    other[bit / 8] = static_cast<Byte>(other[bit / 8] ^ (1u << (bit % 8)));
    const auto read = decode_membership(other);
    if (!read.ok()) continue;
    EXPECT_NE(*read, written) << "bit " << bit;
    EXPECT_EQ(encode_membership(*read), other) << "bit " << bit;
  }
}

TEST(MembershipCodecDeathTest, WritesNoInvalidMembership) {
  Membership broken = membership("1 2");
  broken.members.pop_back();
  EXPECT_DEATH(encode_membership(broken), "validate");
}

}  // namespace
}  // namespace worldline::replication
