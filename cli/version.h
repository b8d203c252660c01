// cli/version.h
//
// What this binary is. Thread: any; constant. Errors: an executable whose path cannot be read is
// `unknown`.
#pragma once

#include <string>

namespace worldline::cli {

extern const char* const kVersion;   // major.minor.patch, of the CMake project.
extern const char* const kCommit;    // Of the sources, `-dirty` behind it if changed; or `unknown`.
extern const char* const kCompiler;  // Name and version.

// `--version`: version, executable, commit, and the versions of tool and protocols [S 07/1].
std::string long_version();

}  // namespace worldline::cli
