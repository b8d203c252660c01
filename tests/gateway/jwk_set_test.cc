// tests/gateway/jwk_set_test.cc: keys of other issuers, and which tokens they verify [S 02/11.5].
#include "gateway/auth/jwk_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/gateway/issuer_fixture.h"

namespace worldline::gateway::testing {
namespace {

std::string refusal(const JwkSet& set, const TokenHeader& header, std::string_view text,
                    Bytes signature) {
  const Status status = set.verify(header, text, signature);
  if (status.ok()) return "ok";
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  return status.message();
}

TEST(JwkSetTest, EachTypeOfKeyVerifiesItsOwnAlgorithmAndNoOther) {
  const IssuerKey rsa = IssuerKey::rsa("r", 2048);
  const IssuerKey ec = IssuerKey::ec("e");
  const auto set = JwkSet::parse(key_set_of({rsa.jwk(), ec.jwk()}));
  ASSERT_TRUE(set.ok()) << set.status().message();
  ASSERT_EQ(set->size(), 2u);
  const ByteBuffer by_rsa = rsa.sign("text");
  const ByteBuffer by_ec = ec.sign("text");
  EXPECT_EQ(refusal(*set, {"RS256", "r"}, "text", by_rsa), "ok");
  EXPECT_EQ(refusal(*set, {"ES256", "e"}, "text", by_ec), "ok");
  EXPECT_EQ(refusal(*set, {"RS256", std::nullopt}, "text", by_rsa), "ok") << "each in turn";
  EXPECT_EQ(refusal(*set, {"ES256", std::nullopt}, "text", by_ec), "ok");
  EXPECT_EQ(refusal(*set, {"RS256", "r"}, "other", by_rsa), "Invalid token: InvalidSignature");
  EXPECT_EQ(refusal(*set, {"ES256", "e"}, "text", by_rsa), "Invalid token: InvalidSignature");
  EXPECT_EQ(refusal(*set, {"RS256", "e"}, "text", by_ec), "Invalid token: InvalidAlgorithm");
  for (const char* algorithm : {"HS256", "none", "RS512", "ES384", ""})
    EXPECT_EQ(refusal(*set, {algorithm, std::nullopt}, "text", by_rsa),
              "Invalid token: InvalidAlgorithm")
        << algorithm;
  EXPECT_EQ(refusal(*set, {"RS256", "x"}, "text", by_rsa), "Specified key ID not found in JWKs");
}

struct DocumentCase {
  const char* name;
  std::string json;
  int keys;  // -1: refused.
};

class DocumentTest : public ::testing::TestWithParam<DocumentCase> {};

TEST_P(DocumentTest, IsReadOrRefused) {
  const auto set = JwkSet::parse(GetParam().json);
  EXPECT_EQ(set.ok() ? static_cast<int>(set->size()) : -1, GetParam().keys)
      << set.status().message();
}

std::string without(std::string json, const std::string& part) {
  const size_t at = json.find(part);
  EXPECT_NE(at, std::string::npos) << part << " in " << json;
  return json.erase(at, part.size());
}

const IssuerKey& example() {
  static const IssuerKey key = IssuerKey::ec("e");
  return key;
}

INSTANTIATE_TEST_SUITE_P(
    S02, DocumentTest,
    ::testing::Values(
        DocumentCase{"Empty", R"({"keys":[]})", 0},
        DocumentCase{"OtherTypesAreLeftOut",
                     R"({"keys":[{"kid":"o","kty":"oct","k":"AA"},{"kid":"p","kty":"OKP"},
                        {"kid":"q","kty":"EC","crv":"P-384"}]})",
                     0},
        DocumentCase{"KeysForEncryptionAreLeftOut",
                     R"({"keys":[{"kid":"e","kty":"RSA","use":"enc"}]})", 0},
        DocumentCase{"EveryKeyNeedsAnId", key_set_of({without(example().jwk(), "\"kid\":\"e\",")}),
                     -1},
        DocumentCase{"NoKeys", "{}", -1}, DocumentCase{"NotJson", "<html>", -1},
        DocumentCase{"AnArray", "[]", -1}, DocumentCase{"KeyIsNoObject", R"({"keys":[1]})", -1},
        DocumentCase{"NotOnTheCurve",
                     R"({"keys":[{"kid":"e","kty":"EC","crv":"P-256",
                        "x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE",
                        "y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]})",
                     -1},
        DocumentCase{"ShortModulus", key_set_of({IssuerKey::rsa("r", 1024).jwk()}), -1},
        DocumentCase{"EvenExponent",
                     R"({"keys":[{"kid":"r","kty":"RSA","n":")" + std::string(342, '_') +
                         R"(","e":"AQAA"}]})",
                     -1},
        DocumentCase{"NoModulus", R"({"keys":[{"kid":"r","kty":"RSA","e":"AQAB"}]})", -1}),
    [](const auto& test) { return test.param.name; });

TEST(JwkSetTest, ASetHasALimit) {
  const std::vector<std::string> many(JwkSet::kKeysMax + 1, example().jwk());
  EXPECT_FALSE(JwkSet::parse(key_set_of(many)).ok());
  EXPECT_TRUE(JwkSet::parse(key_set_of({many.begin(), many.end() - 1})).ok());
}

}  // namespace
}  // namespace worldline::gateway::testing
