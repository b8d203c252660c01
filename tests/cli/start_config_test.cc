// tests/cli/start_config_test.cc: where settings come from and which are refused [S 09/1.1, 1.4].
#include "cli/start_config.h"

#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

ResolvedStart resolved(const StartArguments& arguments, const Environment& environment = {}) {
  return resolve_start_options(arguments, environment, "/nowhere", "");
}

TEST(StartConfigTest, DefaultsAreValid) {
  const ResolvedStart start = resolved({});
  EXPECT_TRUE(start.errors.empty());
  EXPECT_EQ(start.options.data_dir, "/nowhere");
  EXPECT_EQ(start.options.listen_client, "0.0.0.0:3000");
}

TEST(StartConfigTest, CommandLineWinsOverEnvironmentAndEnvironmentOverFile) {
  const TemporaryDirectory directory;
  directory.write("worldline.toml",
                  "[limits]\nmax-body = \"3MiB\"\ncall-budget = \"5s\"\nmax-clients = 7\n");
  Environment environment;
  environment.variables["WORLDLINE_LIMITS__CALL_BUDGET"] = "6s";
  environment.variables["WORLDLINE_LIMITS__MAX_CLIENTS"] = "8";
  environment.variables["WORLDLINE_PORT"] = "ignored: no double underscore";
  StartArguments arguments;
  arguments.settings = {{"node.data-dir", directory.path()}, {"limits.max-clients", "9"}};
  const ResolvedStart start = resolved(arguments, environment);
  EXPECT_EQ(start.errors, std::vector<std::string>{});
  EXPECT_EQ(start.options.max_body_bytes, 3 * 1024 * 1024);
  EXPECT_EQ(start.options.call_budget, std::chrono::seconds(6));
  EXPECT_EQ(start.options.max_clients, 9);
}

TEST(StartConfigTest, ReportsAllProblemsTogether) {
  StartArguments arguments;
  arguments.settings = {{"limits.max-bdy", "1"},
                        {"listen.client", "localhost"},
                        {"limits.call-budget", "soon"},
                        {"logs.level", "loud"}};
  const ResolvedStart start = resolved(arguments);
  ASSERT_EQ(start.errors.size(), 4U);
  EXPECT_EQ(start.errors[0].substr(0, 40), "error[C002]: limits.max-bdy: unknown key");
  EXPECT_NE(start.errors[0].find("limits.max-body"), std::string::npos) << "the nearest is named";
}

struct ForeignCase {
  const char* key;
  const char* value;
  const char* outcome;  // The beginning of the only error or warning; empty: none.
};
constexpr ForeignCase kForeignCases[] = {
    {"node.in-memory", "false", ""},
    {"node.in-memory", "true", "error[C004]: node.in-memory: not supported"},
    {"node.in-memory", "maybe", "error[C003]: node.in-memory"},
    {"listen.pg-port", "0", ""},
    {"listen.pg-port", "5432", "error[C004]: listen.pg-port: not supported"},
    {"listen.pg-port", "80", "error[C004]: listen.pg-port: 80 is outside 1024 to 65534"},
    {"listen.pg-port", "x", "error[C005]: listen.pg-port: `x` is no number"},
    {"limits.page-pool-max-size", "8GiB", "warning[W002]: limits.page-pool-max-size"},
    {"limits.page-pool-max-size", "much", "error[C005]: limits.page-pool-max-size"},
};

TEST(StartConfigTest, WhatOnlyTheReferenceCanDoIsRefusedOrExplained) {
  for (const ForeignCase& c : kForeignCases) {
    StartArguments arguments;
    arguments.settings = {{c.key, c.value}};
    const ResolvedStart start = resolved(arguments);
    std::vector<std::string> said = start.errors;
    said.insert(said.end(), start.warnings.begin(), start.warnings.end());
    const std::string outcome = c.outcome;
    if (outcome.empty()) {
      EXPECT_EQ(said, std::vector<std::string>{}) << c.key << "=" << c.value;
      continue;
    }
    ASSERT_EQ(said.size(), 1U) << c.key << "=" << c.value;
    EXPECT_EQ(said[0].substr(0, outcome.size()), outcome);
  }
}

TEST(StartConfigTest, EveryNumericKeyRefusesWhatIsBelowOrAboveItsRange) {
  for (const ConfigKey& key : config_keys()) {
    const bool numeric = key.kind == KeyKind::kInteger || key.kind == KeyKind::kSize ||
                         key.kind == KeyKind::kDuration;
    if (!numeric) continue;
    const std::string unit = key.kind == KeyKind::kDuration ? "ms" : "";
    for (const int64_t value : {key.least - 1, key.most + 1}) {
      if (value < 0) continue;
      StartArguments arguments;
      arguments.settings = {{key.name, std::to_string(value) + unit}};
      const ResolvedStart start = resolved(arguments);
      ASSERT_FALSE(start.errors.empty()) << key.name << " = " << value;
      EXPECT_TRUE(start.errors[0].starts_with("error[C004]")) << start.errors[0];
    }
  }
}

TEST(StartConfigTest, HalfAKeyPairIsRefused) {
  StartArguments arguments;
  arguments.settings = {{"certificate-authority.jwt-pub-key-path", "/k.pub"}};
  const ResolvedStart start = resolved(arguments);
  ASSERT_EQ(start.errors.size(), 1U);
  EXPECT_TRUE(start.errors[0].starts_with("error[C007]"));
}

TEST(StartConfigTest, AFileThatIsNotTomlIsNamedWithItsLine) {
  const TemporaryDirectory directory;
  StartArguments arguments;
  arguments.config_file = directory.write("bad.toml", "[limits]\nmax-body = = 3\n");
  const ResolvedStart start = resolved(arguments);
  ASSERT_EQ(start.errors.size(), 1U);
  EXPECT_NE(start.errors[0].find("line 2"), std::string::npos) << start.errors[0];
}

TEST(StartConfigTest, TablesOfTheReferenceThatMeanNothingHereOnlyWarn) {
  const TemporaryDirectory directory;
  directory.write("config.toml",
                  "[commitlog]\nmax-segment-size = 1\n[websocket]\nping-interval = \"9s\"\n");
  StartArguments arguments;
  arguments.settings = {{"node.data-dir", directory.path()}};
  const ResolvedStart start = resolved(arguments);
  EXPECT_EQ(start.errors, std::vector<std::string>{});
  EXPECT_EQ(start.warnings.size(), 1U);
  EXPECT_EQ(start.options.ping_interval, std::chrono::seconds(9));
}

TEST(StartConfigTest, SingleKeysOfTheReferenceOnlyWarnToo) {
  const TemporaryDirectory directory;
  directory.write("config.toml",
                  "[logs]\nlevel = \"debug\"\ndirectives = [\"a=info\"]\n"
                  "[v8]\nprocedure-instance-pool-size = 4\n"
                  "[v8-heap-policy]\nheap-check-request-interval = 10\nheap-limit-mb = 64\n");
  StartArguments arguments;
  arguments.settings = {{"node.data-dir", directory.path()}};
  const ResolvedStart start = resolved(arguments);
  EXPECT_EQ(start.errors, std::vector<std::string>{});
  EXPECT_EQ(start.warnings.size(), 3U);
  EXPECT_EQ(start.options.log_level, "debug");
  EXPECT_EQ(start.options.heap_limit_mb, 64);
}

struct ShareCase {
  const char* text;
  bool is_good;
  int64_t per_cent;
  int64_t bytes;
};
constexpr ShareCase kShareCases[] = {
    {"5%", true, 5, 0},
    {"0%", true, 0, 0},
    {"4GiB", true, 0, int64_t{4} << 30},
    {"max(5%, 4GiB)", true, 5, int64_t{4} << 30},
    {"max(5%,4096)", true, 5, 4096},
    {"", false, 0, 0},
    {"%", false, 0, 0},
    {"-1%", false, 0, 0},
    {"100%", false, 0, 0},
    {"5.5%", false, 0, 0},
    {"max(5%)", false, 0, 0},
    {"max(5%,)", false, 0, 0},
    {"max(4GiB, 5%)", false, 0, 0},
    {"max(5%, 4GiB", false, 0, 0},
    {"much", false, 0, 0},
};

TEST(StartConfigTest, AmountsOfFreeSpaceAreSharesSizesOrTheLargerOfBoth) {
  for (const ShareCase& c : kShareCases) {
    SCOPED_TRACE(c.text);
    SpaceShare limit;
    EXPECT_EQ(parse_space_share(c.text, limit), c.is_good);
    if (!c.is_good) continue;
    EXPECT_EQ(limit.per_cent, c.per_cent);
    EXPECT_EQ(limit.bytes, c.bytes);
  }
  StartArguments arguments;
  arguments.settings = {{"storage.free-warn", "a lot"}, {"storage.free-hard", "50%"}};
  const ResolvedStart start = resolved(arguments);
  ASSERT_EQ(start.errors.size(), 2U);
  EXPECT_TRUE(start.errors[0].starts_with("error[C005]: storage.free-warn")) << start.errors[0];
  EXPECT_TRUE(start.errors[1].starts_with("error[C013]: storage.free-hard")) << start.errors[1];
}

TEST(StartConfigTest, AnArrayOfTheFileIsTheListOfTheCommandLine) {
  EXPECT_EQ(resolved({}).options.external_issuers, "*");
  const TemporaryDirectory directory;
  directory.write("worldline.toml", "[auth]\nexternal-issuers = [\"https://a\", \"https://b\"]\n");
  StartArguments arguments;
  arguments.settings = {{"node.data-dir", directory.path()}};
  EXPECT_EQ(resolved(arguments).options.external_issuers, "https://a,https://b");
  directory.write("worldline.toml", "[auth]\nexternal-issuers = []\n");
  EXPECT_EQ(resolved(arguments).options.external_issuers, "");
}

TEST(StartConfigTest, AListenAddressIsAnIpAddressAndAPort) {
  for (const char* good : {"127.0.0.1:0", "0.0.0.0:65535", "[::1]:3000", "[::]:1"}) {
    StartArguments arguments;
    arguments.settings = {{"listen.client", good}};
    EXPECT_TRUE(resolved(arguments).errors.empty()) << good;
  }
  for (const char* bad : {"localhost:3000", "::1:3000", "127.0.0.1", "127.0.0.1:65536", "[::1]",
                          "[127.0.0.1]:1", ":3000", "1.2.3:4"}) {
    StartArguments arguments;
    arguments.settings = {{"listen.client", bad}};
    const ResolvedStart start = resolved(arguments);
    ASSERT_EQ(start.errors.size(), 1U) << bad;
    EXPECT_TRUE(start.errors[0].starts_with("error[C005]: listen.client")) << start.errors[0];
  }
}

TEST(StartConfigTest, AKeyFileThatIsNotThereIsNamed) {
  const TemporaryDirectory directory;
  StartArguments arguments;
  arguments.settings = {{"certificate-authority.jwt-pub-key-path", directory.write("k.pub", "x")},
                        {"certificate-authority.jwt-priv-key-path", directory.path() + "/missing"}};
  const ResolvedStart start = resolved(arguments);
  ASSERT_EQ(start.errors.size(), 1U);
  EXPECT_TRUE(start.errors[0].starts_with("error[C008]")) << start.errors[0];
  EXPECT_NE(start.errors[0].find("/missing"), std::string::npos);
}

TEST(StartConfigTest, TheReferencesVariableNamesWhoMayCreateDatabases) {
  Environment environment;
  environment.variables["TEMP_SPACETIMEAUTH_ISSUER_REQUIRED_TO_PUBLISH"] = "https://auth.example";
  EXPECT_EQ(resolved({}, environment).options.create_issuer, "https://auth.example");
  environment.variables["WORLDLINE_AUTH__CREATE_ISSUER"] = "https://other.example";
  EXPECT_EQ(resolved({}, environment).options.create_issuer, "https://other.example");
}

struct NumberCase {
  const char* text;
  bool good;
  int64_t value;
};

TEST(StartConfigTest, SizesHaveBinaryUnits) {
  constexpr NumberCase kCases[] = {
      {"4096", true, 4096},
      {"64KiB", true, 65536},
      {"8GiB", true, 8LL << 30},
      {"1B", true, 1},
      {"", false, 0},
      {"KiB", false, 0},
      {"1 KiB", false, 0},
      {"-1", false, 0},
      {"9223372036854775807", true, std::numeric_limits<int64_t>::max()},
      {"9223372036854775807KiB", false, 0}};
  for (const NumberCase& c : kCases) {
    int64_t value = 0;
    EXPECT_EQ(parse_size(c.text, value), c.good) << c.text;
    if (c.good) {
      EXPECT_EQ(value, c.value) << c.text;
    }
  }
}

TEST(StartConfigTest, DurationsAddTheirParts) {
  constexpr NumberCase kCases[] = {
      {"250ms", true, 250},      {"15s", true, 15'000}, {"1h30m", true, 5'400'000},
      {"7d", true, 604'800'000}, {"", false, 0},        {"15", false, 0},
      {"s", false, 0},           {"1w", false, 0},      {"-1s", false, 0}};
  for (const NumberCase& c : kCases) {
    int64_t value = 0;
    EXPECT_EQ(parse_duration(c.text, value), c.good) << c.text;
    if (c.good) {
      EXPECT_EQ(value, c.value) << c.text;
    }
  }
}

TEST(StartConfigTest, TheDocumentIsWhatTheTableSays) {
  std::ifstream file(WL_TEST_DATA "/../docs/configuration.md");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), configuration_document())
      << "run: build/dev/worldline config document > docs/configuration.md";
}

}  // namespace
}  // namespace worldline::cli
