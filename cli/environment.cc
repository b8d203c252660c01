#include "cli/environment.h"

#include <filesystem>
#include <system_error>

#include <unistd.h>

extern char** environ;

namespace worldline::cli {
namespace {

// An XDG base directory: the variable if it is an absolute path, else HOME/fallback.
std::string base_dir(const Environment& environment, const char* variable, const char* fallback) {
  const std::string given = environment.get(variable);
  if (!given.empty() && given.front() == '/') return given;
  const std::string home = environment.get("HOME");
  return (home.empty() ? environment.working_dir : home) + "/" + fallback;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos)
      environment.variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  std::error_code ignored;
  environment.working_dir = std::filesystem::current_path(ignored).string();
  environment.executable = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  return environment;
}

std::string config_dir(const Environment& environment, const std::string& root_dir) {
  if (!root_dir.empty()) return root_dir + "/config";
  return base_dir(environment, "XDG_CONFIG_HOME", ".config") + "/worldline";
}

std::string default_data_dir(const Environment& environment, const std::string& root_dir) {
  if (!root_dir.empty()) return root_dir + "/data";
  return base_dir(environment, "XDG_DATA_HOME", ".local/share") + "/worldline/data";
}

}  // namespace worldline::cli
