// tests/schema/identity_vectors_test.cc: identity.json and case_conversion.json.
#include "schema/case_conversion.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "tests/schema/schema_fixture.h"

namespace worldline::schema {
namespace {

TEST(IdentityVectors, AreDerivedFromClaims) {
  for (const auto& vector : load_vectors("identity.json", "identities")) {
    SCOPED_TRACE(vector.dump());
    const auto identity = Identity::from_claims(vector.at("issuer").get<std::string>(),
                                                vector.at("subject").get<std::string>());
    ASSERT_TRUE(identity.ok()) << identity.status().message();
    EXPECT_EQ(identity->to_hex(), vector.at("identity_hex").get<std::string>());
    EXPECT_EQ(to_hex(identity->bytes()), vector.at("bsatn_hex").get<std::string>());
    EXPECT_TRUE(has_valid_checksum(*identity));
    std::string json;
    ASSERT_TRUE(append_json(AlgebraicType::identity(), Typespace::empty(), identity->bytes(),
                            JsonStyle::kTyped, json)
                    .ok());
    EXPECT_EQ(json, vector.at("sats_json").get<std::string>());
    EXPECT_EQ("\"" + identity->to_hex() + "\"", vector.at("plain_json").get<std::string>());
    EXPECT_EQ(*Identity::parse(identity->to_hex()), *identity);
  }
}

TEST(IdentityVectors, KnownIdentitiesHaveTheirChecksum) {
  for (const auto& vector : load_vectors("identity.json", "known_identities_checksum")) {
    const auto identity = Identity::parse(vector.at("identity_hex").get<std::string>());
    ASSERT_TRUE(identity.ok());
    EXPECT_EQ(has_valid_checksum(*identity), vector.at("checksum_valid").get<bool>());
  }
}

TEST(IdentityVectors, KeccakNamesPrograms) {
  for (const auto& vector : load_vectors("identity.json", "keccak256")) {
    const std::string input = vector.contains("input_hex")
                                  ? std::string(as_text(from_hex(vector.at("input_hex"))))
                                  : vector.at("input_utf8").get<std::string>();
    const Hash256 hash = keccak256(as_bytes(input));
    EXPECT_EQ(hash.to_hex(), vector.at("display_hex").get<std::string>());
    EXPECT_EQ(to_hex(hash.bytes), vector.at("bsatn_hex").get<std::string>());
    EXPECT_EQ("\"" + hash.to_json_text() + "\"", vector.at("sats_json").get<std::string>());
  }
}

TEST(IdentityVectors, ViewArgumentsAreHashedWithPrefix) {
  for (const auto& vector : load_vectors("identity.json", "view_args")) {
    const Hash256 hash = view_argument_hash(from_hex(vector.at("args_bsatn")));
    EXPECT_EQ(hash.to_hex(), vector.at("blake3_hex").get<std::string>());
    EXPECT_EQ(hash.to_json_text(), vector.at("as_u256_hex").get<std::string>());
  }
}

TEST(Identity, RefusesClaimsAndTextOutOfBounds) {
  EXPECT_FALSE(Identity::from_claims("", "x").ok());
  EXPECT_FALSE(Identity::from_claims("x", "").ok());
  EXPECT_TRUE(Identity::from_claims(std::string(128, 'a'), std::string(128, 'b')).ok());
  EXPECT_FALSE(Identity::from_claims(std::string(129, 'a'), "b").ok());
  EXPECT_FALSE(Identity::parse(std::string(63, '0')).ok());
  EXPECT_FALSE(Identity::parse("0x" + std::string(64, '0')).ok());
  EXPECT_FALSE(Identity::parse(std::string(64, 'g')).ok());
  EXPECT_FALSE(ConnectionId::parse(std::string(31, '0')).ok());
  Identity identity;
  EXPECT_TRUE(looks_like_identity("0x" + std::string(64, 'A'), identity));
  EXPECT_TRUE(looks_like_identity(std::string(64, '1'), identity));
  EXPECT_TRUE(looks_like_identity("X'" + std::string(64, '1'), identity));
  EXPECT_FALSE(looks_like_identity("X'" + std::string(64, '1') + "'", identity));
  for (const char* prefix : {"0X", "0x0x", "x"})
    EXPECT_FALSE(looks_like_identity(prefix + std::string(64, '1'), identity)) << prefix;
  EXPECT_FALSE(looks_like_identity("0x" + std::string(62, '1'), identity)) << "nothing is padded";
  EXPECT_FALSE(looks_like_identity("chat", identity));
}

TEST(ConnectionId, PrintsBigEndianAndIsStoredLittleEndian) {
  const auto id = ConnectionId::parse("ff0102030405060708090a0b0c0d0e0f");
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(to_hex(id->bytes()), "0f0e0d0c0b0a090807060504030201ff");
  EXPECT_EQ(id->to_hex(), "ff0102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(ConnectionId::from_le_bytes(id->bytes()), *id);
}

TEST(CaseConversionVectors, AllConvert) {
  for (const auto& vector : load_vectors("case_conversion.json", "vectors")) {
    const std::string input = vector.at("input");
    EXPECT_EQ(convert_name(input, NameCase::kSnake), vector.at("snake").get<std::string>());
    EXPECT_EQ(convert_name(input, NameCase::kCamel), vector.at("camel").get<std::string>());
    EXPECT_EQ(convert_name(input, NameCase::kPascal), vector.at("pascal").get<std::string>());
  }
}

struct IdentifierCase {
  const char* name;
  const char* text;
  const char* error;  // A part of it; null if valid.
};
const IdentifierCase kIdentifierCases[] = {
    {"Plain", "person", nullptr},
    {"LeadingUnderscore", "_x1", nullptr},
    {"ReservedSqlWordIsFree", "select", nullptr},
    {"Letters",
     "\xc3\xbc"
     "ber",
     nullptr},
    {"Empty", "", "Empty identifiers are forbidden."},
    {"Digit", "2d", "starting character '2' is neither"},
    {"Dot", "a.b", "contains a character '.' that is not"},
    {"Space", "a b", "contains a character ' ' that is not"},
    {"Decomposed",
     "u\xcc\x88"
     "ber",
     "is not in normalization form C"},
    {"Emoji", "\xf0\x9f\x8d\x8c", "starting character"},
};
class IdentifierTest : public testing::TestWithParam<IdentifierCase> {};

TEST_P(IdentifierTest, IsCheckedInTheSpecifiedOrder) {
  const Status status = validate_identifier(GetParam().text);
  if (GetParam().error == nullptr) {
    EXPECT_TRUE(status.ok()) << status.message();
  } else {
    EXPECT_NE(status.message().find(GetParam().error), std::string::npos) << status.message();
  }
}
INSTANTIATE_TEST_SUITE_P(S01, IdentifierTest, testing::ValuesIn(kIdentifierCases),
                         [](const auto& test) { return test.param.name; });

TEST(CaseConversion, HandlesLettersBeyondAscii) {
  EXPECT_EQ(convert_name("\xc3\x84pfelKorb", NameCase::kSnake), "\xc3\xa4pfel_korb");
  EXPECT_EQ(convert_name("\xc3\xa4pfel_korb", NameCase::kPascal), "\xc3\x84pfelKorb");
}

}  // namespace
}  // namespace worldline::schema
