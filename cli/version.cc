#include "cli/version.h"

#include <filesystem>
#include <system_error>

namespace worldline::cli {

const char* const kVersion = WORLDLINE_VERSION;
#ifdef __clang__
const char* const kCompiler = __VERSION__;
#else
const char* const kCompiler = "GCC " __VERSION__;
#endif

std::string long_version() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return std::string("worldline ") + kVersion + "\n" +
         "Path: " + (error ? std::string("unknown") : path.string()) + "\n" + "Commit: " + kCommit +
         "\n" + "worldline tool version " + kVersion +
         "; client protocols v3.bsatn.spacetimedb, v2.bsatn.spacetimedb; module interfaces "
         "spacetime:sys@1.0-1.3, 2.0, 2.1; built with " +
         kCompiler;
}

}  // namespace worldline::cli
