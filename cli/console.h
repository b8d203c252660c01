// cli/console.h
//
// Console: where commands write and ask. Results go to out(), everything else to err(); scripts
// rely on that split [S 07/1]. Tests replace it.
//
// Thread: the command's one thread. Errors: none; a closed output is not our concern.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace worldline::cli {

class Console {
 public:
  virtual ~Console() = default;
  virtual void out(std::string_view text) = 0;         // Standard output, unbuffered.
  virtual void err(std::string_view text) = 0;         // Standard error.
  virtual std::optional<std::string> read_line() = 0;  // nullopt at the end of input.
  virtual bool out_is_terminal() const = 0;
};

// The process's own streams.
class ProcessConsole final : public Console {
 public:
  void out(std::string_view text) override;
  void err(std::string_view text) override;
  std::optional<std::string> read_line() override;
  bool out_is_terminal() const override;
};

enum class AssumeYes { kNo, kYes };

// Prints `question [y/N]` and reads a line: y or yes in any case is yes, all else no [S 07/1.1].
bool confirm(Console& console, std::string_view question, AssumeYes assume);

}  // namespace worldline::cli
