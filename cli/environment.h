// cli/environment.h
//
// Environment: what a command takes from outside its arguments. Read once in main.cc, so that
// nothing below reads the process environment and tests can make their own.
//
// Thread: immutable after construction.
#pragma once

#include <map>
#include <string>

namespace worldline::cli {

struct Environment {
  std::map<std::string, std::string> variables;  // Of the process.
  std::string working_dir;                       // Absolute.
  std::string executable;                        // Path of this binary.

  // Value of a variable, or empty.
  std::string get(const std::string& name) const {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  }
};

// Of the running process.
Environment process_environment();

// $XDG_CONFIG_HOME/worldline or ~/.config/worldline; R/config with --root-dir R [S 07/2.1, 12].
std::string config_dir(const Environment& environment, const std::string& root_dir);

// $XDG_DATA_HOME/worldline/data or ~/.local/share/worldline/data; R/data with --root-dir R.
std::string default_data_dir(const Environment& environment, const std::string& root_dir);

}  // namespace worldline::cli
