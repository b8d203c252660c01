#include "tests/simulation/script_replay.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/replication/script_session.h"
#include "tests/simulation/isolated_run.h"

namespace worldline::simulation {
namespace {

using replication::testing::ScriptSession;
using replication::testing::split_text;

constexpr const char* kFailedCheck = "a failed check";

// --- Of a run ------------------------------------------------------------------------------------

std::string text_of(const WrittenScript& script) {
  std::string text;
  for (const ScriptLine& line : script.lines)
    text += fmt::format("L\t{}\t{}\t{}\n", line.replica.value, line.face, line.command);
  for (const std::string& gap : script.gaps) text += fmt::format("G\t{}\n", gap);
  return text;
}

WrittenScript script_of(const std::string& text) {
  WrittenScript script;
  for (const std::string& line : split_text(text, '\n')) {
    if (line.starts_with("G\t")) script.gaps.push_back(line.substr(2));
    if (!line.starts_with("L\t")) continue;
    const size_t face = line.find('\t', 2) + 1;
    const size_t command = line.find('\t', face) + 1;
    script.lines.push_back({line.substr(command),
                            ReplicaId{std::strtoull(line.c_str() + 2, nullptr, 10)},
                            line.substr(face, command - face - 1)});
  }
  return script;
}

// What the handler of a failed check writes; the check fails in our own code, at no bad moment for
// the heap.
const CoreRecording* recording_of_child = nullptr;
const Say* say_of_child = nullptr;

void on_failed_check(int) {
  std::signal(SIGABRT, SIG_DFL);
  (*say_of_child)("F\tprocess ended: a check failed\n" +
                  text_of(write_script(*recording_of_child)));
  _exit(0);
}

// --- Of a script ---------------------------------------------------------------------------------

class Replayer {
 public:
  Replayer(const std::set<std::string>& wanted, ReplayMode mode) : wanted_(wanted), mode_(mode) {}

  Replay run(const std::vector<ScriptLine>& lines) {
    session_.run("trace off");
    if (mode_ == ReplayMode::kLenient) session_.run("strict off");
    for (const ScriptLine& line : lines) {
      ++replay_.line;
      session_.run(line.command);
      look_for_breach();
      if (!replay_.broken.empty()) return replay_;
      if (mode_ == ReplayMode::kStrict && replay_.deviation.empty()) compare(line);
    }
    return replay_;
  }

 private:
  void look_for_breach() {
    const std::vector<std::string>& failures = session_.failures();
    for (; failures_seen_ < failures.size(); ++failures_seen_) judge(failures[failures_seen_]);
    for (const auto& [id, replica] : session_.cluster().replicas())
      for (size_t& seen = fatals_seen_[id]; seen < replica.fatals.size(); ++seen)
        judge(fmt::format("replica {} reports {}", id.value, replica.fatals[seen]));
  }

  // Other breaches than the wanted one may be meant: a disk that lies is found by I-12.
  void judge(const std::string& text) {
    const std::set<std::string> named = invariants_in(text);
    const bool is_wanted = std::any_of(named.begin(), named.end(), [this](const std::string& name) {
      return wanted_.contains(name);
    });
    if (is_wanted && replay_.broken.empty()) replay_.broken = text;
    if (named.empty() && replay_.deviation.empty() && mode_ == ReplayMode::kStrict)
      replay_.deviation = fmt::format("line {}: {}", replay_.line, text);
  }

  void compare(const ScriptLine& line) {
    const auto& replicas = session_.cluster().replicas();
    const auto found = replicas.find(line.replica);
    if (line.face.empty() || found == replicas.end()) return;
    const std::string face = print(face_of(*found->second.core));
    if (face == line.face) return;
    replay_.deviation =
        fmt::format("line {}: {}: replica {} is {}, in the run it was {}", replay_.line,
                    line.command, line.replica.value, face, line.face);
  }

  const std::set<std::string>& wanted_;
  const ReplayMode mode_;
  ScriptSession session_;
  Replay replay_;
  size_t failures_seen_ = 0;
  std::map<ReplicaId, size_t> fatals_seen_;
};

}  // namespace

RecordedRun record_run(const RunOptions& options) {
  return record(
      [&options](CoreRecording& recording) { return run_simulation(options, &recording).failure; });
}

RecordedRun record(const std::function<std::string(CoreRecording&)>& run_it) {
  const ChildText child = text_of_child([&run_it](const Say& say) {
    CoreRecording recording;
    recording_of_child = &recording;
    say_of_child = &say;
    std::signal(SIGABRT, on_failed_check);
    const std::string failure = run_it(recording);
    std::signal(SIGABRT, SIG_DFL);
    say("F\t" + failure + "\n");
    say(text_of(write_script(recording)));
  });
  RecordedRun run;
  run.script = script_of(child.text);
  if (!child.ended_normally) run.script.gaps.emplace_back("the run ended its process");
  if (child.text.starts_with("F\t")) run.failure = child.text.substr(2, child.text.find('\n') - 2);
  return run;
}

std::set<std::string> invariants_in(const std::string& text) {
  std::set<std::string> names;
  if (text.starts_with("process ended")) names.insert(kFailedCheck);
  const auto is_digit = [&text](size_t at) {
    return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins_word = i == 0 || std::isalnum(static_cast<unsigned char>(text[i - 1])) == 0;
    const size_t sign = text.compare(i, 2, "I-") == 0 ? 2 : text[i] == 'S' ? 1 : 0;
    if (!begins_word || sign == 0 || !is_digit(i + sign)) continue;
    size_t end = i + sign;
    while (is_digit(end)) ++end;
    names.insert(text.substr(i, end - i));
  }
  return names;
}

Replay replay_lines(const std::vector<ScriptLine>& lines, const std::set<std::string>& wanted,
                    ReplayMode mode) {
  const ChildText child = text_of_child([&](const Say& say) {
    // Of thousands that are tried some break a check on their own; nobody needs to read that.
    if (std::freopen("/dev/null", "w", stderr) == nullptr) return;
    const Replay replay = Replayer(wanted, mode).run(lines);
    say(fmt::format("{}\n{}\n{}", replay.line, replay.broken, replay.deviation));
  });
  Replay replay;
  if (!child.ended_normally) {
    replay.line = lines.size();
    if (wanted.contains(kFailedCheck)) replay.broken = kFailedCheck;
    return replay;
  }
  const size_t first = child.text.find('\n');
  const size_t second = child.text.find('\n', first + 1);
  replay.line = std::strtoull(child.text.c_str(), nullptr, 10);
  replay.broken = child.text.substr(first + 1, second - first - 1);
  replay.deviation = child.text.substr(second + 1);
  return replay;
}

}  // namespace worldline::simulation
