// tests/simulation/script_reducer.h
//
// Makes a script smaller while it breaks one of the wanted invariants: turns elections by timeout
// into commands, leaves out all lines of one kind and all options of one kind, then lines in ever
// smaller pieces, then options of lines, then lines again; at last it looks after names and
// neighbours.
//
// Ownership: one use. Limits: replays and lines replayed, given by the caller.
#pragma once

#include "tests/simulation/script_replay.h"

namespace worldline::simulation {

class ScriptReducer {
 public:
  struct Limits {
    size_t replays = 0;
    size_t lines = 0;
  };
  ScriptReducer(std::vector<ScriptLine> lines, std::set<std::string> wanted, Limits limits);

  void run();
  const std::vector<ScriptLine>& lines() const { return lines_; }
  const std::string& broken() const { return broken_; }  // Empty: not even all of it breaks.
  size_t replays() const { return replays_; }

 private:
  bool try_lines(std::vector<ScriptLine> smaller);
  void replace_timeouts();
  void drop_kinds();
  void drop_details();
  bool drop_lines();  // True: something went.
  bool drop_pieces(size_t length);
  bool simplify_words();
  bool simplify_line(size_t place);
  bool try_command(size_t place, std::string command);
  void tidy();
  bool has_budget() const;

  std::vector<ScriptLine> lines_;
  const std::set<std::string> wanted_;
  const Limits limits_;
  std::string broken_;
  size_t replays_ = 0;
  size_t lines_replayed_ = 0;
};

}  // namespace worldline::simulation
