#include "tests/simulation/isolated_run.h"

#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

namespace worldline::simulation {

ChildText text_of_child(const std::function<void(const Say&)>& work) {
  int ends[2];
  WL_CHECK(pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  WL_CHECK(child >= 0);
  if (child == 0) {
    close(ends[0]);
    const auto say = [&ends](const std::string& text) {
      size_t done = 0;
      while (done < text.size()) {
        const ssize_t written = write(ends[1], text.data() + done, text.size() - done);
        if (written <= 0) break;
        done += static_cast<size_t>(written);
      }
    };
    work(say);
    close(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  ChildText child_text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    child_text.text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  WL_CHECK(waitpid(child, &status, 0) == child);
  child_text.ended_normally = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return child_text;
}

std::string run_isolated(const RunOptions& options) {
  const ChildText child =
      text_of_child([&options](const Say& say) { say(run_simulation(options).failure); });
  return child.ended_normally ? child.text : "process ended: a check failed";
}

Hunt hunt(const RunOptions& options, uint64_t first, uint64_t count) {
  // Each line is the seed that is being tried; the last one is where it ended.
  const auto [text, ended_normally] = text_of_child([&](const Say& say) {
    for (uint64_t i = 0; i < count; ++i) {
      RunOptions one = options;
      one.seed = first + i;
      say(fmt::format("{}\n", one.seed));
      const std::string failure = run_simulation(one).failure;
      if (!failure.empty()) return say("!" + failure);
    }
  });
  Hunt result;
  const size_t mark = text.find('!');
  const std::string seeds = text.substr(0, mark);
  size_t line = 0;
  for (size_t end = 0; (end = seeds.find('\n', line)) != std::string::npos; line = end + 1) {
    ++result.runs;
    result.failing_seed = std::strtoull(seeds.c_str() + line, nullptr, 10);
  }
  if (mark != std::string::npos) {
    result.failure = text.substr(mark + 1);
  } else if (!ended_normally) {
    result.failure = "process ended: a check failed";
  } else {
    result.failing_seed = 0;
  }
  return result;
}

std::string failure_kind(const std::string& failure) {
  return failure.substr(0, failure.find(':'));
}

}  // namespace worldline::simulation
