// tests/cli/project_file_test.cc: spacetime.json, its layers, and what words mean with it [S
// 07/2.3, 2.4].
#include "cli/project_file.h"

#include <gtest/gtest.h>

#include "cli/json_tree.h"
#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

TEST(ProjectFileTest, Json5IsUnderstood) {
  EXPECT_EQ(json5_to_json("{ // name\n database: 'it\\'s', /* x */ \"a\": [1, 2,], b: true, }"),
            "{ \n \"database\": \"it's\",  \"a\": [1, 2], \"b\": true }");
}

TEST(ProjectFileTest, IsFoundUpwardsAndLaterLayersWin) {
  const TemporaryDirectory directory;
  directory.write("spacetime.json", R"({database: "base", server: "local", "module-path": "./m"})");
  directory.write("spacetime.local.json", R"({"database": "mine"})");
  directory.write("spacetime.dev.json", R"({"server": "dev"})");
  directory.write("deep/er/file", "");
  const auto plain = ProjectFile::load(directory.path() + "/deep/er", "");
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  ASSERT_EQ(plain->targets.size(), 1U);
  EXPECT_EQ(plain->targets[0].database, "mine");
  EXPECT_EQ(plain->targets[0].server, "local");
  EXPECT_EQ(plain->targets[0].module_path, directory.path() + "/m");
  const auto dev = ProjectFile::load(directory.path(), "dev");
  EXPECT_EQ(dev->targets[0].server, "dev");
  EXPECT_EQ(dev->files.size(), 3U);
}

TEST(ProjectFileTest, ChildrenInheritButASourceReplacesAllSources) {
  const TemporaryDirectory directory;
  directory.write("spacetime.json", R"({"database": "root", "server": "s", "js-path": "a.js",
    "children": [{"database": "kid", "module_path": "k"}, {"database": "other"}]})");
  const auto project = ProjectFile::load(directory.path(), "");
  ASSERT_TRUE(project.ok()) << project.status().message();
  ASSERT_EQ(project->targets.size(), 3U);
  EXPECT_EQ(project->targets[1].server, "s");
  EXPECT_EQ(project->targets[1].js_file, "");
  EXPECT_EQ(project->targets[1].module_path, directory.path() + "/k");
  EXPECT_EQ(project->targets[2].js_file, directory.path() + "/a.js");
  EXPECT_EQ(project->match("*o*").size(), 2U);
}

TEST(ProjectFileTest, BadJsonNamesTheFile) {
  const TemporaryDirectory directory;
  directory.write("spacetime.json", "{");
  const auto project = ProjectFile::load(directory.path(), "");
  ASSERT_FALSE(project.ok());
  EXPECT_NE(project.status().message().find("spacetime.json"), std::string::npos);
}

using Words = std::vector<std::string>;
struct ChoiceCase {
  const char* name;
  Words databases;  // Of the project file.
  Words words;
  FirstWord rule;
  const char* database;  // nullptr: refused.
  Words rest;
};

class ChoiceTest : public testing::TestWithParam<ChoiceCase> {};

TEST_P(ChoiceTest, TakesTheFirstWordAsTheRuleSays) {
  const ChoiceCase& c = GetParam();
  ProjectFile project;
  for (const std::string& database : c.databases) {
    project.files = {"spacetime.json"};
    ProjectTarget target;
    target.database = database;
    target.server = "of-file";
    project.targets.push_back(target);
  }
  const auto choice = choose_database(project, c.words, c.rule);
  ASSERT_EQ(choice.ok(), c.database != nullptr);
  if (!choice.ok()) return;
  EXPECT_EQ(choice->database, c.database);
  EXPECT_EQ(choice->words, c.rest);
  const bool of_file = project.find(c.database) != nullptr;
  EXPECT_EQ(choice->server, of_file ? "of-file" : "");
}

INSTANTIATE_TEST_SUITE_P(
    S07, ChoiceTest,
    testing::Values(
        ChoiceCase{"NoFile", {}, {"db", "f"}, FirstWord::kMustBeKnown, "db", {"f"}},
        ChoiceCase{"NoFileNoWord", {}, {}, FirstWord::kDatabaseOnly, nullptr, {}},
        ChoiceCase{"OnlyOmitted", {"a"}, {}, FirstWord::kDatabaseOnly, "a", {}},
        ChoiceCase{"OnlyOther", {"a"}, {"x"}, FirstWord::kDatabaseOnly, "x", {}},
        ChoiceCase{"SeveralOmitted", {"a", "b"}, {}, FirstWord::kDatabaseOnly, nullptr, {}},
        ChoiceCase{"SeveralOther", {"a", "b"}, {"x"}, FirstWord::kDatabaseOnly, "x", {}},
        ChoiceCase{"SqlNamed", {"a"}, {"a", "q"}, FirstWord::kMayBeUnknown, "a", {"q"}},
        ChoiceCase{"SqlAllQuery", {"a"}, {"q", "r"}, FirstWord::kMayBeUnknown, "a", {"q", "r"}},
        ChoiceCase{"SqlUnknown", {"a", "b"}, {"x", "q"}, FirstWord::kMayBeUnknown, "x", {"q"}},
        ChoiceCase{"SqlOneWord", {"a", "b"}, {"q"}, FirstWord::kMayBeUnknown, nullptr, {}},
        ChoiceCase{"CallFunction", {"a"}, {"f", "1"}, FirstWord::kMustBeKnown, "a", {"f", "1"}},
        ChoiceCase{"CallKnown", {"a", "b"}, {"b", "f"}, FirstWord::kMustBeKnown, "b", {"f"}},
        ChoiceCase{"CallUnknown", {"a", "b"}, {"x", "f"}, FirstWord::kMustBeKnown, nullptr, {}}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::cli
