#include "tests/replication/raft_script.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>

#include <fmt/core.h>

#include "tests/replication/script_session.h"
#include "tests/replication/script_words.h"

namespace worldline::replication::testing {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

std::vector<ScriptBlock> parse_script(const std::string& text) {
  std::vector<ScriptBlock> blocks;
  bool is_open = false;
  bool is_output = false;
  for (const std::string& line : lines_of(text)) {
    if (line.empty()) {
      is_open = false;
      is_output = false;
      continue;
    }
    if (!is_open) blocks.emplace_back();
    is_open = true;
    if (is_output) {
      blocks.back().output.push_back(line);
    } else if (line == "----") {
      is_output = true;
    } else if (line[0] == '#') {
      blocks.back().comments.push_back(line);
    } else {
      blocks.back().commands.push_back(line);
    }
  }
  return blocks;
}

std::string print_script(const std::vector<ScriptBlock>& blocks) {
  std::string out;
  for (const ScriptBlock& block : blocks) {
    if (!out.empty()) out += "\n";
    for (const std::string& line : block.comments) out += line + "\n";
    for (const std::string& line : block.commands) out += line + "\n";
    if (!block.output.empty()) out += "----\n";
    for (const std::string& line : block.output) out += line + "\n";
  }
  return out;
}

ScriptRun run_script(const std::vector<ScriptBlock>& blocks, const ListenerMaker& listen) {
  ScriptRun run;
  ScriptSession session(listen);
  for (const ScriptBlock& block : blocks) {
    run.blocks.push_back({block.comments, block.commands, {}});
    for (const std::string& command : block.commands) {
      const std::vector<std::string> output = session.run(command);
      auto& all = run.blocks.back().output;
      all.insert(all.end(), output.begin(), output.end());
    }
  }
  session.finish();
  run.failures = session.failures();
  return run;
}

std::vector<std::string> script_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    if (file.path().extension() == ".script") names.push_back(file.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<ScriptBlock> load_script(const std::filesystem::path& folder, const std::string& name) {
  std::ifstream in(folder / (name + ".script"));
  std::ostringstream text;
  text << in.rdbuf();
  return parse_script(text.str());
}

std::optional<int> run_script_files(int argc, char** argv) {
  std::optional<int> code;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) != "--script") continue;
    const std::filesystem::path path = argv[i + 1];
    const std::vector<ScriptBlock> blocks = load_script(path.parent_path(), path.stem().string());
    const ScriptRun run = run_script(blocks);
    std::fputs(print_script(run.blocks).c_str(), stdout);
    for (const std::string& failure : run.failures) fmt::print(stderr, "FAILED {}\n", failure);
    if (blocks.empty()) fmt::print(stderr, "{}: no script\n", path.string());
    const bool is_good = !blocks.empty() && run.failures.empty();
    code = is_good && code.value_or(0) == 0 ? 0 : 1;
  }
  return code;
}

}  // namespace worldline::replication::testing
