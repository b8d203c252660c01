// tests/cli/command_line_test.cc: which words make which command [S 07/1, 5-7, 12].
#include "cli/command_line.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "cli/version.h"

namespace worldline::cli {
namespace {

using Words = std::vector<std::string>;

template <typename Options>
Options parsed(const Words& words) {
  const CommandLine line = parse_command_line(words);
  if (const auto* exit = std::get_if<EarlyExit>(&line.command))
    ADD_FAILURE() << "ended with " << exit->code << ": " << exit->out << exit->err;
  const auto* options = std::get_if<Options>(&line.command);
  EXPECT_NE(options, nullptr);
  return options == nullptr ? Options{} : *options;
}

EarlyExit ended(const Words& words) {
  const CommandLine line = parse_command_line(words);
  const auto* exit = std::get_if<EarlyExit>(&line.command);
  EXPECT_NE(exit, nullptr);
  return exit == nullptr ? EarlyExit{-1, "", ""} : *exit;
}

TEST(CommandLineTest, NoCommandPrintsHelpAndSucceeds) {
  const EarlyExit exit = ended({});
  EXPECT_EQ(exit.code, 0);
  EXPECT_NE(exit.out.find("worldline publish chat"), std::string::npos);
}

TEST(CommandLineTest, VersionHasAShortAndALongForm) {
  const EarlyExit brief = ended({"-V"});
  EXPECT_EQ(brief.code, 0);
  EXPECT_EQ(brief.out, std::string("worldline ") + kVersion + "\n");
  const EarlyExit full = ended({"--version"});
  EXPECT_EQ(full.code, 0);
  EXPECT_EQ(full.out, long_version() + "\n");
  EXPECT_EQ(full.out.rfind(brief.out, 0), 0U);
  for (const char* line : {"\nPath: /", "\nCommit: ", "\nworldline tool version "})
    EXPECT_NE(full.out.find(line), std::string::npos) << full.out;
}

TEST(CommandLineTest, OptionsOfTheReferencesServerBecomeSettings) {
  const auto start = parsed<StartArguments>(
      {"start", "--in-memory", "--page_pool_max_size", "8GiB", "--pg-port", "5432"});
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"node.in-memory", "true"},
      {"limits.page-pool-max-size", "8GiB"},
      {"listen.pg-port", "5432"}};
  std::vector<std::pair<std::string, std::string>> settings = start.settings;
  std::sort(settings.begin(), settings.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  EXPECT_EQ(settings, expected);
}

TEST(CommandLineTest, HelpExplainsOneCommandInBothSpellings) {
  for (const Words& words : {Words{"publish", "--help"}, Words{"help", "publish"}}) {
    const EarlyExit exit = ended(words);
    EXPECT_EQ(exit.code, 0);
    EXPECT_NE(exit.out.find("--delete-data"), std::string::npos);
    EXPECT_EQ(exit.err, "");
  }
}

struct BadUsage {
  const char* name;
  Words words;
};

class BadUsageTest : public testing::TestWithParam<BadUsage> {};

TEST_P(BadUsageTest, EndsWithTwoAndSaysWhyOnStandardError) {
  const EarlyExit exit = ended(GetParam().words);
  EXPECT_EQ(exit.code, 2);
  EXPECT_EQ(exit.out, "");
  EXPECT_NE(exit.err, "");
}

INSTANTIATE_TEST_SUITE_P(
    S07, BadUsageTest,
    testing::Values(BadUsage{"UnknownCommand", {"pubish"}},
                    BadUsage{"UnknownOption", {"list", "--no"}},
                    BadUsage{"MissingValue", {"sql", "--server"}},
                    BadUsage{"BadFormat", {"sql", "--format", "xml", "db", "q"}},
                    BadUsage{"BadDeleteMode", {"publish", "--delete-data=maybe", "db"}},
                    BadUsage{"BadYesValue", {"publish", "--yes=perhaps", "db"}},
                    BadUsage{"ExactLevelWithoutLevel", {"logs", "--level-exact", "db"}},
                    BadUsage{"SetWithoutEquals", {"start", "--set", "limits.max-body"}}),
    [](const auto& test) { return test.param.name; });

TEST(CommandLineTest, GlobalOptionsStandBeforeTheCommand) {
  const CommandLine line =
      parse_command_line({"--root-dir", "/r", "--config-path", "/c.toml", "list", "--server", "s"});
  EXPECT_EQ(line.global.root_dir, "/r");
  EXPECT_EQ(line.global.config_path, "/c.toml");
  EXPECT_EQ(std::get<ListOptions>(line.command).target.server, "s");
}

TEST(CommandLineTest, ArgumentsOfCallAreKeptAsTheyAre) {
  const auto options = parsed<CallOptions>(
      {"call", "db", "move", "[1, [2,3]]", "{\"a\":1}", "[\"0xc200\"]", "", "\"quoted\""});
  EXPECT_EQ(options.words,
            (Words{"db", "move", "[1, [2,3]]", "{\"a\":1}", "[\"0xc200\"]", "", "\"quoted\""}));
}

TEST(CommandLineTest, WordsAfterTwoHyphensAreNoOptions) {
  const auto options =
      parsed<CallOptions>({"call", "--anonymous", "--", "db", "move", "-3", "--x"});
  EXPECT_TRUE(options.target.anonymous);
  EXPECT_EQ(options.words, (Words{"db", "move", "-3", "--x"}));
}

TEST(CommandLineTest, OptionsMayFollowPositionals) {
  const auto options = parsed<SqlOptions>(
      {"sql", "db", "SELECT * FROM t", "--format", "json", "--confirmed", "false"});
  EXPECT_EQ(options.words, (Words{"db", "SELECT * FROM t"}));
  EXPECT_EQ(options.format, OutputFormat::kJson);
  EXPECT_EQ(options.confirmed, false);
}

struct PublishCase {
  const char* name;
  Words words;
  DeleteData delete_data;
  std::set<std::string> yes;
};

class PublishWordsTest : public testing::TestWithParam<PublishCase> {};

TEST_P(PublishWordsTest, TakeAValueOnlyAfterTheEqualsSign) {
  const PublishCase& c = GetParam();
  const auto options = parsed<PublishOptions>(c.words);
  EXPECT_EQ(options.name, "db");
  EXPECT_EQ(options.delete_data, c.delete_data);
  EXPECT_EQ(options.yes, c.yes);
}

using Yes = std::set<std::string>;
INSTANTIATE_TEST_SUITE_P(
    S07, PublishWordsTest,
    testing::Values(
        PublishCase{"Neither", {"publish", "db"}, DeleteData::kUnset, {}},
        PublishCase{"BareShort", {"publish", "-c", "db"}, DeleteData::kAlways, {}},
        PublishCase{"BareLong", {"publish", "--delete-data", "db"}, DeleteData::kAlways, {}},
        PublishCase{"Alias", {"publish", "--clear-database=never", "db"}, DeleteData::kNever, {}},
        PublishCase{"ShortValue", {"publish", "-c=on-conflict", "db"}, DeleteData::kOnConflict, {}},
        PublishCase{"BareYes", {"publish", "--yes", "db"}, DeleteData::kUnset, Yes{"all"}},
        PublishCase{"ShortYes", {"publish", "-y", "db"}, DeleteData::kUnset, Yes{"all"}},
        PublishCase{"YesList",
                    {"publish", "--yes=remote,migrate", "--yes=delete-data", "db"},
                    DeleteData::kUnset,
                    Yes{"remote", "migrate", "delete-data"}}),
    [](const auto& test) { return test.param.name; });

TEST(CommandLineTest, PublishTakesANameAndAPath) {
  const auto options = parsed<PublishOptions>({"publish", "chat", "./examples/chat"});
  EXPECT_EQ(options.name, "chat");
  EXPECT_EQ(options.path, "./examples/chat");
}

TEST(CommandLineTest, LogsTakesLevelsInAnyCase) {
  const auto options = parsed<LogsOptions>({"logs", "-n", "5", "-f", "--level", "WARN", "db"});
  EXPECT_EQ(options.num_lines, 5U);
  EXPECT_TRUE(options.follow);
  EXPECT_EQ(options.level, LogLevel::kWarn);
}

TEST(CommandLineTest, LastRepetitionOfAStartOptionCounts) {
  const auto arguments = parsed<StartArguments>(
      {"start", "-l", "127.0.0.1:1", "--data-dir", "d", "--listen", "127.0.0.1:2"});
  const ResolvedStart resolved = resolve_start_options(arguments, {}, "/none", "");
  EXPECT_EQ(resolved.errors, Words{});
  EXPECT_EQ(resolved.options.listen_client, "127.0.0.1:2");
  EXPECT_EQ(resolved.options.data_dir, "d");
}

TEST(CommandLineTest, SetMayBeRepeatedAndTakesOneWordEach) {
  const auto arguments = parsed<StartArguments>(
      {"start", "--set", "limits.max-clients=1", "--set", "logs.level=warn", "--data-dir", "d"});
  EXPECT_EQ(arguments.settings.size(), 3U);
  const ResolvedStart resolved = resolve_start_options(arguments, {}, "/none", "");
  EXPECT_EQ(resolved.options.max_clients, 1);
  EXPECT_EQ(resolved.options.log_level, "warn");
}

TEST(CommandLineTest, BenchGetsItsWordsUnread) {
  const auto arguments = parsed<BenchArguments>({"bench", "keynote", "--help", "--seconds", "5"});
  EXPECT_EQ(arguments.words, (Words{"keynote", "--help", "--seconds", "5"}));
}

TEST(CommandLineTest, RecoverGroupTakesEachDirectoryAndWhatTheOperatorSays) {
  const auto options = parsed<RecoverGroupOptions>(
      {"recover-group", "--data-dir", "/a", "--data-dir", "/b", "--database", "shop",
       "--all-survivors", "--data-loss", "rack 7 burnt", "--new-group", "9"});
  EXPECT_EQ(options.data_dirs, (Words{"/a", "/b"}));
  EXPECT_EQ(options.database, "shop");
  EXPECT_EQ(options.data_loss, "rack 7 burnt");
  EXPECT_EQ(options.new_group, 9u);
  EXPECT_TRUE(options.all_survivors);
  EXPECT_FALSE(options.dry_run);
  EXPECT_EQ(ended({"recover-group", "--dry-run"}).code, 2) << "no directory";
  const EarlyExit help = ended({"recover-group", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* part : {"majority of the copies", "--dry-run", "never used again", "Example:"})
    EXPECT_NE(help.out.find(part), std::string::npos) << part;
}

TEST(CommandLineTest, LockAndUnlockDifferInWhatTheyWant) {
  EXPECT_EQ(parsed<LockOptions>({"lock", "db"}).wanted, LockState::kLocked);
  EXPECT_EQ(parsed<LockOptions>({"unlock", "db"}).wanted, LockState::kUnlocked);
}

}  // namespace
}  // namespace worldline::cli
