// tests/cli/publish_test.cc: building a module and the conversation about its changes [S 07/6,
// 04/1.10].
#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/module_build.h"
#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

constexpr const char* kBundle =
    "import * as a from \"spacetime:sys@2.0\";\nexport { x as default };\n";
constexpr const char* kCreated =
    R"({"Success":{"domain":"db","database_identity":"c2001","op":"created"}})";
constexpr const char* kUpdated =
    R"({"Success":{"domain":"db","database_identity":"c2001","op":"updated"}})";

class PublishTest : public testing::Test {
 protected:
  PublishTest() {
    fixture.environment.variables["NO_COLOR"] = "1";
    options.name = "db";
    options.path = fixture.directory.write("m.js", kBundle);
  }

  Result<int> publish() {
    CommandContext context = fixture.context();
    return run_publish(options, context);
  }
  void answer_pre_publish(const std::string& body, int status = 200) {
    fixture.server.answer(
        "POST /v1/database/db/pre_publish?pretty_print_style=NoColor&style=NoColor&host_type=Js",
        {status, status == 200 ? "application/json" : "text/plain", body, {}});
  }
  void answer_put(const std::string& query, const std::string& body) {
    fixture.server.answer("PUT /v1/database/db?" + query, {200, "application/json", body, {}});
  }
  std::string last_line() const { return fixture.server.requests().back().line; }

  CommandFixture fixture;
  PublishOptions options;
};

TEST_F(PublishTest, ANewNameIsUploadedAndItsIdentityPrinted) {
  answer_pre_publish("`db` not found", 404);
  answer_put("host_type=Js", kCreated);
  const auto code = publish();
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_NE(fixture.console.out_text.find("(JS) Skipping build"), std::string::npos);
  EXPECT_NE(fixture.console.out_text.find("Checking for breaking changes...\nPublishing module...\n"
                                          "Created new database with name: db, identity: c2001\n"),
            std::string::npos)
      << fixture.console.out_text;
  EXPECT_EQ(fixture.server.requests().back().body, kBundle);
}

TEST_F(PublishTest, APlanIsShownAndSentBackWithItsToken) {
  answer_pre_publish(R"({"AutoMigrate":{"migrate_plan":"the plan","break_clients":false,)"
                     R"("token":"0xab","major_version_upgrade":false}})");
  answer_put("host_type=Js&policy=BreakClients&token=0xab", kUpdated);
  const auto code = publish();
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_NE(fixture.console.out_text.find("the plan\n"), std::string::npos);
  EXPECT_NE(fixture.console.out_text.find("Updated database with name: db, identity: c2001\n"),
            std::string::npos);
}

constexpr const char* kBreaking = R"({"AutoMigrate":{"migrate_plan":"p","break_clients":true,)"
                                  R"("token":"0xab","major_version_upgrade":false}})";

TEST_F(PublishTest, ABreakingPlanIsAskedAboutAndNoEndsIt) {
  answer_pre_publish(kBreaking);
  fixture.console.input = {"no"};
  const auto code = publish();
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.status().message(), "Publishing aborted by user");
  EXPECT_NE(fixture.console.out_text.find("will BREAK existing clients"), std::string::npos);
  EXPECT_EQ(last_line().substr(0, 4), "POST") << "nothing was uploaded";
}

TEST_F(PublishTest, BreakClientsAnswersThatQuestion) {
  answer_pre_publish(kBreaking);
  answer_put("host_type=Js&policy=BreakClients&token=0xab", kUpdated);
  options.break_clients = true;
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(fixture.console.out_text.find("[y/N]"), std::string::npos);
}

constexpr const char* kManual =
    R"({"ManualMigrate":{"reason":"Errors occurred:\nno","major_version_upgrade":false}})";

TEST_F(PublishTest, AManualMigrationEndsItUnlessDataMayGo) {
  answer_pre_publish(kManual);
  const auto refused = publish();
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.status().message().starts_with("Aborting because publishing would require"));
  EXPECT_NE(fixture.console.out_text.find("Errors occurred:\nno\n"), std::string::npos);

  options.delete_data = DeleteData::kOnConflict;
  options.yes = {"delete-data"};
  answer_put("host_type=Js&clear=true", kUpdated);
  ASSERT_TRUE(publish().ok());
}

TEST_F(PublishTest, DeletingDataAsksFirstAndDoesNotAskTheServer) {
  options.delete_data = DeleteData::kAlways;
  fixture.console.input = {""};
  const auto refused = publish();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(), "Aborted.");
  EXPECT_TRUE(fixture.server.requests().empty());
  EXPECT_NE(fixture.console.out_text.find("[deleting db] [y/N]"), std::string::npos);
}

TEST_F(PublishTest, AMajorUpgradeWantsItsWord) {
  answer_pre_publish(R"({"AutoMigrate":{"migrate_plan":"p","break_clients":false,)"
                     R"("token":"0xab","major_version_upgrade":true}})");
  fixture.console.input = {"yes"};
  const auto refused = publish();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(), "Aborting because major version upgrade was not accepted.");
  EXPECT_NE(fixture.console.out_text.find("major version upgrade from 1.0 to 2.0"),
            std::string::npos);
}

TEST_F(PublishTest, TheErrorListOfTheServerIsShown) {
  answer_pre_publish("not found", 404);
  fixture.server.answer("PUT /v1/database/db?host_type=Js",
                        {500, "text/plain", "Errors occurred:\nviews are not supported: v", {}});
  const auto code = publish();
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("views are not supported: v"), std::string::npos);
  EXPECT_NE(code.status().message().find("HTTP status 500"), std::string::npos);
}

TEST_F(PublishTest, ANameOfSomebodyElseIsExplained) {
  answer_pre_publish("not found", 404);
  fixture.server.answer("PUT /v1/database/db?host_type=Js",
                        {401, "application/json", R"({"PermissionDenied":{"name":"db"}})", {}});
  const auto code = publish();
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("belongs to somebody else"), std::string::npos);
}

TEST_F(PublishTest, BadNamesAreRefusedBeforeAnythingIsBuilt) {
  for (const char* name : {"Chat", "a--b", "-a", "a-", "a_b", "a b"}) {
    options.name = name;
    EXPECT_FALSE(publish().ok()) << name;
  }
  EXPECT_TRUE(fixture.server.requests().empty());
}

TEST_F(PublishTest, AProjectFileNamesDatabaseAndModule) {
  fixture.directory.write("spacetime.json", R"({"database": "db", "js-path": "m.js"})");
  options.name.clear();
  options.path.clear();
  answer_pre_publish("not found", 404);
  answer_put("host_type=Js", kCreated);
  const auto code = publish();
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_NE(fixture.console.err_text.find("spacetime.json"), std::string::npos);
}

TEST_F(PublishTest, KeysOfTheProjectFileReachTheServer) {
  fixture.directory.write("spacetime.json",
                          R"({"database": "db", "js-path": "m.js", "num-replicas": 3,
                              "anon-identity": true, "organization": "shop", "dev": {}})");
  options.name.clear();
  options.path.clear();
  answer_pre_publish("not found", 404);
  answer_put("host_type=Js&num_replicas=3&org=shop", kCreated);
  const auto code = publish();
  ASSERT_TRUE(code.ok()) << code.status().message();
  for (const SeenRequest& request : fixture.server.requests())
    EXPECT_EQ(request.headers.count("Authorization"), 0U) << request.line;
}

TEST_F(PublishTest, AnUnknownKeyOfTheProjectFileIsNamedAndTheKnownOnesListed) {
  fixture.directory.write("spacetime.json",
                          R"({"database": "db", "children": [{"databse": "kid", "dev": {}}]})");
  const auto code = publish();
  ASSERT_FALSE(code.ok());
  const std::string text = code.status().message();
  EXPECT_NE(text.find("unknown keys: databse, dev\n"), std::string::npos) << text;
  EXPECT_NE(text.find("module_path"), std::string::npos) << text;
  EXPECT_TRUE(fixture.server.requests().empty());
}

TEST_F(PublishTest, SeveralTargetsAndNoMatchListTheNames) {
  fixture.directory.write(
      "spacetime.json", R"({"database": "a", "js-path": "m.js", "children": [{"database": "b"}]})");
  options.path.clear();
  options.name = "c";
  const auto code = publish();
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.status().message(), "No database target matches 'c'. Available databases: a, b");
}

// ---- Building ---------------------------------------------------------------------------------

class ModuleBuildTest : public testing::Test {
 protected:
  // A module directory whose tools are the given shell scripts; empty: not installed.
  void make_module(const std::string& esbuild, const std::string& tsc) {
    directory.write("m/package.json", "{}");
    directory.write("m/src/index.ts", "");
    directory.write("m/node_modules/spacetimedb/package.json", "{}");
    directory.write("m/dist/keep", "");
    if (!esbuild.empty()) make_tool("esbuild", esbuild);
    if (!tsc.empty()) make_tool("tsc", tsc);
  }
  void make_tool(const std::string& name, const std::string& script) {
    const std::string path =
        directory.write("m/node_modules/.bin/" + name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  Result<BuildOutcome> build() {
    const auto source = module_source(directory.path() + "/m");
    EXPECT_TRUE(source.ok());
    return build_module(*source, environment, console);
  }

  TemporaryDirectory directory;
  Environment environment;
  FakeConsole console;
};

constexpr const char* kFakeEsbuild =
    "echo \"$@\" > arguments\nprintf 'import \"spacetime:sys@2.0\";\\nexport { a as default };\\n' "
    "> dist/bundle.js";

TEST_F(ModuleBuildTest, ADirectoryIsCheckedAndBundled) {
  make_module(kFakeEsbuild, "echo checked > checked");
  const auto outcome = build();
  ASSERT_TRUE(outcome.ok()) << outcome.status().message();
  EXPECT_EQ(outcome->tool_exit_code, 0);
  EXPECT_EQ(outcome->kind, ProgramKind::kJs);
  EXPECT_TRUE(outcome->program.starts_with("import \"spacetime:sys@2.0\""));
  EXPECT_EQ(directory.read("m/checked"), "checked\n");
  const std::string arguments = directory.read("m/arguments");
  for (const char* wanted : {"src/index.ts", "--bundle", "--format=esm", "--target=esnext",
                             "--external:spacetime:*", "--outfile=dist/bundle.js"})
    EXPECT_NE(arguments.find(wanted), std::string::npos) << wanted;
}

TEST_F(ModuleBuildTest, AFailedTypeCheckEndsTheBuildWithItsCode) {
  make_module(kFakeEsbuild, "exit 2");
  const auto outcome = build();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->tool_exit_code, 2);
  EXPECT_EQ(directory.read("m/arguments"), "") << "esbuild did not run";
}

TEST_F(ModuleBuildTest, WithoutTscItOnlySaysSo) {
  make_module(kFakeEsbuild, "");
  ASSERT_TRUE(build().ok());
  EXPECT_NE(console.err_text.find("Types are not checked"), std::string::npos);
}

TEST_F(ModuleBuildTest, AMissingToolOrDependencyIsExplained) {
  make_module("", "");
  const auto no_tool = build();
  ASSERT_FALSE(no_tool.ok());
  EXPECT_NE(no_tool.status().message().find("npm install --save-dev esbuild"), std::string::npos);
  std::filesystem::remove_all(directory.path() + "/m/node_modules/spacetimedb");
  const auto no_dependency = build();
  ASSERT_FALSE(no_dependency.ok());
  EXPECT_NE(no_dependency.status().message().find("npm install"), std::string::npos);
}

TEST_F(ModuleBuildTest, ADirectoryWithoutAModuleIsRefused) {
  directory.write("m/file", "");
  EXPECT_FALSE(build().ok());
}

struct BundleCase {
  const char* name;
  const char* text;
  bool good;
};

class BundleTest : public testing::TestWithParam<BundleCase> {};

TEST_P(BundleTest, MustImportOneMajorVersionAndExportADefault) {
  EXPECT_EQ(check_bundle(GetParam().text).ok(), GetParam().good);
}

INSTANTIATE_TEST_SUITE_P(
    S07, BundleTest,
    testing::Values(
        BundleCase{"Version2", kBundle, true},
        BundleCase{"TwoMinors",
                   "import * as a from \"spacetime:sys@2.0\";\nimport "
                   "\"spacetime:sys@2.1\";\nexport default a;",
                   true},
        BundleCase{"Version1NeedsNoDefault", "import { a } from \"spacetime:sys@1.0\";\n", true},
        BundleCase{"NoImport", "export default 1;", false},
        BundleCase{"OnlyMentioned", "// see \"spacetime:sys@2.0\"\nexport default 1;", false},
        BundleCase{
            "TwoMajors",
            "import \"spacetime:sys@1.0\";\nimport \"spacetime:sys@2.0\";\nexport default 1;",
            false},
        BundleCase{"NoDefault", "import \"spacetime:sys@2.0\";\nexport { a };", false}),
    [](const auto& test) { return test.param.name; });

TEST(ModuleSourceTest, TheFormFollowsFromTheFile) {
  const TemporaryDirectory directory;
  using Form = ModuleSource::Form;
  EXPECT_EQ(module_source(directory.write("a.js", ""))->form, Form::kJsFile);
  EXPECT_EQ(module_source(directory.write("a.wasm", ""))->form, Form::kWasmFile);
  EXPECT_EQ(module_source(directory.path() + "/")->form, Form::kDirectory);
  EXPECT_FALSE(module_source(directory.write("a.txt", "")).ok());
  EXPECT_FALSE(module_source(directory.path() + "/none.js").ok());
}

}  // namespace
}  // namespace worldline::cli
