// tests/runtime/lowering_test.cc: bundles with newer syntax are lowered, cached by program hash,
// and their traces still name the author's lines [S 03/6.2, 3.7].
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/base/temporary_directory.h"
#include "tests/runtime/runtime_fixture.h"

namespace worldline::runtime {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<ModuleRuntime> runtime_with(RuntimeConfig config) {
  auto runtime = ModuleRuntime::start(std::move(config), test_clock());
  WL_CHECK(runtime.ok());
  return std::move(*runtime);
}

const std::string kUsing = raw_module(R"js(
class Resource {
  constructor(name) { this.name = name; }
  [Symbol.dispose]() { log(`close ${this.name}`); }
}
reducer('r', () => {
  using a = new Resource('a');
  { using b = new Resource('b'); log('inside'); }
  log('after');
});)js");

TEST(Lowering, UsingDeclarationsWork) {
  TestDatabase db(kUsing);
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  db.log.clear();
  ASSERT_TRUE(db.call("r").committed()) << db.log.all();
  EXPECT_EQ(db.log.all(), "Info: inside\nInfo: close b\nInfo: after\nInfo: close a\n");
}

TEST(Lowering, LogLinesKeepTheLineOfTheBundle) {
  TestDatabase db("\n\n\n" + kUsing);
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  db.log.clear();
  ASSERT_TRUE(db.call("r").committed());
  const std::string source = "\n\n\n" + kUsing;
  const size_t place = source.find("log('after')");
  const auto line = 1 + std::count(source.begin(), source.begin() + static_cast<long>(place), '\n');
  EXPECT_NE(db.log.lines().at(2).find("\"line_number\":" + std::to_string(line) + ","),
            std::string::npos)
      << db.log.lines().at(2) << " expected " << line;
}

TEST(Lowering, OutcomeIsCachedByProgramHashAndDamageIsSeen) {
  const TemporaryDirectory directory;
  RuntimeConfig config;
  config.lowering_cache = (directory / "cache").string();
  RecordingLog log;
  const ModuleProgram program = js_program(kUsing);
  {
    const auto runtime = runtime_with(config);
    ASSERT_TRUE(load_module(*runtime, program, {}, log).ok());
  }
  const fs::path file = fs::directory_iterator(config.lowering_cache)->path();
  EXPECT_TRUE(file.filename().string().starts_with(program.hash.to_hex()));
  // With the cache the tool is not needed.
  config.lowering_tool = (directory / "no_such_tool.js").string();
  {
    const auto runtime = runtime_with(config);
    EXPECT_TRUE(load_module(*runtime, program, {}, log).ok());
  }
  // A torn file is as good as none.
  fs::resize_file(file, fs::file_size(file) / 2);
  const auto runtime = runtime_with(config);
  const auto refused = load_module(*runtime, program, {}, log);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("no_such_tool.js"), std::string::npos);
  EXPECT_NE(refused.status().message().find("typescript"), std::string::npos);
}

TEST(Lowering, BundlesThatParseNeedNoTool) {
  RuntimeConfig config;
  config.lowering_tool = "/nowhere/typescript.js";
  const auto runtime = runtime_with(config);
  RecordingLog log;
  EXPECT_TRUE(load_module(*runtime, js_program(raw_module("")), {}, log).ok());
}

TEST(Lowering, SyntaxErrorsOfTheAuthorAreReportedWithTheirPlace) {
  RecordingLog log;
  const auto refused =
      load_module(test_runtime(), js_program("const a = 1;\nusing b of = 5;\n"), {}, log);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("SyntaxError"), std::string::npos);
  EXPECT_NE(refused.status().message().find("spacetimedb_module:2:"), std::string::npos)
      << refused.status().message();
}

TEST(Lowering, ABrokenToolIsAnErrorNotACrash) {
  const TemporaryDirectory directory;
  RuntimeConfig config;
  config.lowering_tool = (directory / "tool.js").string();
  config.lowering_budget = std::chrono::milliseconds(100);
  RecordingLog log;
  for (const char* tool : {"this is not JavaScript", "throw new Error('no')", "globalThis.ts = 5",
                           "for (;;) {}", "globalThis.ts = { transpileModule() { return {}; } }"}) {
    std::ofstream(config.lowering_tool) << tool;
    const auto runtime = runtime_with(config);
    EXPECT_FALSE(load_module(*runtime, js_program(kUsing), {}, log).ok()) << tool;
  }
}

TEST(Lowering, TracesReachTheAuthorsFileThroughBothMaps) {
  TestDatabase db(read_test_file("traced_2_10_esnext.bundle"));
  ASSERT_TRUE(db.published.ok()) << db.published.status().message();
  EXPECT_EQ(db.call("trace").kind, CallResultKind::kFatal);
  EXPECT_TRUE(db.log.contains("Panic: Uncaught Error: at the bottom of 3\n\tat fail (traced.ts:9:"))
      << db.log.all();
  EXPECT_NE(db.log.lines().back().find(R"("trace":[{"module_name":"traced.ts:9:)"),
            std::string::npos)
      << db.log.lines().back();
}

}  // namespace
}  // namespace worldline::runtime
