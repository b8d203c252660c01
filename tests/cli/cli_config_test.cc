// tests/cli/cli_config_test.cc: the user's cli.toml [S 07/2.2, 12].
#include "cli/cli_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

TEST(CliConfigTest, AMissingFileIsMadeWithTheLocalServerAsDefault) {
  const TemporaryDirectory directory;
  FakeConsole console;
  const auto config = CliConfig::open(directory.path() + "/deep/cli.toml", console);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->server_url("").value(), "http://127.0.0.1:3000");
  EXPECT_EQ(console.err_text, "Saving config to " + directory.path() + "/deep/cli.toml.\n");
  EXPECT_NE(directory.read("deep/cli.toml").find("nickname = \"local\""), std::string::npos);
}

TEST(CliConfigTest, SavingATokenKeepsCommentsOrderAndUnknownKeys) {
  const TemporaryDirectory directory;
  FakeConsole console;
  const std::string path = directory.write("cli.toml",
                                           "# mine\nfuture = 1 # kept\n\n[[server_configs]] # "
                                           "one\nhost = \"h:1\"\nprotocol = \"http\"\n");
  auto config = CliConfig::open(path, console);
  ASSERT_TRUE(config.ok()) << config.status().message();
  ASSERT_TRUE(config->save_token("t.o.k", console).ok());
  EXPECT_EQ(directory.read("cli.toml"),
            "# mine\nfuture = 1 # kept\n\nspacetimedb_token = \"t.o.k\"\n\n"
            "[[server_configs]] # one\nhost = \"h:1\"\nprotocol = \"http\"\n");
  ASSERT_TRUE(config->save_token("n.e.w", console).ok());
  EXPECT_EQ(CliConfig::open(path, console)->token(), "n.e.w");
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U) << "the file holds a token";
}

struct ServerCase {
  const char* name;
  const char* given;
  const char* url;  // nullptr: refused.
};

TEST(CliConfigTest, AServerIsANicknameAHostOrAUrl) {
  const TemporaryDirectory directory;
  FakeConsole console;
  const std::string path = directory.write(
      "cli.toml",
      "[[server_configs]]\nnickname = \"far\"\nhost = \"h.example\"\nprotocol = \"https\"\n");
  const auto config = CliConfig::open(path, console);
  ASSERT_TRUE(config.ok());
  constexpr ServerCase kCases[] = {{"Nickname", "far", "https://h.example"},
                                   {"Host", "h.example", "https://h.example"},
                                   {"Url", "http://other:1", "http://other:1"},
                                   {"Unknown", "near", nullptr},
                                   {"NoDefault", "", nullptr}};
  for (const ServerCase& c : kCases) {
    const auto url = config->server_url(c.given);
    EXPECT_EQ(url.ok(), c.url != nullptr) << c.name;
    if (url.ok() && c.url != nullptr) {
      EXPECT_EQ(*url, c.url) << c.name;
    }
  }
}

TEST(CliConfigTest, AKeyOfTheWrongTypeIsNamed) {
  const TemporaryDirectory directory;
  FakeConsole console;
  const auto config = CliConfig::open(directory.write("cli.toml", "default_server = 3\n"), console);
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.status().message().find("`default_server` must be a string"), std::string::npos);
  EXPECT_NE(config.status().message().find('3'), std::string::npos);
}

struct TokenCase {
  const char* token;
  const char* identity;  // nullptr: refused.
};

TEST(CliConfigTest, TheIdentityOfATokenIsItsClaimOrIsDerived) {
  constexpr TokenCase kCases[] = {
      {"e30.eyJoZXhfaWRlbnRpdHkiOiJjMjAwIn0.x", "c200"},  // {"hex_identity":"c200"}
      {"e30.e30.x", nullptr},
      {"not a token", nullptr},
      {"a.b!.c", nullptr},
  };
  for (const TokenCase& c : kCases) {
    const auto identity = identity_of_token(c.token);
    EXPECT_EQ(identity.ok(), c.identity != nullptr) << c.token;
    if (identity.ok() && c.identity != nullptr) {
      EXPECT_EQ(*identity, c.identity) << c.token;
    }
  }
  // {"iss":"localhost","sub":"a"}: no claim, so it is derived from both.
  const auto derived = identity_of_token("e30.eyJpc3MiOiJsb2NhbGhvc3QiLCJzdWIiOiJhIn0.x");
  ASSERT_TRUE(derived.ok());
  EXPECT_EQ(derived->size(), 64U);
  EXPECT_EQ(derived->substr(0, 4), "c200");
}

}  // namespace
}  // namespace worldline::cli
