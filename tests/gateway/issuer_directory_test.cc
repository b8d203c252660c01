// tests/gateway/issuer_directory_test.cc: whom we ask for keys, how often, and what is told
// [S 02/11.4, 11.5].
#include "gateway/auth/issuer_directory.h"

#include <deque>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/gateway/issuer_fixture.h"

namespace worldline::gateway::testing {
namespace {

constexpr char kIssuer[] = "https://issuer.example/";
constexpr char kConfiguration[] = "https://issuer.example/.well-known/openid-configuration";
constexpr char kKeysUrl[] = "https://keys.example/jwks";

// Remembers what was asked for; the test answers.
class HeldFetcher final : public UrlFetcher {
 public:
  void get(const std::string& url, Fetched done) override {
    urls.push_back(url);
    pending.push_back(std::move(done));
  }
  void answer(Result<std::string> outcome) {
    ASSERT_FALSE(pending.empty());
    const Fetched done = std::move(pending.front());
    pending.pop_front();
    done(std::move(outcome));
  }

  std::vector<std::string> urls;
  std::deque<Fetched> pending;
};

class IssuerDirectoryTest : public ::testing::Test {
 protected:
  void ask(const std::string& issuer = kIssuer) {
    directory.keys_of(issuer, [this](const Result<IssuerDirectory::Keys>& keys) {
      told.push_back(keys.ok() ? std::to_string((*keys)->size()) + " keys"
                               : keys.status().message());
    });
  }
  void answer_with_keys(int count = 1) {
    fetcher.answer(std::string(R"({"issuer":"x","jwks_uri":")") + kKeysUrl + R"("})");
    fetcher.answer(key_set_of(std::vector<std::string>(static_cast<size_t>(count), key.jwk())));
  }

  using Told = std::vector<std::string>;
  const IssuerKey key = IssuerKey::ec("e");
  HeldFetcher fetcher;
  FakeClock clock;
  IssuerDirectory directory{{"*"}, fetcher, clock};
  Told told;
};

constexpr char kRefused[] = "Error fetching public key for issuer https://issuer.example/";

TEST_F(IssuerDirectoryTest, AsksTheConfigurationThenTheKeysAndAnswersAllWhoWait) {
  ask();
  ask();
  EXPECT_EQ(fetcher.urls, std::vector<std::string>{kConfiguration}) << "one request for both";
  answer_with_keys();
  EXPECT_EQ(fetcher.urls.back(), kKeysUrl);
  EXPECT_EQ(told, (Told{"1 keys", "1 keys"}));
  ask();
  EXPECT_EQ(told.size(), 3u);
  EXPECT_EQ(fetcher.urls.size(), 2u) << "kept";
}

TEST_F(IssuerDirectoryTest, RefreshesBehindTheBackOfThoseWhoAsk) {
  ask();
  answer_with_keys(1);
  clock.advance(std::chrono::seconds(301));
  ask();
  EXPECT_EQ(told.back(), "1 keys") << "at once";
  EXPECT_EQ(told.size(), 2u);
  answer_with_keys(2);
  ask();
  EXPECT_EQ(told.back(), "2 keys");
}

TEST_F(IssuerDirectoryTest, KeepsOldKeysThroughAFailureButNotForEver) {
  ask();
  answer_with_keys();
  clock.advance(std::chrono::seconds(301));
  ask();
  fetcher.answer(Status::unavailable("down"));
  ask();
  EXPECT_EQ(told, (Told{"1 keys", "1 keys", "1 keys"}));
  EXPECT_TRUE(fetcher.pending.empty()) << "the failure is believed for a while";
  clock.advance(std::chrono::seconds(7200));
  ask();
  EXPECT_EQ(told.size(), 3u) << "waits: the old keys are too old";
  fetcher.answer(Status::unavailable("down"));
  EXPECT_EQ(told.back(), kRefused);
}

TEST_F(IssuerDirectoryTest, BelievesAFailureForAWhile) {
  ask();
  fetcher.answer(Status::timeout("secret detail"));
  ask();
  EXPECT_EQ(told, (Told{kRefused, kRefused}));
  EXPECT_EQ(fetcher.urls.size(), 1u);
  clock.advance(std::chrono::seconds(11));
  ask();
  EXPECT_EQ(fetcher.urls.size(), 2u);
}

struct AnswerCase {
  const char* name;
  const char* configuration;
};

class BadAnswerTest : public IssuerDirectoryTest,
                      public ::testing::WithParamInterface<AnswerCase> {};

TEST_P(BadAnswerTest, IsAFailure) {
  ask();
  fetcher.answer(std::string(GetParam().configuration));
  if (!fetcher.pending.empty()) fetcher.answer(std::string("{}"));
  EXPECT_EQ(told, Told{kRefused});
}
INSTANTIATE_TEST_SUITE_P(
    S02, BadAnswerTest,
    ::testing::Values(AnswerCase{"NotJson", "<html>"}, AnswerCase{"NoKeySet", "{}"},
                      AnswerCase{"KeySetIsNoText", R"({"jwks_uri":7})"},
                      AnswerCase{"Downgrade", R"({"jwks_uri":"http://keys.example/jwks"})"},
                      AnswerCase{"BadKeySet", R"({"jwks_uri":"https://keys.example/jwks"})"}),
    [](const auto& test) { return test.param.name; });

TEST_F(IssuerDirectoryTest, AsksNobodyWhoIsNoUrlOrNotAllowed) {
  for (const char* issuer : {"somebody", "", "ftp://x", "https://a|b", "file:///etc/passwd"})
    ask(issuer);
  IssuerDirectory strict({"https://friend.example"}, fetcher, clock);
  strict.keys_of("https://friend.example/",
                 [this](const auto& keys) { told.push_back(keys.status().message()); });
  EXPECT_EQ(told.size(), 6u);
  EXPECT_EQ(told[0], "Error fetching public key for issuer somebody");
  EXPECT_TRUE(fetcher.urls.empty());
  strict.keys_of("https://friend.example", [](const auto&) {});
  EXPECT_EQ(fetcher.urls.size(), 1u);
}

TEST_F(IssuerDirectoryTest, BoundsTheIssuersItRemembers) {
  for (size_t i = 0; i < IssuerDirectory::kIssuersMax; ++i)
    ask("https://" + std::to_string(i) + ".example");
  ask();
  EXPECT_EQ(told, Told{kRefused}) << "all of them are being asked";
  fetcher.answer(Status::unavailable("down"));
  ask();
  EXPECT_EQ(fetcher.urls.back(), kConfiguration) << "the failed one made room";
}

TEST_F(IssuerDirectoryTest, BoundsThoseWhoWait) {
  for (size_t i = 0; i <= IssuerDirectory::kWaitersMax; ++i) ask();
  EXPECT_EQ(told, Told{kRefused});
  answer_with_keys();
  EXPECT_EQ(told.size(), IssuerDirectory::kWaitersMax + 1);
}

}  // namespace
}  // namespace worldline::gateway::testing
