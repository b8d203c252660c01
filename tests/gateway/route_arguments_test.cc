// tests/gateway/route_arguments_test.cc: paths, queries, durations and hashes [S 02/1.3, 1.4].
#include "gateway/route_arguments.h"

#include <gtest/gtest.h>

#include "gateway/rate_limit.h"
#include "gateway/status_to_http.h"

namespace worldline::gateway {
namespace {

TEST(RouteArgumentsTest, DatabaseNamesFollowTheGrammar) {
  for (const char* good : {"a", "a-b", "0", "my-db-2"})
    EXPECT_TRUE(check_database_name(good).ok()) << good;
  EXPECT_EQ(check_database_name("").message(), "database names cannot be empty");
  EXPECT_EQ(check_database_name(std::string(64, 'a')).message(),
            "database names cannot be identities");
  for (const char* bad : {"-", "-a", "a-", "a--b"})
    EXPECT_EQ(check_database_name(bad).message(), "invalid hyphen in database name") << bad;
  for (const char* bad : {"A", "a_b", "a b", "a/b", "\xC3\xA4"})
    EXPECT_EQ(check_database_name(bad).message(), "invalid characters in database name") << bad;
}

struct DurationCase {
  const char* text;
  int64_t ms;  // -1: refused.
};

TEST(RouteArgumentsTest, DurationsAreHumanOnes) {
  const DurationCase cases[] = {{"5s", 5000},
                                {"1m 30s", 90'000},
                                {"1m30s", 90'000},
                                {"250ms", 250},
                                {"2 hours", 7'200'000},
                                {"0s", 0},
                                {"", -1},
                                {"5", -1},
                                {"s", -1},
                                {"-5s", -1},
                                {"5 parsecs", -1},
                                {"9999999999999999999s", -1},
                                {"24h 24h", 86'400'000}};
  for (const DurationCase& c : cases) {
    const auto parsed = parse_duration(c.text);
    EXPECT_EQ(parsed.ok() ? parsed->count() : -1, c.ms) << c.text;
  }
}

TEST(RouteArgumentsTest, HashesAreLittleEndianNumbers) {
  // The migration token of auth-http.json.
  const auto hash =
      parse_hash("0x6b269324bfdb53f4cdf6bdf4b0b1ac7b2328b93775e5744732aac16320b22e74");
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(hash->to_hex(), "742eb22063c1aa324774e57537b928237bacb1b0f4bdf6cdf453dbbf2493266b");
  EXPECT_EQ(parse_hash("0x1")->bytes[0], 1);
  for (const char* bad : {"", "0x", "12", "0xg", "0X12"}) EXPECT_FALSE(parse_hash(bad).ok());
  EXPECT_FALSE(parse_hash("0x" + std::string(65, '1')).ok());
}

TEST(RouteArgumentsTest, QueriesAreDecodedAndTheFirstOfANameWins) {
  const auto query = QueryParameters::parse("a=1+2%203&b&a=9&&c=%C3%A4");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(*query->find("a"), "1 2 3");
  EXPECT_EQ(*query->find("b"), "");
  EXPECT_EQ(*query->find("c"), "\xC3\xA4");
  EXPECT_EQ(query->find("d"), nullptr);
  EXPECT_TRUE(query->boolean("d", true).value());
  EXPECT_FALSE(query->boolean("b", true).ok());
  EXPECT_FALSE(query->number("b").ok());
  for (const char* bad : {"a=%", "a=%2", "a=%zz", "a=%FF"})
    EXPECT_FALSE(QueryParameters::parse(bad).ok()) << bad;
}

TEST(RouteArgumentsTest, EveryStatusCodeHasItsHttpStatus) {
  EXPECT_EQ(http_status_of(StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(http_status_of(StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(http_status_of(StatusCode::kNotSupported), 501);
  EXPECT_EQ(http_status_of(StatusCode::kTimeout), 504);
  EXPECT_EQ(http_status_of(StatusCode::kCorruption), 503) << "the database is out of service";
  const HttpResponse busy = error_response(Status::overloaded("full"));
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers.at(0).first, "retry-after");
}

TEST(RateLimitTest, RefillsWithTime) {
  RateLimit limit(2);
  const std::chrono::steady_clock::time_point start{std::chrono::hours(1)};
  EXPECT_TRUE(limit.take(start));
  EXPECT_TRUE(limit.take(start));
  EXPECT_FALSE(limit.take(start));
  EXPECT_TRUE(limit.take(start + std::chrono::milliseconds(500)));
  EXPECT_FALSE(limit.take(start + std::chrono::milliseconds(600)));
}

TEST(GatewayConfigTest, ReportsAllFaultsAtOnce) {
  GatewayConfig config;
  config.auth.key_dir = "keys";
  EXPECT_TRUE(config.validate().ok());
  config.io_threads = 0;
  config.websocket.idle_timeout = milliseconds(1);
  config.auth.issuer = "a|b";
  const std::string text = config.validate().message();
  for (const char* key : {"limits.io-threads", "websocket.idle-timeout", "auth.issuer"})
    EXPECT_NE(text.find(key), std::string::npos) << text;
}

}  // namespace
}  // namespace worldline::gateway
