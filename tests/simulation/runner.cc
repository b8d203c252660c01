#include "tests/simulation/runner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/simulation/script_emitter.h"
#include "tests/simulation/shrinker.h"

namespace worldline::simulation {
namespace {

constexpr size_t kShrinkRunsMax = 600;

// Written before each run, read by the handler of a failed check only.
char current_run[1024];

void on_abort(int) {
  const ssize_t written = write(STDERR_FILENO, current_run, std::strlen(current_run));
  _exit(written > 0 ? 134 : 135);
}

struct CommandLine {
  RunOptions run;
  uint64_t first = 1;
  uint64_t count = 1;
  uint64_t seconds = 0;
  bool shrinks = false;
  std::string script;  // Where --shrink writes one; "" = beside, named by the seed.
  bool is_bad = false;
};

uint64_t number_of(const char* text, CommandLine& command) {
  char* end = nullptr;
  const uint64_t number = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') command.is_bad = true;
  return number;
}

void add_class(std::string_view name, std::vector<FaultClass>& list, CommandLine& command) {
  const std::optional<FaultClass> fault = parse_fault_class(name);
  if (!fault) command.is_bad = true;
  if (fault) list.push_back(*fault);
}

void add_skip(std::string_view text, CommandLine& command) {
  const size_t colon = text.find(':');
  const std::optional<FaultClass> fault = parse_fault_class(text.substr(0, colon));
  if (!fault || colon == std::string_view::npos) {
    command.is_bad = true;
    return;
  }
  command.run.skipped.push_back(
      {*fault, number_of(std::string(text.substr(colon + 1)).c_str(), command)});
}

// False: unknown.
bool parse_option(std::string_view name, const char* value, CommandLine& command) {
  const auto number = [&] { return number_of(value, command); };
  if (name == "--seed") {
    command.first = number();
    command.count = 1;
  } else if (name == "--first") {
    command.first = number();
  } else if (name == "--count") {
    command.count = number();
  } else if (name == "--seconds") {
    command.seconds = number();
  } else if (name == "--edition") {
    command.run.edition = static_cast<uint32_t>(number());
  } else if (name == "--ms") {
    command.run.duration = number() * kMillisecond;
  } else if (name == "--voters") {
    command.run.voters_max = static_cast<uint32_t>(number());
  } else if (name == "--spares") {
    command.run.spares_max = static_cast<uint32_t>(number());
  } else if (name == "--clients") {
    command.run.clients_max = static_cast<uint32_t>(number());
  } else if (name == "--class") {
    command.run.only = parse_fault_class(value);
    if (!command.run.only) command.is_bad = true;
  } else if (name == "--without") {
    add_class(value, command.run.without, command);
  } else if (name == "--skip") {
    add_skip(value, command);
  } else if (name == "--script") {
    command.script = value;
  } else {
    return false;
  }
  return true;
}

CommandLine parse(int argc, char** argv) {
  CommandLine command;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--trace") {
      command.run.with_trace = true;
    } else if (name == "--model") {
      command.run.with_model = true;
    } else if (name == "--shrink") {
      command.shrinks = true;
    } else if (name == "--no-liveness") {
      command.run.with_liveness = false;
    } else if (i + 1 >= argc || !parse_option(name, argv[++i], command)) {
      command.is_bad = true;
    }
  }
  const bool has_nobody = command.run.voters_max == 0u || command.run.clients_max == 0u;
  if (has_nobody || (!command.script.empty() && !command.shrinks)) command.is_bad = true;
  std::sort(command.run.skipped.begin(), command.run.skipped.end());
  return command;
}

void report_failure(const RunOptions& options, const std::string& failure) {
  fmt::print("FAILED seed {}: {}\n  {}\n  {}\n", options.seed, failure,
             print_scenario(draw_scenario(options)), repro_line(options));
  std::fflush(stdout);
}

// The script is for whoever looks into the failure; that it cannot be written is no other failure.
void write_script_file(const RunOptions& options, std::string path) {
  if (path.empty()) path = fmt::format("seed-{}.script", options.seed);
  const EmittedScript script = emit_script(options);
  std::ofstream file(path);
  file << script.text;
  file.close();
  if (!file) {
    fmt::print(stderr, "{}: cannot be written\n", path);
    return;
  }
  fmt::print(
      "  script: {} ({} of {} lines, {} replays): {}\n  build/release/raft_core_test --script {}\n",
      path, script.lines_left, script.lines_written, script.replays, script.verdict, path);
}

int run_shrinker(const CommandLine& command) {
  const uint64_t seed = command.first;
  RunOptions options = command.run;
  options.seed = seed;
  const Shrunk shrunk = shrink(options, kShrinkRunsMax);
  if (shrunk.failure.empty()) {
    fmt::print("seed {} does not fail\n", seed);
    return 2;
  }
  fmt::print("after {} runs, {} decisions left:\n", shrunk.runs, shrunk.decisions);
  report_failure(shrunk.options, shrunk.failure);
  write_script_file(shrunk.options, command.script);
  return 1;
}

}  // namespace

void Tally::add(const Outcome& outcome) {
  ++runs;
  events += outcome.events;
  calls += outcome.calls;
  calls_done += outcome.calls_done;
  calls_unknown += outcome.calls_unknown;
  leaders += outcome.leaders;
  unrecoverable += outcome.was_recoverable ? 0 : 1;
  gave_up += outcome.search_gave_up ? 1 : 0;
  virtual_time += outcome.virtual_time;
  for (size_t i = 0; i < marks.size(); ++i) marks[i] += outcome.marks[i];
  for (size_t i = 0; i < fault_marks.size(); ++i) fault_marks[i] += outcome.fault_marks[i];
}

std::vector<std::string> Tally::unreached() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < marks.size(); ++i)
    if (marks[i] == 0)
      names.emplace_back(replication::note_name(static_cast<replication::NoteKind>(i)));
  for (size_t i = 0; i < fault_marks.size(); ++i)
    if (fault_marks[i] == 0) names.emplace_back(fault_mark_name(static_cast<FaultMark>(i)));
  return names;
}

std::string print_tally(const Tally& tally) {
  std::string text = fmt::format(
      "{} runs, {} virtual s, {} events, {} calls ({} done, {} unknown), {} terms with a leader, "
      "{} unrecoverable, {} searches given up\nmarks:",
      tally.runs, tally.virtual_time / kSecond, tally.events, tally.calls, tally.calls_done,
      tally.calls_unknown, tally.leaders, tally.unrecoverable, tally.gave_up);
  for (size_t i = 0; i < tally.marks.size(); ++i)
    text += fmt::format(" {}={}", replication::note_name(static_cast<replication::NoteKind>(i)),
                        tally.marks[i]);
  for (size_t i = 0; i < kFaultMarkCount; ++i)
    text += fmt::format(" {}={}", fault_mark_name(static_cast<FaultMark>(i)), tally.fault_marks[i]);
  const std::vector<std::string> unreached = tally.unreached();
  text += fmt::format("\n{} marks not reached{}", unreached.size(), unreached.empty() ? "" : ":");
  for (const std::string& name : unreached) text += " " + name;
  return text + "\n";
}

void announce_run(const RunOptions& options) {
  const std::string text = fmt::format("a check failed in: {}\n", repro_line(options));
  std::strncpy(current_run, text.c_str(), sizeof current_run - 1);
  std::signal(SIGABRT, on_abort);
}

int run_command(int argc, char** argv) {
  const CommandLine command = parse(argc, argv);
  if (command.is_bad) {
    fmt::print(stderr,
               "Usage: simulation [--seed N | --first N] [--count N] [--seconds S] [--shrink]\n"
               "  [--trace] [--class C] [--without C]... [--skip C:N]... [--ms N] [--voters N]\n"
               "  [--spares N] [--clients N] [--no-liveness] [--edition N] [--model]\n"
               "  [--script FILE, with --shrink]\n");
    return 2;
  }
  if (command.shrinks) return run_shrinker(command);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&start] { return std::chrono::duration<double>(Clock::now() - start); };
  Tally tally;
  uint64_t failures = 0;
  const bool is_timed = command.seconds > 0;
  for (uint64_t i = 0;
       is_timed ? elapsed().count() < static_cast<double>(command.seconds) : i < command.count;
       ++i) {
    RunOptions options = command.run;
    options.seed = command.first + i;
    announce_run(options);
    const Outcome outcome = run_simulation(options);
    tally.add(outcome);
    if (outcome.ok()) continue;
    ++failures;
    report_failure(options, outcome.failure);
  }
  const double seconds = elapsed().count();
  fmt::print("{}{} failed; {:.1f} runs/s, {:.0f} events/s\n", print_tally(tally), failures,
             static_cast<double>(tally.runs) / seconds,
             static_cast<double>(tally.events) / seconds);
  return failures == 0 ? 0 : 1;
}

}  // namespace worldline::simulation
