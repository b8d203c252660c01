#include "tests/simulation/script_emitter.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/replication/script_words.h"
#include "tests/simulation/script_reducer.h"

namespace worldline::simulation {
namespace {

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string first_words(const std::string& text, size_t length) {
  return text.size() <= length ? text : text.substr(0, length) + "..";
}

// Why the cores' steps break nothing although the run failed.
std::string reason_of(const std::set<std::string>& wanted, const Replay& replay,
                      const WrittenScript& script) {
  if (!script.gaps.empty()) return "it is not all of the run: " + script.gaps.front();
  if (!replay.deviation.empty()) return "it differs from the run: " + replay.deviation;
  if (wanted.contains("I-26") || wanted.contains("I-27") || wanted.contains("I-28"))
    return "the run failed by what did not happen in time; see how the replicas end";
  if (wanted.empty())
    return "the run failed by what its clients or disks saw, not by a step of a core";
  return "the observer of scripts does not look for " + joined(wanted);
}

// Disks that lose what was acknowledged, beyond what a group survives, break it without a bug; the
// run kept to that measure, a smaller script may not.
bool destroys_data(const ScriptLine& line) {
  return line.command.starts_with("lose ") || line.command.find(" last=") != std::string::npos;
}

// In lines of at most kWidth, but for words that are longer.
std::string comment_of(const std::string& text) {
  constexpr size_t kWidth = 98;
  std::string out = "#";
  size_t width = 1;
  for (const std::string& word : replication::testing::split_text(text, ' ')) {
    if (width + 1 + word.size() > kWidth) {
      out += "\n#  ";
      width = 3;
    }
    out += " " + word;
    width += 1 + word.size();
  }
  return out + "\n";
}

// Commands that print nothing share a block with what follows.
std::string text_of(const std::vector<std::string>& comments,
                    const std::vector<ScriptLine>& lines) {
  std::string text;
  for (const std::string& comment : comments) text += comment_of(comment);
  text += "strict off\n";
  for (const ScriptLine& line : lines) {
    text += line.command + "\n";
    const bool is_silent =
        line.command.starts_with("drop") || line.command.starts_with("duplicate");
    if (!is_silent) text += "\n";
  }
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace

EmittedScript emit_script(const RunOptions& options, size_t replays_max) {
  const RecordedRun run = record_run(options);
  EmittedScript out;
  out.failure = run.failure;
  if (run.failure.empty()) {
    out.verdict = "the run does not fail";
    return out;
  }
  const std::set<std::string> wanted = invariants_in(run.failure);
  const Replay replay = replay_lines(run.script.lines, wanted, ReplayMode::kStrict);
  std::vector<ScriptLine> lines = run.script.lines;
  out.lines_written = lines.size();
  out.replays = 1;
  out.breaks = !replay.ok();
  std::string broken = replay.broken;
  if (out.breaks) {
    lines.resize(replay.line);
    ScriptReducer reducer(lines, wanted, {replays_max, kLinesMax});
    reducer.run();
    lines = reducer.lines();
    out.replays += reducer.replays();
    if (!reducer.broken().empty()) broken = reducer.broken();
  }
  out.lines_left = lines.size();
  out.verdict = out.breaks ? fmt::format("it breaks {} again", joined(wanted))
                           : "it breaks no invariant: " + reason_of(wanted, replay, run.script);
  std::vector<std::string> comments = {
      first_words(run.failure, 300), "Written from: " + repro_line(options),
      fmt::format("Left are {} of {} lines. Replayed, {}", out.lines_left, out.lines_written,
                  out.breaks ? out.verdict + ":" : out.verdict + "."),
      broken.empty() ? "The lines hold all that the cores were given." : broken};
  if (out.breaks && std::any_of(lines.begin(), lines.end(), destroys_data))
    comments.emplace_back(
        "It destroys data (`lose`, `last=`): see that a majority keeps what was acknowledged.");
  out.text = text_of(comments, lines);
  return out;
}

}  // namespace worldline::simulation
