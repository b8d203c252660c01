#include "tests/simulation/script_reducer.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "tests/replication/script_words.h"

namespace worldline::simulation {
namespace {

using replication::testing::split_text;

// Words whose loss makes a line say less, but nothing else.
bool is_detail(const std::string& command, const std::string& word) {
  const std::string key = word.substr(0, word.find('='));
  if (key == word) return false;
  if (command == "cluster") return key != "voters";
  if (key == "count") return command == "deliver";  // Others would take what is meant for later.
  for (const char* detail : {"skip", "term", "index", "bytes", "zone", "expected", "seed", "inc",
                             "written", "checkpoint", "boundary", "gone", "pin"})
    if (key == detail) return command != "forge";
  return false;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The command and its replica; of messages, their addresses and type.
std::string kind_of(const ScriptLine& line) {
  const std::vector<std::string> words = split_text(line.command, ' ');
  const bool is_message = words.size() > 3 && words[1].starts_with("from=");
  if (is_message) return words[0] + " " + words[1] + " " + words[2] + " " + words[3];
  return words.size() > 1 ? words[0] + " " + words[1] : words[0];
}

}  // namespace

ScriptReducer::ScriptReducer(std::vector<ScriptLine> lines, std::set<std::string> wanted,
                             Limits limits)
    : lines_(std::move(lines)), wanted_(std::move(wanted)), limits_(limits) {}

void ScriptReducer::run() {
  if (!try_lines(lines_)) return;
  replace_timeouts();
  drop_details();
  drop_kinds();
  bool is_smaller = drop_lines();
  while (is_smaller) {
    is_smaller = simplify_words();
    is_smaller |= drop_lines();
  }
  tidy();
}

bool ScriptReducer::has_budget() const {
  return replays_ < limits_.replays && lines_replayed_ < limits_.lines;
}

// Keeps them if they break what is wanted; behind the breach nothing is needed.
bool ScriptReducer::try_lines(std::vector<ScriptLine> smaller) {
  if (!has_budget()) return false;
  ++replays_;
  const Replay replay = replay_lines(smaller, wanted_, ReplayMode::kLenient);
  lines_replayed_ += replay.line;
  if (replay.ok()) return false;
  smaller.resize(replay.line);
  lines_ = std::move(smaller);
  broken_ = replay.broken;
  return true;
}

// What one command does to one replica: reads, hints, everything of a replica that matters little.
void ScriptReducer::drop_kinds() {
  std::set<std::string> kinds;
  for (const ScriptLine& line : lines_) kinds.insert(kind_of(line));
  for (const std::string& kind : kinds) {
    std::vector<ScriptLine> smaller = lines_;
    std::erase_if(smaller, [&kind](const ScriptLine& line) { return kind_of(line) == kind; });
    const bool drops_cluster = kind.starts_with("cluster");
    if (!drops_cluster && smaller.size() < lines_.size()) try_lines(std::move(smaller));
  }
}

// Timeouts are drawn one after the other: with one election less, all later ones come at other
// times.
void ScriptReducer::replace_timeouts() {
  std::vector<ScriptLine> timeless = lines_;
  for (ScriptLine& line : timeless) {
    const bool is_election = line.command.starts_with("tick") &&
                             (line.face.starts_with("precand") || line.face.starts_with("cand"));
    if (!is_election) continue;
    line.command = "campaign " + split_text(line.command, ' ')[1];
  }
  try_lines(std::move(timeless));
}

// One option in all lines of a command: without terms and places a later part of the script still
// means something when an earlier one is gone.
void ScriptReducer::drop_details() {
  std::set<std::pair<std::string, std::string>> details;
  for (const ScriptLine& line : lines_) {
    const std::vector<std::string> words = split_text(line.command, ' ');
    for (const std::string& word : words)
      if (words[0] != "cluster" && is_detail(words[0], word))
        details.emplace(words[0], word.substr(0, word.find('=') + 1));
  }
  for (const auto& [command, key] : details) {
    std::vector<ScriptLine> simpler = lines_;
    for (ScriptLine& line : simpler) {
      std::vector<std::string> words = split_text(line.command, ' ');
      if (words[0] != command) continue;
      std::erase_if(words, [&key = key](const std::string& w) { return w.starts_with(key); });
      line.command = joined(words);
    }
    try_lines(std::move(simpler));
  }
}

bool ScriptReducer::drop_lines() {
  bool is_smaller = false;
  for (size_t length = std::max<size_t>(lines_.size() / 2, 1); length > 0; length /= 2) {
    while (drop_pieces(length)) {
      is_smaller = true;
      if (length > 1) break;
    }
  }
  return is_smaller;
}

// From the end, where most has nothing to do with the breach; the cluster stays.
bool ScriptReducer::drop_pieces(size_t length) {
  bool is_smaller = false;
  for (size_t end = lines_.size(); end > 1 && has_budget();) {
    const size_t begin = end > length + 1 ? end - length : 1;
    std::vector<ScriptLine> smaller = lines_;
    smaller.erase(smaller.begin() + static_cast<std::ptrdiff_t>(begin),
                  smaller.begin() + static_cast<std::ptrdiff_t>(end));
    is_smaller |= try_lines(std::move(smaller));
    end = std::min(begin, lines_.size());
  }
  return is_smaller;
}

bool ScriptReducer::simplify_words() {
  bool is_simpler = false;
  for (size_t i = 0; i < lines_.size(); ++i) is_simpler |= simplify_line(i);
  return is_simpler;
}

bool ScriptReducer::simplify_line(size_t place) {
  std::vector<std::string> words = split_text(lines_[place].command, ' ');
  bool is_simpler = false;
  for (size_t i = words.size(); i-- > 1;) {
    if (!is_detail(words[0], words[i])) continue;
    std::vector<std::string> fewer = words;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (!try_command(place, joined(fewer))) continue;
    words = std::move(fewer);
    is_simpler = true;
    if (place >= lines_.size()) return true;
  }
  // What a timeout is good for, mostly.
  if (words[0] == "tick" && words.size() == 3)
    is_simpler |= try_command(place, "campaign " + words[1]);
  return is_simpler;
}

// Ticks of one replica behind each other are one line, payloads have short names.
void ScriptReducer::tidy() {
  std::vector<ScriptLine> joint;
  for (const ScriptLine& line : lines_) {
    const std::vector<std::string> words = split_text(line.command, ' ');
    const std::vector<std::string> before =
        joint.empty() ? words : split_text(joint.back().command, ' ');
    const bool is_more = !joint.empty() && words.size() == 3 && before.size() == 3 &&
                         words[0] == "tick" && before[0] == "tick" && words[1] == before[1];
    if (!is_more) {
      joint.push_back(line);
      continue;
    }
    const uint64_t ticks = std::stoull(before[2]) + std::stoull(words[2]);
    joint.back().command = "tick " + words[1] + " " + std::to_string(ticks);
  }
  if (joint.size() < lines_.size()) try_lines(std::move(joint));
  size_t names = 0;
  std::vector<ScriptLine> renamed = lines_;
  for (ScriptLine& line : renamed) {
    std::vector<std::string> words = split_text(line.command, ' ');
    if (words[0] != "propose") continue;
    for (size_t i = 2; i < words.size(); ++i)
      if (words[i][0] == 'p' && names < 26) words[i] = static_cast<char>('a' + names++);
    line.command = joined(words);
  }
  if (names > 0) try_lines(std::move(renamed));
}

bool ScriptReducer::try_command(size_t place, std::string command) {
  std::vector<ScriptLine> changed = lines_;
  changed[place].command = std::move(command);
  return try_lines(std::move(changed));
}

}  // namespace worldline::simulation
