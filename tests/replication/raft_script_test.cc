// tests/replication/raft_script_test.cc: replays tests/replication/scripts/*.script [S 08/6.1].
//
// With --rewrite (or WL_REWRITE=1) what was printed is written back into the scripts, to be
// reviewed as a diff; `expect` commands and problems still fail. With `--script FILE` that script
// alone is run, and what it prints is shown.
#include "tests/replication/raft_script.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace worldline::replication::testing {
namespace {

bool is_rewriting() {
  return std::getenv("WL_REWRITE") != nullptr;
}

std::filesystem::path script_folder() {
  return std::filesystem::path(WL_TEST_DATA) / "replication" / "scripts";
}

std::string text_of_lines(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

class RaftScriptTest : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftScriptTest, ReplaysItsTrace) {
  const std::vector<ScriptBlock> blocks = load_script(script_folder(), GetParam());
  ASSERT_FALSE(blocks.empty());
  const ScriptRun run = run_script(blocks);
  for (const std::string& failure : run.failures) ADD_FAILURE() << failure;
  // Equal inputs give equal outputs, byte for byte [S 08/1].
  EXPECT_EQ(print_script(run_script(blocks).blocks), print_script(run.blocks));
  if (is_rewriting()) {
    std::ofstream(script_folder() / (GetParam() + ".script")) << print_script(run.blocks);
    return;
  }
  for (size_t i = 0; i < blocks.size(); ++i)
    EXPECT_EQ(text_of_lines(run.blocks[i].output), text_of_lines(blocks[i].output))
        << "after " << text_of_lines(blocks[i].commands);
}

INSTANTIATE_TEST_SUITE_P(S08, RaftScriptTest, ::testing::ValuesIn(script_names(script_folder())),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace worldline::replication::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto is_flag = [](const char* word) { return std::string(word) == "--rewrite"; };
  if (std::any_of(argv, argv + argc, is_flag)) setenv("WL_REWRITE", "1", 1);
  if (const auto code = worldline::replication::testing::run_script_files(argc, argv); code)
    return *code;
  return RUN_ALL_TESTS();
}
