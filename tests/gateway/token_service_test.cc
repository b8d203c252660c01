// tests/gateway/token_service_test.cc: own tokens, the vectors of auth-http.json, and forgeries
// [S 02/11].
#include "gateway/auth/token_service.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/hmac.h>

#include "gateway/auth/claims.h"
#include "gateway/auth/key_files.h"
#include "tests/base/temporary_directory.h"

namespace worldline::gateway {
namespace {

constexpr int64_t kNow = 1'737'665'800;

class TokenServiceTest : public ::testing::Test {
 protected:
  TokenServiceTest() {
    config.key_dir = (folder / "keys").string();
    service = TokenService::open(config).value();
    key = PrivateKey::parse_pem(read("id_ecdsa")).value();
  }

  std::string read(const std::string& name) const { return folder.read("keys/" + name); }
  static std::string sign(const PrivateKey& with, const std::string& header,
                          const std::string& payload) {
    const std::string text =
        base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(payload));
    return text + "." + base64url_encode(with.sign(text).value());
  }
  std::string verdict(const std::string& token, int64_t now = kNow) const {
    const auto claims = service->verify(token, now);
    if (claims.ok()) return "ok " + claims->identity.to_hex();
    EXPECT_EQ(claims.status().code(), StatusCode::kUnauthenticated);
    return claims.status().message();
  }

  const TemporaryDirectory folder;
  AuthConfig config;
  std::unique_ptr<TokenService> service;
  std::optional<PrivateKey> key;
};

constexpr char kEs256[] = R"({"typ":"JWT","alg":"ES256"})";
constexpr char kAlice[] = R"({"sub":"alice","iss":"localhost","iat":1,"exp":null})";
constexpr char kAliceIdentity[] =
    "ok c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";

constexpr const char* kForeignIdentity =
    "Identity mismatch: token identity "
    "c200e63a6bd07da2304dd6f5b4691d3338562ceaa43cad4624d0d181a7a6c0d4 does not match computed "
    "identity c20035600353a2e93544d898c6ed0eac323e200c0468300f22958f8b472a265d";
// Of bob at localhost, big-endian [S 01/4.1].
constexpr const char* kBobBytes =
    "194,0,230,58,107,208,125,162,48,77,214,245,180,105,29,51,56,86,44,234,164,60,173,70,36,208,"
    "209,"
    "129,167,166,192,212";
constexpr const char* kNotAnIdentity =
    "Invalid token: JSON error: `hex_identity` must be a string or an array of 32 bytes";

struct PayloadCase {
  const char* name;
  std::string payload;
  const char* verdict;
};

const PayloadCase kPayloads[] = {
    {"Good", kAlice, kAliceIdentity},
    {"WithoutExp", R"({"sub":"alice","iss":"localhost","iat":1})", kAliceIdentity},
    {"InFuture", R"({"sub":"alice","iss":"localhost","iat":1,"exp":1737665801})", kAliceIdentity},
    {"WithinLeeway", R"({"sub":"alice","iss":"localhost","iat":1,"exp":1737665740})",
     kAliceIdentity},
    {"Expired", R"({"sub":"alice","iss":"localhost","iat":1,"exp":1737665739})",
     "Invalid token: ExpiredSignature"},
    {"AudienceText", R"({"sub":"alice","iss":"localhost","iat":1,"aud":"x"})", kAliceIdentity},
    {"AudienceNumber", R"({"sub":"alice","iss":"localhost","iat":1,"aud":5})",
     "Invalid token: JSON error: `aud` must be a string or an array of strings"},
    {"NoSubject", R"({"iss":"localhost","iat":1})", "Invalid token: Missing required claim: sub"},
    {"NoIssuer", R"({"sub":"alice","iat":1})", "Invalid token: Missing required claim: iss"},
    {"NoIat", R"({"sub":"alice","iss":"localhost"})", "Invalid token: Missing required claim: iat"},
    {"FractionalIat", R"({"sub":"alice","iss":"localhost","iat":1.5})",
     "Invalid token: JSON error: `iat` must be an integer number of seconds"},
    {"HugeExp", R"({"sub":"alice","iss":"localhost","iat":1,"exp":18446744073709551615})",
     "Invalid token: JSON error: `exp` must be an integer number of seconds"},
    {"NegativeExp", R"({"sub":"alice","iss":"localhost","iat":1,"exp":-5})",
     "Invalid token: JSON error: `exp` must be an integer number of seconds"},
    {"EmptySubject", R"({"sub":"","iss":"localhost","iat":1})", "Subject empty"},
    {"EmptyIssuer", R"({"sub":"x","iss":"","iat":1})", "Issuer empty"},
    {"LongSubject", R"({"iss":"localhost","iat":1,"sub":")" + std::string(129, 's') + R"("})",
     "Subject too long: 129 bytes, at most 128"},
    {"DuplicateMember", R"({"sub":"bob","sub":"alice","iss":"localhost","iat":1})",
     "Invalid token: JSON error: duplicate field `sub`"},
    {"NotAnObject", "[]", "Invalid token: JSON error: not an object"},
    {"NotJson", "{", "Invalid token: JSON error: not valid JSON"},
    {"ForeignIdentity",
     R"({"sub":"alice","iss":"localhost","iat":1,"hex_identity":)"
     R"("c200e63a6bd07da2304dd6f5b4691d3338562ceaa43cad4624d0d181a7a6c0d4"})",
     kForeignIdentity},
    {"ForeignIdentityAsBytes",
     fmt::format(R"({{"sub":"alice","iss":"localhost","iat":1,"hex_identity":[{}]}})", kBobBytes),
     kForeignIdentity},
    {"OwnIdentityAsBytes",
     fmt::format(R"({{"sub":"bob","iss":"localhost","iat":1,"hex_identity":[{}]}})", kBobBytes),
     "ok c200e63a6bd07da2304dd6f5b4691d3338562ceaa43cad4624d0d181a7a6c0d4"},
    {"IdentityOfTooFewBytes", R"({"sub":"alice","iss":"localhost","iat":1,"hex_identity":[194,0]})",
     kNotAnIdentity},
    {"IdentityOfWideNumbers",
     fmt::format(R"({{"sub":"bob","iss":"localhost","iat":1,"hex_identity":[{},256]}})",
                 std::string_view(kBobBytes).substr(0, std::string_view(kBobBytes).rfind(','))),
     kNotAnIdentity},
    {"IdentityOfBytesAndText",
     fmt::format(R"({{"sub":"bob","iss":"localhost","iat":1,"hex_identity":[{},"212"]}})",
                 std::string_view(kBobBytes).substr(0, std::string_view(kBobBytes).rfind(','))),
     kNotAnIdentity},
    {"IdentityOfANumber", R"({"sub":"alice","iss":"localhost","iat":1,"hex_identity":7})",
     kNotAnIdentity},
};

class PayloadTest : public TokenServiceTest, public ::testing::WithParamInterface<PayloadCase> {};

TEST_P(PayloadTest, OfAWellSignedTokenIsAcceptedOrRefusedWithItsReason) {
  EXPECT_EQ(verdict(sign(*key, kEs256, GetParam().payload)), GetParam().verdict);
}
INSTANTIATE_TEST_SUITE_P(S02, PayloadTest, ::testing::ValuesIn(kPayloads),
                         [](const auto& test) { return test.param.name; });

TEST_F(TokenServiceTest, MintedTokensNameTheirIdentityAndNeverExpire) {
  const IssuedToken issued = service->mint(kNow).value();
  EXPECT_EQ(verdict(issued.token, kNow * 10), "ok " + issued.claims.identity.to_hex());
  EXPECT_NE(service->mint(kNow)->claims.identity, issued.claims.identity);
  const auto parts = split_token(issued.token);
  EXPECT_EQ(decode_segment(parts->header).value(), kEs256);
  EXPECT_EQ(decode_segment(parts->payload).value(),
            fmt::format(R"({{"hex_identity":"{}","sub":"{}","iss":"localhost",)"
                        R"("aud":["spacetimedb"],"iat":{},"exp":null}})",
                        issued.claims.identity.to_hex(), issued.claims.subject, kNow));
}

TEST_F(TokenServiceTest, WebSocketTokensKeepTheClaimsForAMinute) {
  const std::string original =
      sign(*key, kEs256,
           R"({"sub":"alice","iss":"localhost","iat":1,"roles":["a",{"b":1}],"aud":"me"})");
  const TokenClaims claims = service->verify(original, kNow).value();
  const std::string token = service->mint_websocket_token(claims, kNow).value();
  EXPECT_EQ(verdict(token, kNow + 120), kAliceIdentity);  // 60 s and the leeway.
  EXPECT_EQ(verdict(token, kNow + 121), "Invalid token: ExpiredSignature");
  const std::string payload = decode_segment(split_token(token)->payload).value();
  EXPECT_NE(payload.find(R"("aud":"me","iat":1737665800,"exp":1737665860,"roles":["a",{"b":1}])"),
            std::string::npos)
      << payload;
}

TEST_F(TokenServiceTest, ForgedTokensAreRefused) {
  const std::string good = sign(*key, kEs256, kAlice);
  const PrivateKey stranger = PrivateKey::generate().value();
  EXPECT_EQ(verdict(sign(stranger, kEs256, kAlice)), "Invalid token: InvalidSignature");
  const auto parts = split_token(good);
  const std::string other =
      base64url_encode(as_bytes(R"({"sub":"bob","iss":"localhost","iat":1,"exp":null})"));
  EXPECT_EQ(verdict(fmt::format("{}.{}.{}", parts->header, other, parts->signature)),
            "Invalid token: InvalidSignature");
  EXPECT_EQ(verdict(fmt::format("{}.{}.", parts->header, parts->payload)),
            "Invalid token: InvalidSignature");
  EXPECT_EQ(verdict(good + "="), "Invalid token: Base64 error: signature");
  for (const char* broken : {"", ".", "a.b", "a.b.c.d", "..", "...."})
    EXPECT_EQ(verdict(broken).substr(0, 14), "Invalid token:") << broken;
  EXPECT_EQ(verdict(std::string(20'000, 'a') + ".b.c"), "Invalid token: InvalidToken");
}

TEST_F(TokenServiceTest, TheAlgorithmFollowsTheKeyAndNotTheHeader) {
  for (const char* algorithm : {"none", "HS256", "RS256", "ES384", "es256"})
    EXPECT_EQ(verdict(sign(*key, fmt::format(R"({{"alg":"{}"}})", algorithm), kAlice)),
              "Invalid token: InvalidAlgorithm")
        << algorithm;
  // The published public key as the secret of an HS256 token: the classic confusion.
  const std::string pem = service->public_key_pem();
  const std::string text = base64url_encode(as_bytes(R"({"typ":"JWT","alg":"HS256"})")) + "." +
                           base64url_encode(as_bytes(kAlice));
  std::array<Byte, 32> mac{};
  unsigned mac_bytes = 0;
  HMAC(EVP_sha256(), pem.data(), static_cast<int>(pem.size()), as_bytes(text).data(), text.size(),
       mac.data(), &mac_bytes);
  EXPECT_EQ(verdict(text + "." + base64url_encode(mac)), "Invalid token: InvalidAlgorithm");
  EXPECT_EQ(verdict(sign(*key, R"({"alg":"ES256","crit":["x"]})", kAlice)),
            "Invalid token: InvalidToken");
  EXPECT_EQ(verdict(sign(*key, R"({"typ":"JWT"})", kAlice)),
            "Invalid token: JSON error: missing field `alg`");
}

TEST_F(TokenServiceTest, AForeignTokenNamesWhomToAskUnlessItIsRefusedAnyway) {
  const PrivateKey stranger = PrivateKey::generate().value();
  const auto check = [&](const std::string& claims) {
    return service->check(sign(stranger, kEs256, claims), kNow);
  };
  const auto foreign = check(R"({"sub":"alice","iss":"https://auth.example.com","iat":1})");
  EXPECT_EQ(foreign.claims.status().message(), "Invalid token: InvalidSignature");
  EXPECT_EQ(foreign.issuer, "https://auth.example.com");
  EXPECT_FALSE(check(kAlice).issuer) << "our own issuer";
  const auto late = check(R"({"sub":"a","iss":"https://auth.example.com","iat":1,"exp":2})");
  EXPECT_EQ(late.claims.status().message(), "Invalid token: ExpiredSignature");
  EXPECT_FALSE(late.issuer);
  EXPECT_FALSE(check(R"({"sub":"","iss":"https://auth.example.com","iat":1})").issuer);
  EXPECT_FALSE(check(R"({"sub":"a","iss":"https://auth.example.com"})").issuer);
  EXPECT_FALSE(check("{}").issuer);
  // Signed by us on behalf of another issuer: step 1 accepts it [S 02/11.4].
  EXPECT_EQ(verdict(sign(*key, kEs256, R"({"sub":"b","iss":"a","iat":1})")),
            "ok c20031e002707e94276b24b96c568ece2f159386738e646c6107b45b26fd0396");
}

TEST_F(TokenServiceTest, VectorsOfTheReferenceVerifyWithTheirKey) {
  std::ifstream file(WL_TEST_DATA "/vectors/auth-http.json");
  const auto jwt = nlohmann::json::parse(file).at("jwt");
  const std::string pem = jwt.at("public_key_pem");
  const PublicKey reference = PublicKey::parse_pem(pem).value();
  for (const auto& vector : jwt.at("vectors")) {
    SCOPED_TRACE(vector.at("name").get<std::string>());
    const std::string token = vector.at("token");
    const auto parts = split_token(token);
    ASSERT_TRUE(parts.has_value());
    EXPECT_TRUE(reference.verify(parts->signed_text, *base64url_decode(parts->signature)));
    const auto claims = read_claims(decode_segment(parts->payload).value());
    ASSERT_TRUE(claims.ok()) << claims.status().message();
    const auto identity = check_identity(*claims);
    if (vector.at("name") == "identity mismatch") {
      EXPECT_EQ(identity.status().message().rfind("Identity mismatch: token identity", 0), 0u);
    } else {
      ASSERT_TRUE(identity.ok());
      EXPECT_EQ(identity->to_hex(), *claims->hex_identity);
    }
  }
}

TEST_F(TokenServiceTest, KeysAreMadeOnceWithModeSixHundred) {
  namespace fs = std::filesystem;
  for (const char* name : {"id_ecdsa", "id_ecdsa.pub"})
    EXPECT_EQ(fs::status(folder / "keys" / name).permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(read("id_ecdsa").rfind("-----BEGIN PRIVATE KEY-----", 0), 0u);
  EXPECT_EQ(read("id_ecdsa.pub"), service->public_key_pem());
  const std::string token = service->mint(kNow)->token;
  const auto again = TokenService::open(config).value();
  EXPECT_TRUE(again->verify(token, kNow).ok());
}

TEST_F(TokenServiceTest, HalfAPairOrAWrongOneIsAStartUpError) {
  namespace fs = std::filesystem;
  const auto message = [this] { return TokenService::open(config).status().message(); };
  fs::rename(folder / "keys" / "id_ecdsa.pub", folder / "elsewhere");
  EXPECT_EQ(message().rfind("Unable to read public key for JWT token verification", 0), 0u);
  fs::rename(folder / "elsewhere", folder / "keys" / "id_ecdsa.pub");
  std::ofstream(folder / "keys" / "id_ecdsa") << PrivateKey::generate()->private_pem();
  EXPECT_EQ(message(), "the private and the public JWT key are not a pair");
  std::ofstream(folder / "keys" / "id_ecdsa") << "nonsense";
  EXPECT_EQ(message().rfind("Unable to read private key for JWT token signing", 0), 0u);
  fs::remove(folder / "keys" / "id_ecdsa");
  EXPECT_EQ(message().rfind("Unable to read private key for JWT token signing", 0), 0u);
}

TEST(Base64Test, AcceptsTheShortestSpellingOnly) {
  EXPECT_EQ(base64url_encode(as_bytes("hello")), "aGVsbG8");
  EXPECT_EQ(base64_encode(as_bytes("hello")), "aGVsbG8=");
  EXPECT_EQ(base64_encode(as_bytes("hell")), "aGVsbA==");
  EXPECT_EQ(as_text(*base64url_decode("aGVsbG8")), "hello");
  EXPECT_EQ(base64url_encode(ByteBuffer{0xFB, 0xFF}), "-_8");
  for (const char* bad : {"a", "aGVsbG8=", "aGVsbG9", "aG+s", "aG s", "aGVsbA="})
    EXPECT_FALSE(base64url_decode(bad).has_value()) << bad;
}

TEST(CryptoTest, UuidsAreOfVersionFour) {
  const std::string uuid = random_uuid();
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
  EXPECT_NE(random_uuid(), uuid);
}

}  // namespace
}  // namespace worldline::gateway
