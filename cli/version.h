// cli/version.h
//
// What this binary is. Thread: any; constant.
#pragma once

namespace worldline::cli {

extern const char* const kVersion;  // major.minor.patch, of the CMake project.

}  // namespace worldline::cli
