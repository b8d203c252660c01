// A published bundle is lowered once per node: text and map are kept in one file named by program
// hash and tool version. The file begins with the BLAKE3 hash of what follows, so a torn or foreign
// file is seen and made again.

#include "runtime/v8/lowering.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "runtime/source_map.h"
#include "runtime/v8/isolate.h"
#include "runtime/v8/values.h"
#include "runtime/watchdog.h"

namespace worldline::runtime {
namespace {

namespace fs = std::filesystem;
using v8::Local;

constexpr std::string_view kCacheSuffix = ".ts5.9-1";  // Tool and format of the file.
constexpr size_t kHashBytes = 32;
constexpr size_t kLoweringStackBytes = 4 * limits::MiB;  // The tool recurses over the syntax tree.

// Calls the tool with the options a JavaScript module needs. Diagnostics of category 1 are syntax
// errors of the bundle.
constexpr std::string_view kDriver = R"js((function (bundle) {
  const result = ts.transpileModule(bundle, {
    fileName: 'spacetimedb_module.js',
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, allowJs: true,
      sourceMap: true, newLine: ts.NewLineKind.LineFeed, verbatimModuleSyntax: true,
    },
  });
  const errors = result.diagnostics.filter(d => d.category === 1).slice(0, 20).map(d => {
    const { line, character } = d.file
      ? ts.getLineAndCharacterOfPosition(d.file, d.start) : { line: 0, character: 0 };
    const text = ts.flattenDiagnosticMessageText(d.messageText, '\n');
    return `${text} (spacetimedb_module:${line + 1}:${character + 1})`;
  });
  return [result.outputText, result.sourceMapText ?? '', errors.join('\n')];
}))js";

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return std::nullopt;
  return text;
}

std::vector<std::string> tool_places(const RuntimeConfig& config) {
  if (!config.lowering_tool.empty()) return {config.lowering_tool};
  return {WL_LOWERING_TOOL_INSTALLED, WL_LOWERING_TOOL_BUILD, WL_LOWERING_TOOL_SOURCE};
}

Result<std::string> read_tool(const RuntimeConfig& config) {
  std::string tried;
  for (const std::string& place : tool_places(config)) {
    if (auto text = read_file(place)) return *std::move(text);
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return Status::failed_precondition(
      "the module uses JavaScript syntax newer than this engine's, and the tool that lowers it is "
      "missing: put lib/typescript.js of npm's typescript 5.9 at one of: {}",
      tried);
}

// ---- Cache -------------------------------------------------------------------------------------

fs::path cache_file(const RuntimeConfig& config, const schema::Hash256& hash) {
  return fs::path(config.lowering_cache) / (hash.to_hex() + std::string(kCacheSuffix));
}

// hash of the rest | u32 script length | script | map
std::optional<LoweredScript> read_cache(const fs::path& path) {
  const auto file = read_file(path);
  if (!file || file->size() < kHashBytes + sizeof(uint32_t)) return std::nullopt;
  const Bytes all = as_bytes(*file);
  const Bytes body = all.subspan(kHashBytes);
  if (schema::blake3(body) != schema::Hash256::from_bytes(all.first(kHashBytes)))
    return std::nullopt;
  const auto length = load_le<uint32_t>(body.data());
  const std::string_view text = as_text(body.subspan(sizeof length));
  if (length > text.size()) return std::nullopt;
  return LoweredScript{std::string(text.substr(0, length)), std::string(text.substr(length))};
}

// Best effort: without the file the next start lowers again.
void write_cache(const fs::path& path, const LoweredScript& lowered) {
  ByteBuffer body;
  append_le(body, static_cast<uint32_t>(lowered.script.size()));
  append(body, as_bytes(lowered.script));
  append(body, as_bytes(lowered.map));
  const schema::Hash256 hash = schema::blake3(body);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  fs::path temporary = path;
  temporary += fmt::format(".{}", std::hash<std::thread::id>()(std::this_thread::get_id()));
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(hash.bytes.data()),
               static_cast<std::streamsize>(hash.bytes.size()));
    file.write(reinterpret_cast<const char*>(body.data()),
               static_cast<std::streamsize>(body.size()));
    if (!file.good()) {
      fs::remove(temporary, error);
      return;
    }
  }
  fs::rename(temporary, path, error);
  if (error) fs::remove(temporary, error);
}

// ---- The tool ----------------------------------------------------------------------------------

v8::MaybeLocal<v8::Value> run_script(IsolateScope& scope, std::string_view name,
                                     std::string_view text) {
  v8::ScriptOrigin origin(scope.isolate(), js_name(scope, name));
  Local<v8::Script> script;
  if (!v8::Script::Compile(scope.context(), js_string(scope, text), &origin).ToLocal(&script))
    return {};
  return script->Run(scope.context());
}

std::string element_text(IsolateScope& scope, Local<v8::Array> array, uint32_t index) {
  Local<v8::Value> value;
  if (!array->Get(scope.context(), index).ToLocal(&value) || !value->IsString()) return {};
  return to_utf8(scope, value.As<v8::String>());
}

// [script, map, errors], or nothing with an exception pending.
v8::MaybeLocal<v8::Value> call_tool(IsolateScope& scope, std::string_view tool,
                                    std::string_view bundle) {
  Local<v8::Value> driver;
  if (run_script(scope, "typescript", tool).IsEmpty() ||
      !run_script(scope, "lowering", kDriver).ToLocal(&driver))
    return {};
  Local<v8::Value> argument = js_string(scope, without_inline_source_map(bundle));
  return driver.As<v8::Function>()->Call(scope.context(), v8::Undefined(scope.isolate()), 1,
                                         &argument);
}

// Removes the comment that names the map file: there is none.
void drop_map_comment(std::string& script) {
  const size_t length = without_inline_source_map(script).size();
  script.resize(length);
}

Result<LoweredScript> read_answer(IsolateScope& scope, Local<v8::Value> answer) {
  if (!answer->IsArray()) return Status::internal("the lowering tool answered no list");
  const auto array = answer.As<v8::Array>();
  const std::string errors = element_text(scope, array, 2);
  if (!errors.empty()) return Status::invalid_argument("Uncaught SyntaxError: {}", errors);
  LoweredScript lowered{element_text(scope, array, 0), element_text(scope, array, 1)};
  drop_map_comment(lowered.script);
  return lowered;
}

Result<LoweredScript> run_tool(ModuleRuntime& runtime, std::string_view tool,
                               std::string_view bundle) {
  const RuntimeConfig& config = runtime.config();
  JsIsolate js({.heap_bytes = config.lowering_heap_bytes, .stack_bytes = kLoweringStackBytes});
  WatchSlot slot(js, config.lowering_budget, "lowering a module");
  runtime.watchdog().add(slot);
  Result<LoweredScript> lowered = Status::internal("not run");
  bool stopped = false;
  {
    EnteredIsolate entered(js);
    IsolateScope& scope = entered.scope();
    v8::TryCatch failed(scope.isolate());
    WatchedCall watched(slot);
    Local<v8::Value> answer;
    if (call_tool(scope, tool, bundle).ToLocal(&answer))
      lowered = read_answer(scope, answer);
    else if (failed.HasCaught() && !failed.HasTerminated())
      lowered = Status::invalid_argument("the lowering tool failed: {}",
                                         to_utf8(scope, failed.Message()->Get()));
    stopped = watched.end();
    if (stopped || js.raised_heap_limit() != 0) js.cancel_stop();
  }
  runtime.watchdog().remove(slot);
  if (stopped)
    return Status::timeout("lowering the module took longer than {} ms",
                           config.lowering_budget.count());
  return lowered;
}

}  // namespace

Result<LoweredScript> lower_script(ModuleRuntime& runtime, std::string_view bundle,
                                   const schema::Hash256& hash) {
  const RuntimeConfig& config = runtime.config();
  const bool cached = !config.lowering_cache.empty();
  if (cached)
    if (auto found = read_cache(cache_file(config, hash))) return *std::move(found);
  WL_ASSIGN_OR_RETURN(const std::string tool, read_tool(config));
  auto lowered = run_tool(runtime, tool, bundle);
  if (cached && lowered.ok()) write_cache(cache_file(config, hash), *lowered);
  return lowered;
}

}  // namespace worldline::runtime
