#include "runtime/v8/exceptions.h"

#include <utility>

#include <fmt/core.h>

#include "runtime/v8/values.h"

namespace worldline::runtime {
namespace {

constexpr std::string_view kEndOfTrace = "__spacetimedb_end_short_backtrace";
constexpr std::string_view kModuleScript = "spacetimedb_module";

std::string property_text(IsolateScope& scope, v8::Local<v8::Object> object,
                          std::string_view name) {
  v8::Local<v8::Value> value;
  if (!object->Get(scope.context(), js_name(scope, name)).ToLocal(&value) || !value->IsString())
    return {};
  return to_utf8(scope, value.As<v8::String>());
}

// Decodes the JSON of a map. A damaged one is an empty map: positions stay as they are.
SourceMap parse_map(IsolateScope& scope, std::string_view json) {
  const v8::TryCatch ignore(scope.isolate());
  v8::Local<v8::Value> root;
  if (json.empty() || !v8::JSON::Parse(scope.context(), js_string(scope, json)).ToLocal(&root) ||
      !root->IsObject())
    return {};
  const auto object = root.As<v8::Object>();
  std::vector<std::string> sources;
  v8::Local<v8::Value> list;
  if (object->Get(scope.context(), js_name(scope, "sources")).ToLocal(&list) && list->IsArray()) {
    const auto array = list.As<v8::Array>();
    for (uint32_t i = 0; i < array->Length(); ++i) {
      v8::Local<v8::Value> source;
      const bool is_text = array->Get(scope.context(), i).ToLocal(&source) && source->IsString();
      sources.push_back(is_text ? to_utf8(scope, source.As<v8::String>()) : std::string());
    }
  }
  return SourceMap::parse(property_text(scope, object, "mappings"), std::move(sources));
}

std::string_view frame_suffix(v8::Local<v8::StackFrame> frame) {
  if (frame->IsConstructor()) return " (constructor)";
  if (frame->IsEval()) return " (eval)";
  if (frame->IsWasm()) return " (wasm)";
  if (!frame->IsUserJavaScript()) return " (native)";
  return "";
}

struct Frame {
  std::string function;
  std::string place;
  std::string_view suffix;
};

std::vector<Frame> read_frames(IsolateScope& scope, v8::Local<v8::StackTrace> trace,
                               ScriptPositions* positions) {
  std::vector<Frame> frames;
  const int count = trace->GetFrameCount();
  for (int i = 0; i < count; ++i) {
    const auto frame = trace->GetFrame(scope.isolate(), static_cast<uint32_t>(i));
    std::string function;
    if (!frame->GetFunctionName().IsEmpty()) append_utf8(scope, frame->GetFunctionName(), function);
    if (function == kEndOfTrace) break;
    std::string script;
    if (!frame->GetScriptName().IsEmpty()) append_utf8(scope, frame->GetScriptName(), script);
    ScriptPositions::Position position{script, static_cast<uint32_t>(frame->GetLineNumber()),
                                       static_cast<uint32_t>(frame->GetColumn())};
    if (positions != nullptr)
      position = positions->original(scope, script, position.line, position.column);
    frames.push_back({std::move(function),
                      fmt::format("{}:{}:{}", position.source, position.line, position.column),
                      frame_suffix(frame)});
  }
  return frames;
}

}  // namespace

ScriptPositions::ScriptPositions(std::string_view bundle, std::string lowered_map)
    : bundle_(bundle), lowered_map_json_(std::move(lowered_map)) {}

void ScriptPositions::load(IsolateScope& scope) {
  if (lowered_) return;
  lowered_ = parse_map(scope, lowered_map_json_);
  inline_ = parse_map(scope, inline_source_map(bundle_));
  lowered_map_json_.clear();
}

ScriptPositions::Position ScriptPositions::original(IsolateScope& scope, std::string_view script,
                                                    uint32_t line, uint32_t column) {
  Position position{std::string(script), line, column};
  if (script != kModuleScript) return position;
  load(scope);
  if (const auto found = lowered_->find(line, column)) {
    position.line = found->line;
    position.column = found->column;
  }
  if (const auto found = inline_->find(position.line, position.column)) {
    if (!found->source.empty()) position.source = std::string(found->source);
    position.line = found->line;
    position.column = found->column;
  }
  return position;
}

uint32_t ScriptPositions::bundle_line(IsolateScope& scope, uint32_t line, uint32_t column) {
  if (lowered_map_json_.empty() && !lowered_) return line;
  load(scope);
  const auto found = lowered_->find(line, column);
  return found ? found->line : line;
}

ExceptionText describe_exception(IsolateScope& scope, v8::TryCatch& failed,
                                 ScriptPositions* positions) {
  ExceptionText text;
  const auto message = failed.Message();
  text.first_line = message.IsEmpty() ? "Uncaught exception" : to_utf8(scope, message->Get());
  text.message = text.first_line;
  v8::Local<v8::StackTrace> trace;
  if (!message.IsEmpty()) trace = message->GetStackTrace();
  if (trace.IsEmpty()) return text;
  for (Frame& frame : read_frames(scope, trace, positions)) {
    text.message += frame.function.empty() ? fmt::format("\n\tat {}{}", frame.place, frame.suffix)
                                           : fmt::format("\n\tat {} ({}){}", frame.function,
                                                         frame.place, frame.suffix);
    LogFrame record{.module_name = std::move(frame.place), .func_name = std::nullopt};
    if (!frame.function.empty()) record.func_name = std::move(frame.function);
    text.frames.push_back(std::move(record));
  }
  return text;
}

}  // namespace worldline::runtime
