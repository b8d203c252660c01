#include "cli/module_build.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/limits.h"
#include "cli/child_process.h"

namespace worldline::cli {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return Status::not_found("cannot read {}: {}", path, error.message());
  if (size > limits::kProgramBytesMax)
    return Status::too_large("{} has {} bytes; a program may have {}", path, size,
                             limits::kProgramBytesMax);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Status::io_error("cannot read {}", path);
  return text.str();
}

// node_modules/.bin/NAME of the directory or one above it, else NAME of PATH; empty if none.
std::string find_tool(const std::string& name, const std::string& directory,
                      const Environment& environment) {
  for (fs::path at = directory;; at = at.parent_path()) {
    const fs::path candidate = at / "node_modules" / ".bin" / name;
    std::error_code ignored;
    if (fs::exists(candidate, ignored)) return candidate.string();
    if (at == at.root_path() || at.empty()) break;
  }
  return find_in_path(name, environment.get("PATH"));
}

bool has_dependency(const std::string& name, const std::string& directory) {
  std::error_code ignored;
  for (fs::path at = directory;; at = at.parent_path()) {
    if (fs::is_directory(at / "node_modules" / name, ignored)) return true;
    if (at == at.root_path() || at.empty()) return false;
  }
}

Status check_directory(const std::string& directory) {
  std::error_code ignored;
  for (const char* other : {"Cargo.toml", "CMakeLists.txt"})
    if (fs::exists(fs::path(directory) / other, ignored))
      return Status::not_supported(
          "{} holds a module to be compiled to WebAssembly ({}): build it "
          "yourself and publish the .wasm file",
          directory, other);
  if (!fs::exists(fs::path(directory) / "package.json", ignored))
    return Status::invalid_argument("{} holds no module: there is no package.json", directory);
  if (!fs::exists(fs::path(directory) / "src" / "index.ts", ignored))
    return Status::invalid_argument("{} holds no module: there is no src/index.ts", directory);
  if (!has_dependency("spacetimedb", directory))
    return Status::failed_precondition(
        "the dependencies of {} are not installed\n\nRun once:\n\n"
        "    cd {} && npm install\n",
        directory, directory);
  return {};
}

Result<BuildOutcome> bundle_directory(const std::string& directory, const Environment& environment,
                                      Console& console) {
  WL_RETURN_IF_ERROR(check_directory(directory));
  const std::string esbuild = find_tool("esbuild", directory, environment);
  if (esbuild.empty())
    return Status::failed_precondition(
        "esbuild, which bundles TypeScript modules, is not "
        "installed\n\nRun once:\n\n    cd {} && npm install "
        "--save-dev esbuild\n",
        directory);
  BuildOutcome outcome;
  const std::string tsc = directory + "/node_modules/.bin/tsc";
  std::error_code ignored;
  if (fs::exists(tsc, ignored)) {
    console.err("Checking types...\n");
    WL_ASSIGN_OR_RETURN(outcome.tool_exit_code, run_child({tsc, "--noEmit"}, directory));
    if (outcome.tool_exit_code != 0) return outcome;
  } else {
    console.err("Types are not checked: there is no " + tsc + "\n");
  }
  console.err("Bundling " + directory + "...\n");
  const std::string output = "dist/bundle.js";
  WL_ASSIGN_OR_RETURN(
      const int code,
      run_child(
          {esbuild, "src/index.ts", "--bundle", "--format=esm", "--platform=neutral",
           "--target=esnext", "--conditions=production,import,default", "--main-fields=module,main",
           "--external:spacetime:*", "--define:process.env.NODE_ENV=\"production\"",
           "--sourcemap=inline", "--sources-content=false", "--legal-comments=none",
           "--log-level=warning", "--outfile=" + output},
          directory));
  if (code != 0) {
    outcome.tool_exit_code = 1;
    return outcome;
  }
  WL_ASSIGN_OR_RETURN(outcome.program, read_file(directory + "/" + output));
  WL_RETURN_IF_ERROR(check_bundle(outcome.program));
  console.err("Build finished successfully.\n");
  return outcome;
}

// The major versions of spacetime:sys that import lines name.
std::set<std::string> imported_majors(std::string_view bundle) {
  constexpr std::string_view kPrefix = "spacetime:sys@";
  std::set<std::string> majors;
  for (size_t at = bundle.find(kPrefix); at != std::string_view::npos;
       at = bundle.find(kPrefix, at + 1)) {
    const size_t newline = bundle.rfind('\n', at);
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (!bundle.substr(line).starts_with("import")) continue;
    const size_t version = at + kPrefix.size();
    const size_t dot = bundle.find('.', version);
    if (dot != std::string_view::npos) majors.emplace(bundle.substr(version, dot - version));
  }
  return majors;
}

}  // namespace

Status check_bundle(std::string_view bundle) {
  const std::set<std::string> majors = imported_majors(bundle);
  if (majors.empty())
    return Status::invalid_argument(
        "the module does not import `spacetimedb/server`: it declares "
        "no tables or reducers");
  if (majors.size() > 1)
    return Status::invalid_argument(
        "The module pulls in {} different versions of the `spacetimedb/server` package",
        majors.size());
  const bool has_default = bundle.find(" as default") != std::string_view::npos ||
                           bundle.find("export default") != std::string_view::npos;
  if (*majors.begin() == "2" && !has_default)
    return Status::invalid_argument(
        "the module has no default export: src/index.ts must "
        "`export default` the value of schema(...)");
  return {};
}

Result<ModuleSource> module_source(const std::string& path) {
  std::error_code ignored;
  ModuleSource source;
  source.path = fs::absolute(path, ignored).lexically_normal().string();
  while (source.path.size() > 1 && source.path.back() == '/') source.path.pop_back();
  const std::string extension = fs::path(source.path).extension().string();
  if (fs::is_directory(source.path, ignored)) return source;
  if (!fs::exists(source.path, ignored)) return Status::not_found("there is no {}", source.path);
  if (extension == ".js" || extension == ".mjs")
    source.form = ModuleSource::Form::kJsFile;
  else if (extension == ".wasm")
    source.form = ModuleSource::Form::kWasmFile;
  else
    return Status::invalid_argument("{} is neither a directory nor a .js or .wasm file",
                                    source.path);
  return source;
}

Result<BuildOutcome> build_module(const ModuleSource& source, const Environment& environment,
                                  Console& console) {
  if (source.form == ModuleSource::Form::kDirectory)
    return bundle_directory(source.path, environment, console);
  const bool js = source.form == ModuleSource::Form::kJsFile;
  console.out(std::string(js ? "(JS)" : "(WASM)") + " Skipping build. Instead we are publishing " +
              source.path + "\n");
  BuildOutcome outcome;
  outcome.kind = js ? ProgramKind::kJs : ProgramKind::kWasm;
  WL_ASSIGN_OR_RETURN(outcome.program, read_file(source.path));
  return outcome;
}

}  // namespace worldline::cli
