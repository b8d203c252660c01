// cli/module_build.h
//
// From what a user has (a module directory, a JavaScript bundle, a WebAssembly binary) to the
// program bytes that a server takes [S 07/6.2]. A directory is type-checked with its own tsc, if it
// has one, and bundled with esbuild; nothing is installed.
//
// Thread: one; blocks while tools run. Errors: kFailedPrecondition when a tool or dependency is
// missing (the text says what to do), kInvalidArgument for a module that cannot be one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/console.h"
#include "cli/environment.h"

namespace worldline::cli {

enum class ProgramKind : uint8_t { kWasm, kJs };

struct ModuleSource {
  enum class Form : uint8_t { kDirectory, kJsFile, kWasmFile };
  Form form = Form::kDirectory;
  std::string path;  // Absolute.
};

struct BuildOutcome {
  int tool_exit_code = 0;  // Not 0: a tool failed and has told why; `program` is empty.
  ProgramKind kind = ProgramKind::kJs;
  std::string program;
};

// The form follows from what `path` is: a directory, or a file ending in .js, .mjs or .wasm.
Result<ModuleSource> module_source(const std::string& path);

Result<BuildOutcome> build_module(const ModuleSource& source, const Environment& environment,
                                  Console& console);

// The rules a bundle has to keep: it imports spacetime:sys of one major version, and has a default
// export if that is 2 [S 07/6.2 step 4].
Status check_bundle(std::string_view bundle);

}  // namespace worldline::cli
