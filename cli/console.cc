#include "cli/console.h"

#include <cctype>
#include <cstdio>

#include <unistd.h>

namespace worldline::cli {
namespace {

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;  // A reader that went away: nothing left to tell it.
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

void ProcessConsole::out(std::string_view text) {
  write_all(STDOUT_FILENO, text);
}

void ProcessConsole::err(std::string_view text) {
  write_all(STDERR_FILENO, text);
}

std::optional<std::string> ProcessConsole::read_line() {
  std::string line;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') return line;
    line.push_back(static_cast<char>(c));
  }
  if (line.empty()) return std::nullopt;
  return line;
}

bool ProcessConsole::out_is_terminal() const {
  return ::isatty(STDOUT_FILENO) == 1;
}

bool confirm(Console& console, std::string_view question, AssumeYes assume) {
  if (assume == AssumeYes::kYes) {
    console.out("Skipping confirmation due to --yes\n");
    return true;
  }
  console.out(std::string(question) + " [y/N]");
  std::string answer = console.read_line().value_or("");
  for (char& c : answer) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  while (!answer.empty() && std::isspace(static_cast<unsigned char>(answer.back())) != 0)
    answer.pop_back();
  return answer == "y" || answer == "yes";
}

}  // namespace worldline::cli
